"""Opportunity calculators: reasons to trade, one file each."""

from planner_core.modules.opportunities.averaging_down import AveragingDown
from planner_core.modules.opportunities.cash_raise import CashRaise
from planner_core.modules.opportunities.opportunity_buys import OpportunityBuys
from planner_core.modules.opportunities.profit_taking import ProfitTaking
from planner_core.modules.opportunities.rebalance_buys import RebalanceBuys
from planner_core.modules.opportunities.rebalance_sells import RebalanceSells
from planner_core.modules.opportunities.tax_loss_harvest import TaxLossHarvest
from planner_core.modules.opportunities.weight_based import WeightBased

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
