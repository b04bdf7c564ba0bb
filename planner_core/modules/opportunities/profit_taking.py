"""Sell part of what rose beyond its own long-run growth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

from pydantic import model_validator

from planner_core.market.history_findings import unused_closes
from planner_core.market.state import PlanningState
from planner_core.model.plan import Opportunity, Skip
from planner_core.model.records import Side
from planner_core.modules.cacheable import CALCULATOR_TTL_S, cacheable
from planner_core.modules.module import (
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
    parameter,
)


class ProfitTakingParameters(ModuleParameters):
    """Two levels of windfall: sell a little from the first, more from the second."""

    windfall_min: float = parameter(
        0.25, unit="fraction of cost", gt=0, le=10, description="windfall from which to sell"
    )
    sell_fraction: float = parameter(
        0.20, unit="fraction of position", gt=0, le=1, description="how much to sell then"
    )
    windfall_high: float = parameter(
        0.50, unit="fraction of cost", gt=0, le=20, description="windfall from which to sell more"
    )
    sell_fraction_high: float = parameter(
        0.40, unit="fraction of position", gt=0, le=1, description="how much to sell then"
    )
    growth_max: float = parameter(
        0.15, unit="per year", ge=0, le=1, description="cap on the growth counted as expected"
    )
    years_min: float = parameter(
        0.25, unit="years", ge=0, le=10, description="a position held shorter is not judged"
    )

    @model_validator(mode="after")
    def _steps_rise(self) -> Self:
        if self.windfall_high < self.windfall_min:
            raise ValueError("windfall_high must not lie below windfall_min")
        return self


class ProfitTaking(OpportunityCalculator[ProfitTakingParameters]):
    """Sell where `windfall = gain - ((1 + max(CAGR, 0))^years - 1)` is large.

    `gain` is the unrealised gain over cost. `years` is the mean age of the units held. `CAGR` is
    the security's yearly growth over the price history, at most `growth_max`. Only a gain beyond
    that growth is a windfall. A position with a lot of unknown date is skipped.

    Source: our own rule. Investors tend to sell winners too early (H. Shefrin, M. Statman, Journal
    of Finance 40 (1985), 777-790); so normal growth is not a reason to sell.
    """

    metadata = ModuleMetadata(
        name="profit_taking",
        version="1.0.0",
        description="Sell part of what rose beyond its own long-run growth",
        tags=("sell", "valuation"),
    )
    parameters_model = ProfitTakingParameters

    @cacheable(ttl=CALCULATOR_TTL_S)
    def calculate(
        self, state: PlanningState, parameters: ProfitTakingParameters
    ) -> Sequence[Opportunity | Skip]:
        """Return one sell per position with a windfall."""
        results: list[Opportunity | Skip] = []
        portfolio = state.portfolio
        for column, security in enumerate(state.context.securities):
            gain = portfolio.gain[column]
            # No gain without a cost basis: there is nothing to compare with.
            if portfolio.value[column] <= 0 or math.isnan(gain):
                continue
            years, growth = portfolio.holding_years[column], state.market.cagr[column]
            if math.isnan(years) or math.isnan(growth):
                why = "a lot's date is unknown" if math.isnan(years) else _why_short(state, column)
                results.append(Skip(column, Side.SELL, f"{security.id}: {why}"))
                continue
            # Over a few weeks the growth to expect is far below the noise of prices.
            if years < parameters.years_min:
                continue
            # What the security's own growth, within [0, growth_max], would have earned meanwhile.
            expected = (1 + min(max(growth, 0.0), parameters.growth_max)) ** years - 1
            windfall = gain - expected
            if windfall < parameters.windfall_min:
                continue
            high = windfall >= parameters.windfall_high
            fraction = parameters.sell_fraction_high if high else parameters.sell_fraction
            results.append(
                Opportunity(
                    security=column,
                    side=Side.SELL,
                    notional=fraction * float(portfolio.value[column]),
                    reason=f"it is up {gain:.0%} in {years:.1f} years, {expected:.0%} was expected",
                )
            )
        return results


def _why_short(state: PlanningState, column: int) -> str:
    """Return why a security has no growth over a year."""
    if unused_closes(state.context, state.history, column):
        return "under a year of its closes can be compared (see its finding)"
    return "under a year of prices"
