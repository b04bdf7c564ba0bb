"""The part of each security in each group, and which securities move a group.

A share lies in one group of a classification, as a rule; a fund may split over several.
"""

from __future__ import annotations

import numpy as np

from planner_core.model.arrays import BoolArray, FloatArray, IntArray
from planner_core.model.context import PlanningContext


def group_membership(context: PlanningContext, groups: list[tuple[str, str]]) -> FloatArray:
    """Return the part of each security in each (classification, group).

    Returns
    -------
    ndarray of shape (n_groups, n_securities), fractions
        1 for a whole security; what a fund holds may lie in several groups (look-through).
    """
    membership = np.zeros((len(groups), context.n_securities))
    for row, (classification, group) in enumerate(groups):
        for column, security in enumerate(context.securities):
            # A security without this classification belongs to none of its groups.
            membership[row, column] = security.group_shares(classification).get(group, 0.0)
    return membership


def group_levers(share: FloatArray, level: float, usable: BoolArray) -> IntArray:
    """Return the securities to bring a group toward `level` with, by column.

    Parameters
    ----------
    share : ndarray of shape (n_securities,)
        Part of each security in the group: a row of `group_membership`.
    level : float, weight
        Cap or target of the group.
    usable : ndarray of shape (n_securities,), bool

    Notes
    -----
    A fund with less of the group than `level` is not why the group weighs more, and buying it does
    not bring the group to its target. So those with more are named, and all members only where no
    usable one has more.
    """
    members = (share > 0) & usable
    # Weights sum to 1 at most, so without debt a group above `level` has a member with more of it.
    decisive = members & (share > level)
    return np.flatnonzero(decisive if decisive.any() else members)
