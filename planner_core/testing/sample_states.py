"""The states of the sample contexts, as the modules see them: with candidates and a search."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Final

from planner_core.config_api.config_loading import load_config
from planner_core.market.state import PlanningState, assess, value
from planner_core.market.trade_sizing import size_opportunities
from planner_core.model.candidates import Candidates, build_candidates, same_security_conflicts
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Action, Opportunity
from planner_core.modules.builtin import builtin_registries
from planner_core.pipeline.candidate_stage import gains_alone
from planner_core.search.evaluator import Evaluator, as_block
from planner_core.search.ranking import RANKED_SETS, Ranking, SearchSpace
from planner_core.testing.sample_contexts import sample_contexts

DEPTH: Final = 3
"""Steps of a sequence: enough for a swap with a sell that pays for it."""


@dataclass(frozen=True, eq=False)
class ModuleInputs:
    """Everything that modules of all kinds are called with, in one state.

    Parameters
    ----------
    name : str
        Of the state.
    state : PlanningState
    depth : int
        Steps of a sequence.
    """

    name: str
    state: PlanningState
    depth: int = DEPTH

    @cached_property
    def candidates(self) -> Candidates:
        """The trades that the shipped calculators propose in the state."""
        opportunities = [
            (module.key, result)
            for module in builtin_registries().opportunity_calculators
            for result in module.calculate(self.state, module.parameters_model())
            if isinstance(result, Opportunity)
        ]
        actions, _ = size_opportunities(opportunities, self.state)
        return candidates_of(self.state, actions)

    @cached_property
    def space(self) -> SearchSpace:
        """A search that has just begun, with one seed."""
        return space_of(self.state, self.candidates, self.depth)

    def with_depth(self, depth: int) -> ModuleInputs:
        """Return the same with another limit on the steps of a plan."""
        config = self.state.config.model_copy(update={"max_plan_depth": depth})
        return ModuleInputs(self.name, replace(self.state, config=config), depth)


@cache
def everything_on() -> PlannerConfig:
    """Return the defaults with tax_loss_harvest enabled, and a reserve worth repairing."""
    return load_config(
        {
            "opportunity_calculators": {"tax_loss_harvest": True},
            "costs": {"tax_rate": 0.2},
            "constraints": {"cash_reserve": 0.005},
        },
        builtin_registries(),
    )


@cache
def sample_inputs(name: str, _number: int = 0) -> ModuleInputs:
    """Return the inputs in the state of a sample context.

    Those of another number are equal, and share no array with these.
    """
    return ModuleInputs(name, state_of(copy_context(sample_contexts()[name]), everything_on()))


def forget_samples() -> None:
    """Make the sample states anew when they are needed again: a module has changed them."""
    sample_inputs.cache_clear()


def copy_context(context: PlanningContext) -> PlanningContext:
    """Return an equal context with arrays of its own."""
    rates = {currency: rate.copy() for currency, rate in context.fx_rates.items()}
    return replace(
        context, dates=context.dates.copy(), prices=context.prices.copy(), fx_rates=rates
    )


def state_of(context: PlanningContext, config: PlannerConfig) -> PlanningState:
    """Return the state that modules see."""
    history, portfolio = value(context, config)
    return assess(context, config, history, portfolio)


def candidates_of(state: PlanningState, actions: list[Action]) -> Candidates:
    """Return candidates with their gains; actions on one security exclude each other."""
    return build_candidates(actions, gains_alone(actions, state), same_security_conflicts(actions))


def space_of(state: PlanningState, candidates: Candidates, depth: int) -> SearchSpace:
    """Return a search in which only doing nothing and the first candidate were ranked."""
    evaluator = Evaluator(state, candidates)
    seeds = ((0,),) if candidates.n else ()
    ranking = Ranking(evaluator, size=RANKED_SETS)
    ranking.offer(as_block([(), *seeds], depth, evaluator.null_id))
    return SearchSpace(candidates, evaluator, ranking, seeds, depth)
