"""The search stage: seeds from the patterns, blocks from the generators, one ranking.

Pattern generators propose sets that make sense by themselves. They are scored first, so that good
bounds exist from the start. Then each sequence generator yields blocks of sets, and every block is
offered to the one ranking. A generator may read the ranking: later ones build on what earlier ones
reached. Sets are unordered here; the report puts their trades into the order of execution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from planner_core.events import (
    BestSequenceUpdated,
    SearchProgressed,
    SequenceEvaluationCompleted,
    SequenceEvaluationStarted,
    SequenceGenerationCompleted,
    SequenceGenerationStarted,
)
from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.model.plan import StoppedBy
from planner_core.modules.contracts import StreamBudget, checked_block, checked_sets
from planner_core.modules.module import (
    ModuleKind,
    ModuleParameters,
    PatternGenerator,
    SequenceGenerator,
)
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.runtime import Runtime
from planner_core.search.evaluator import Evaluator, IdBlock, as_block
from planner_core.search.ranking import RANKED_SETS, Ranking
from planner_core.search.space import SearchSpace


def search(
    state: PlanningState, evaluator: Evaluator, runner: ModuleRunner
) -> tuple[Ranking, StoppedBy]:
    """Propose seeds, generate sets and rank the best of them."""
    ranking = Ranking(evaluator, size=RANKED_SETS)
    ranking.offer(as_block([()], 1, evaluator.null_id))
    seeds = propose_seeds(state, evaluator.candidates, runner)
    depth = state.config.max_plan_depth
    space = SearchSpace(evaluator.candidates, evaluator, ranking, seeds, depth)
    return ranking, search_sequences(space, state, runner)


def propose_seeds(
    state: PlanningState, candidates: Candidates, runner: ModuleRunner
) -> tuple[tuple[int, ...], ...]:
    """Run every enabled pattern generator; return the distinct sets in their order."""
    # A dict keeps the order of first appearance, which a set would not.
    seeds: dict[tuple[int, ...], None] = {}
    for name, parameters in state.config.enabled(ModuleKind.PATTERN).items():
        runtime.check_cancelled()
        module = runtime.registries.pattern_generators[name]
        for chosen in attempts.run(
            module, "generate", _seeds_of, module, candidates, state, parameters
        ):
            # Sorted, so that two patterns with the same set propose one seed.
            seeds[tuple(sorted(chosen))] = None
    return tuple(seeds)


def _seeds_of(
    module: PatternGenerator[Any],
    candidates: Candidates,
    state: PlanningState,
    parameters: ModuleParameters,
) -> Sequence[tuple[int, ...]]:
    """Return a pattern's sets, once they have been checked."""
    sets = module.generate(candidates, state, parameters)
    return checked_sets(module.key, sets, candidates.n, state.config.max_plan_depth)


def search_sequences(space: SearchSpace, state: PlanningState, runner: ModuleRunner) -> StoppedBy:
    """Score the seeds, then all blocks that the enabled sequence generators yield."""
    runtime, ranking = runner.runtime, space.ranking
    enabled = state.config.enabled(ModuleKind.SEQUENCE)
    scan = _Scan(space, runtime)
    runtime.publish(
        SequenceGenerationStarted,
        n_candidates=space.candidates.n,
        generators=tuple(f"{ModuleKind.SEQUENCE}.{name}" for name in enabled),
    )
    runtime.publish(SequenceEvaluationStarted, n_candidates=space.candidates.n)
    started = runtime.monotonic()
    # Seeds first: the better the ranking, the more of the later sets their bounds rule out.
    scan.offer(as_block(space.seeds, space.depth, space.null_id), "patterns")
    for name, parameters in enabled.items():
        module = runtime.registries.sequence_generators[name]
        scan.run(module, state, parameters, runner)
        runtime.publish(
            SearchProgressed,
            source=module.key,
            n_looked_at=ranking.n_sequences,
            best_gain=ranking.best.score - ranking.nothing.score,
        )
    elapsed = runtime.monotonic() - started
    # Generating takes the rest of the time; rounding may leave it a hair below 0.
    runtime.tell(
        SequenceGenerationCompleted,
        n_sequences=ranking.n_sequences,
        # The rest of the time: generating and scoring take turns.
        elapsed_s=max(0.0, elapsed - scan.evaluating_s),
    )
    runtime.publish(
        SequenceEvaluationCompleted,
        n_sequences=ranking.n_sequences,
        n_pruned=ranking.n_pruned,
        n_legal=ranking.n_legal,
        best_gain=ranking.best.score - ranking.nothing.score,
        elapsed_s=scan.evaluating_s,
    )
    return StoppedBy.DEADLINE if scan.out_of_time else StoppedBy.COMPLETE


class _Scan:
    """Offer blocks to the ranking until they end, the deadline passes or the run is cancelled."""

    def __init__(self, space: SearchSpace, runtime: Runtime) -> None:
        self.space = space
        self.ranking = space.ranking
        self.runtime = runtime
        self.out_of_time = False
        self.evaluating_s = 0.0

    def run(
        self,
        module: SequenceGenerator[Any],
        state: PlanningState,
        parameters: ModuleParameters,
        runner: ModuleRunner,
    ) -> None:
        """Offer every block of a generator until the time is up."""
        # A generator is lazy and may be endless or slow: blocks are checked, counted and scored one
        # at a time, and `run_stream` watches the time spent on each side of the `yield`.
        budget = StreamBudget(module.key)

        def generate() -> Iterator[IdBlock]:
            for block in module.generate(self.space, state, parameters):
                checked = checked_block(module.key, block, self.space.null_id, self.space.depth)
                budget.spend(checked.shape[1])
                yield checked
                # `take` sets it after each block: a generator is not stopped inside one.
                if self.out_of_time:
                    return

        def consume(block: IdBlock) -> int:
            self.offer(block, module.key)
            # Between blocks only: a block is short, and a ranking is always left consistent.
            self.runtime.check_cancelled()
            # Once true it stays true: the remaining generators end after their first block.
            self.out_of_time = self.out_of_time or self.runtime.out_of_time()
            return int(block.shape[1])

        runner.run_stream(module, "generate", generate, consume)

    def offer(self, block: IdBlock, source: str) -> None:
        """Score a block, and announce a new best set."""
        if not block.shape[1]:
            return
        started = self.runtime.monotonic()
        # Timed apart from generating: `n_sequences / elapsed_s` is the evaluator's speed.
        improved = self.ranking.offer(block)
        self.evaluating_s += self.runtime.monotonic() - started
        if improved:
            # The gain is over doing nothing, which was offered before any other set.
            best, nothing = self.ranking.best, self.ranking.nothing
            self.runtime.publish(
                BestSequenceUpdated,
                gain=best.score - nothing.score,
                violation=best.violation,
                n_steps=best.n_steps,
                source=source,
            )
