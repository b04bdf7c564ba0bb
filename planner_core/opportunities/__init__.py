"""Opportunity calculators: reasons to trade, one file each."""

from planner_core.opportunities.averaging_down import AveragingDown
from planner_core.opportunities.cash_raise import CashRaise
from planner_core.opportunities.opportunity_buys import OpportunityBuys
from planner_core.opportunities.profit_taking import ProfitTaking
from planner_core.opportunities.rebalance_buys import RebalanceBuys
from planner_core.opportunities.rebalance_sells import RebalanceSells
from planner_core.opportunities.tax_loss_harvest import TaxLossHarvest
from planner_core.opportunities.weight_based import WeightBased

BUILTIN_OPPORTUNITIES = (
    ProfitTaking(),
    AveragingDown(),
    OpportunityBuys(),
    RebalanceSells(),
    RebalanceBuys(),
    WeightBased(),
    CashRaise(),
    TaxLossHarvest(),
)
