"""Pattern generators: sets of candidates that make sense together, one file each."""

from planner_core.modules.patterns.averaging_down import AveragingDownPattern
from planner_core.modules.patterns.cash_generation import CashGeneration
from planner_core.modules.patterns.cost_optimised import CostOptimised
from planner_core.modules.patterns.deep_rebalance import DeepRebalance
from planner_core.modules.patterns.direct_buy import DirectBuy
from planner_core.modules.patterns.mixed_strategy import MixedStrategy
from planner_core.modules.patterns.multi_sell import MultiSell
from planner_core.modules.patterns.opportunity_first import OpportunityFirst
from planner_core.modules.patterns.profit_taking import ProfitTakingPattern
from planner_core.modules.patterns.rebalance import RebalancePattern
from planner_core.modules.patterns.single_best import SingleBest

BUILTIN_PATTERNS = (
    SingleBest(),
    DirectBuy(),
    ProfitTakingPattern(),
    RebalancePattern(),
    AveragingDownPattern(),
    MultiSell(),
    CashGeneration(),
    DeepRebalance(),
    MixedStrategy(),
    OpportunityFirst(),
    CostOptimised(),
)
