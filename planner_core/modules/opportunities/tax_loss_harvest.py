"""Realise losses where the wash-sale window allows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from planner_core.market.costs import in_selling_order
from planner_core.market.state import PlanningState
from planner_core.model.plan import Opportunity, Skip
from planner_core.model.records import Side, TaxLot
from planner_core.modules.cacheable import CALCULATOR_TTL_S, cacheable
from planner_core.modules.module import (
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
    parameter,
)


class TaxLossHarvestParameters(ModuleParameters):
    """The minimum loss, and the wash-sale window."""

    loss_min: float = parameter(
        0.05, unit="fraction of cost", gt=0, lt=1, description="minimum loss of the lots sold"
    )
    wash_sale_days: int = parameter(
        30,
        unit="days",
        ge=0,
        le=365,
        description="no harvest for this many days after a buy of it, the last day included",
    )


class TaxLossHarvest(OpportunityCalculator[TaxLossHarvestParameters]):
    """Sell the lots of a security that stand at a loss of at least `loss_min`, if eligible by date.

    Of the lots in the order in which a sell takes them, the first ones that stand at such a loss:
    with FIFO a young loss may lie behind an old gain. The window looks back over the ledger and
    over lots; the window ahead is kept by `rebuy_after_sell_days`.

    With targets, such a sale may cross its target: it is bought back when the window ends. It is
    scored as a month off target, with the costs of both trades.

    Source: 26 U.S.C. 1091 (wash sales) for the 30 days, of which the 30th counts too.
    """

    metadata = ModuleMetadata(
        name="tax_loss_harvest",
        version="1.0.0",
        description="Realise losses where the wash-sale window allows it",
        tags=("sell", "tax"),
        enabled_by_default=False,
    )
    parameters_model = TaxLossHarvestParameters

    @cacheable(ttl=CALCULATOR_TTL_S)
    def calculate(
        self, state: PlanningState, parameters: TaxLossHarvestParameters
    ) -> Sequence[Opportunity | Skip]:
        """Return one sell per security with lots at a loss."""
        results: list[Opportunity | Skip] = []
        # A buy within the window would make the loss a wash sale, which saves no tax.
        washed = _bought_within(state, parameters.wash_sale_days)
        for column, lots in enumerate(state.portfolio.sellable_lots):
            # Lots cost what was quoted: without accrued interest, on both sides.
            unit_value = float(state.portfolio.clean_unit_value[column])
            ordered = in_selling_order(lots, state.config.costs.tax_lots)
            losing = _first_losing(ordered, unit_value, parameters.loss_min)
            if not losing:
                continue
            security = state.context.securities[column].id
            if security in washed:
                why = f"{security}: bought within {parameters.wash_sale_days} days (wash sale)"
                results.append(Skip(column, Side.SELL, why))
                continue
            # loss = sum of quantity * (cost - value) over the lots, in base currency
            loss = sum(lot.quantity * (lot.unit_cost * lot.fx_rate - unit_value) for lot in losing)
            results.append(
                Opportunity(
                    security=column,
                    side=Side.SELL,
                    notional=sum(lot.quantity for lot in losing)
                    * float(state.portfolio.unit_value[column]),
                    reason=f"its lots stand at a loss of {loss:,.0f} {state.context.base_currency}",
                    temporary=True,
                )
            )
        return results


def _first_losing(lots: Sequence[TaxLot], unit_value: float, loss_min: float) -> list[TaxLot]:
    """Return the leading lots, in selling order, that stand at a loss of `loss_min` or more."""
    losing = []
    for lot in lots:
        # A sell takes lots in this order: lots behind a lot without a loss cannot be reached.
        if lot.is_doubtful or unit_value > (1 - loss_min) * lot.unit_cost * lot.fx_rate:
            break
        losing.append(lot)
    return losing


def _bought_within(state: PlanningState, days: int) -> set[str]:
    """Return the securities bought within this many days, by ledgers and by dates of lots."""
    # "on or after", because the last day of the window counts too.
    since = state.context.as_of - timedelta(days=days)
    by_ledger = {
        trade.security
        for trade in (*state.context.trades, *state.context.related_trades)
        if trade.side is Side.BUY and trade.on >= since
    }
    # Lots have dates of their own: a buy that is not in the ledger counts as well.
    by_lots = {lot.security for lot in state.context.lots if lot.acquired and lot.acquired >= since}
    return by_ledger | by_lots
