"""Declared splits: a name that fits no column, and a split that the closes contradict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host.errors import did_you_mean
from host.home.portfolio.contradictions.contradiction import Contradiction, error
from host.home.portfolio.market_layouts import matches

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from host.home.portfolio.market_data import Split
    from planner_core.model.records import Finding


def check_split_names(
    splits: Sequence[Split],
    source: str,
    columns: Collection[str],
    securities: Collection[str],
) -> list[Contradiction]:
    """Return the splits whose security has no prices: they were never applied.

    Parameters
    ----------
    splits : sequence of Split
    source : str
        Their file.
    columns : collection of str
        All columns of the prices, those of other buckets too.
    securities : collection of str
        Those of this bucket; the nearest one is held.
    """
    contradictions = []
    for split in splits:
        # A split of another bucket's security is in the case of the file, not of that bucket.
        if split.security in securities or matches((split.security,), columns):
            continue
        hint = did_you_mean(split.security, sorted(columns), otherwise="")
        nearest = hint.partition("`")[2].partition("`")[0]
        finding = error(
            "split_security_unknown",
            f"{source}:{split.line}: there are no prices of {split.security}, so its split of"
            f" {split.ratio:g} on {split.on} is not applied",
            f"{hint} Else delete the line"
            if hint
            else f"add closes of {split.security} to market/prices.csv, or delete the line",
            nearest or None,
        )
        held = (nearest,) if nearest in securities else ()
        reason = f"a split of {split.security} may be its own"
        contradictions.append(Contradiction(finding, held, reason))
    return contradictions


def held_by_closes(findings: Sequence[Finding]) -> list[Contradiction]:
    """Return the splits that the closes contradict; see `adjust_for_splits`."""
    return [
        Contradiction(finding, (finding.security,), "its closes contradict its declared split")
        for finding in findings
        if finding.security is not None
    ]
