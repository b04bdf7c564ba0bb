"""A trend filter: buy only what closed its last month above its average of ten months.

Source: M. T. Faber, "A Quantitative Approach to Tactical Asset Allocation", Journal of Wealth
Management 9(4) (2007), 69-79. His rule, for asset classes, looks once a month, at the month's last
close: hold what is above the simple average of the last ten month-end closes, else hold cash.

This filter takes the half of the rule that stops purchases. It sells nothing: what you hold below
its average is bought no further, and the other modules decide whether it goes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from planner_core.api import (
    Candidates,
    Filter,
    ModuleMetadata,
    ModuleParameters,
    PlanningState,
    cacheable,
    filter_registry,
    parameter,
)


class FaberTrendParameters(ModuleParameters):
    """Length of the average, and what happens without enough history."""

    months: int = parameter(
        10, unit="months", ge=2, le=36, description="month-end closes in the average"
    )
    without_history: Literal["reject", "pass"] = parameter(
        "reject",
        unit="reject, pass",
        description="what happens to a buy of a security with fewer month-end closes",
    )


class FaberTrend(Filter[FaberTrendParameters]):
    """Reject a buy unless `close[-1] > mean(close[-10:])`, over the closes of complete months.

    `close[-1]` is the last close of the month before the day of the plan, in base currency, so the
    answer is the same for a whole month. A month that is not over does not count. Sells and repairs
    of a limit always pass.

    Without a close in each of the last ten complete months the average is not known. Such a buy is
    rejected, with the number of months that are missing; `without_history = "pass"` lets it pass.

    Faber uses returns with dividends. Where your closes are not adjusted for them, the average of a
    security that pays much is a little too high, and it is rejected a little too often.

    Source: M. T. Faber, Journal of Wealth Management 9(4) (2007), 69-79.
    """

    metadata = ModuleMetadata(
        name="faber_trend",
        version="1.0.0",
        description="Buy only what closed its last month above its ten-month average",
        requires_api=">=1,<2",
        tags=("trend", "buy"),
        enabled_by_default=False,
    )
    parameters_model = FaberTrendParameters

    @cacheable(ttl=3600)
    def reject(
        self, candidates: Candidates, state: PlanningState, parameters: FaberTrendParameters
    ) -> dict[int, str]:
        """Return the buys below their average, each with both figures."""
        rejected: dict[int, str] = {}
        for candidate in candidates.buys():
            column = int(candidates.security[candidate])
            if candidates.mandatory[candidate]:
                continue
            closes = month_end_closes(state, column, parameters.months)
            if closes.size < parameters.months:
                if parameters.without_history == "reject":
                    rejected[candidate] = (
                        f"it has {closes.size} of the {parameters.months} month-end closes that its"
                        " trend needs"
                    )
                continue
            average = float(closes.mean())
            if not closes[-1] > average:
                rejected[candidate] = (
                    f"its last month-end close {closes[-1]:,.2f} is not above its"
                    f" {parameters.months}-month average {average:,.2f}"
                )
        return rejected


def month_end_closes(state: PlanningState, column: int, months: int) -> np.ndarray:
    """Return the last close of each of the complete months before the plan, oldest first.

    Parameters
    ----------
    state : PlanningState
    column : int
        Of the security.
    months : int
        Most closes to return.

    Returns
    -------
    ndarray of shape (n_months,), base currency per unit
        Of the consecutive months up to the one before the plan; fewer than `months` where a month
        has no close.
    """
    history = state.history
    rows = np.flatnonzero(history.observed[:, column])
    month = history.dates[rows].astype("datetime64[M]").astype(np.int64)
    this_month = int(np.datetime64(state.context.as_of, "M").astype(np.int64))
    # month -> row of its last close; a later row replaces an earlier one
    last_row = dict(zip(month.tolist(), rows.tolist(), strict=True))
    closes: list[float] = []
    for back in range(1, months + 1):
        row = last_row.get(this_month - back)
        if row is None:
            break  # an average over a gap would be one of other months
        closes.append(float(history.base[row, column]))
    return np.array(closes[::-1])


filter_registry.register(FaberTrend())
