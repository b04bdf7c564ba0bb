"""Stage 3: search sets of candidates and rank the best of them.

    patterns  -> seeds: sets that make sense together
    generators -> blocks of sets, around the seeds or of all candidates
    ranking    <- both; a set enters it by its violation of limits first, then by its score

Doing nothing is ranked too: a plan has to beat it.
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
from planner_core.modules.cache import RunCache
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
from planner_core.search.ranking import RANKED_SETS, Ranking, SearchSpace


def search(
    state: PlanningState, evaluator: Evaluator, runner: ModuleRunner
) -> tuple[Ranking, StoppedBy]:
    """Propose seeds, generate sets and rank the best of them."""
    ranking = Ranking(evaluator, size=RANKED_SETS)
    ranking.offer(as_block([()], 1, evaluator.null_id))
    # Seeds first: a good set early lets the ranking's bound exclude most of the later ones.
    seeds = propose_seeds(state, evaluator.candidates, runner)
    depth = state.config.max_plan_depth
    space = SearchSpace(evaluator.candidates, evaluator, ranking, seeds, depth)
    return ranking, search_sequences(space, state, runner)


def propose_seeds(
    state: PlanningState, candidates: Candidates, runner: ModuleRunner
) -> tuple[tuple[int, ...], ...]:
    """Run every enabled pattern generator; return the distinct sets in their order."""
    runtime, cache = runner.runtime, runner.cache_of(state)
    seeds: dict[tuple[int, ...], None] = {}
    for name, parameters in state.config.enabled(ModuleKind.PATTERN).items():
        runtime.check_cancelled()
        module = runtime.registries.pattern_generators[name]
        for ids in runner.run(
            module, "generate", _seeds_of, module, candidates, state, parameters, cache
        ):
            seeds[tuple(sorted(ids))] = None
    return tuple(seeds)


def _seeds_of(
    module: PatternGenerator[Any],
    candidates: Candidates,
    state: PlanningState,
    parameters: ModuleParameters,
    cache: RunCache,
) -> Sequence[tuple[int, ...]]:
    def generate() -> tuple[tuple[int, ...], ...]:
        sets = module.generate(candidates, state, parameters)
        return checked_sets(module.key, sets, candidates.n, state.config.max_plan_depth)

    return cache.results(module, "generate", parameters, generate, candidates)


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
    runtime.publish(
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
    """Feeds blocks into the ranking until they end, the deadline passes or the run is cancelled."""

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
        """Offer every block of a generator, until the time is up."""
        budget = StreamBudget(module.key)

        def generate() -> Iterator[IdBlock]:
            for block in module.generate(self.space, state, parameters):
                checked = checked_block(module.key, block, self.space.null_id, self.space.depth)
                budget.spend(checked.shape[1])
                yield checked
                # After the deadline, each remaining generator still gets one block.
                if self.out_of_time:
                    return

        def consume(block: IdBlock) -> int:
            self.offer(block, module.key)
            self.runtime.check_cancelled()
            self.out_of_time = self.out_of_time or self.runtime.out_of_time()
            return int(block.shape[1])

        runner.run_stream(module, "generate", generate, consume)

    def offer(self, block: IdBlock, source: str) -> None:
        """Score a block; publish an event if it holds a new best set."""
        if not block.shape[1]:
            return
        started = self.runtime.monotonic()
        improved = self.ranking.offer(block)
        self.evaluating_s += self.runtime.monotonic() - started
        if improved:
            best, nothing = self.ranking.best, self.ranking.nothing
            self.runtime.publish(
                BestSequenceUpdated,
                gain=best.score - nothing.score,
                violation=best.violation,
                n_steps=best.n_steps,
                source=source,
            )
