"""The search: seeds first, every generator's blocks, one ranking, and nothing better left out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings

from planner_core.events import Event
from planner_core.market.state import PlanningState, value
from planner_core.model.plan import ModuleStatus, StoppedBy
from planner_core.pipeline.isolation import ModuleRunner
from planner_core.pipeline.search_stage import propose_seeds, search, search_sequences
from planner_core.search.evaluator import as_block
from planner_core.search.ranking import Ranking, SearchSpace
from tests.builders import (
    FakeClock,
    Recorder,
    make_action,
    make_config,
    make_context,
    make_evaluator,
    make_runtime,
    make_state,
    only,
    stub_pattern,
    stub_sequence,
)
from tests.planner_core.reference import DUST
from tests.planner_core.strategies import Portfolio, portfolios, prepare

SIZES = (-40.0, -15.0, 10.0)


class Bench:
    """Twelve candidates over four holdings, with stub generators on the way to the ranking."""

    def __init__(self, *modules: Any, **runtime_fields: Any) -> None:  # noqa: ANN401 - stubs and a Runtime's fields
        self.recorder = Recorder()
        self.runtime = make_runtime(*modules, recorder=self.recorder, **runtime_fields)
        sections = only(
            self.runtime.registries,
            pattern_generators={m.metadata.name: True for m in modules if "pattern" in m.kind},
            sequence_generators={m.metadata.name: True for m in modules if "sequence" in m.kind},
        )
        config = make_config(self.runtime.registries, max_plan_depth=3, **sections)
        self.state: PlanningState = make_state(make_context(), config)
        securities = self.state.context.securities
        actions = [make_action(self.state, s.id, n) for s in securities for n in SIZES]
        self.evaluator = make_evaluator(self.state, actions)
        self.ranking = Ranking(self.evaluator, 32)
        self.ranking.offer(as_block([()], 1, self.evaluator.null_id))
        self.runner = ModuleRunner(self.runtime)

    def run(self, *seeds: tuple[int, ...]) -> StoppedBy:
        candidates = self.evaluator.candidates
        space = SearchSpace(candidates, self.evaluator, self.ranking, seeds, 3)
        return search_sequences(space, self.state, self.runner)


def blocks(*sets: tuple[int, ...]) -> Any:  # noqa: ANN401 - a stub's function
    """A generator function of one block per set."""

    def generate(space: SearchSpace) -> Iterator[Any]:
        for ids in sets:
            yield as_block([ids], space.depth, space.null_id)

    return generate


# -- exactness ------------------------------------------------------------------------------------


def check_best_of_all(portfolio: Portfolio) -> None:
    """With few enough candidates the search is exhaustive: its best is the best there is."""
    assume(value(portfolio.context, portfolio.config)[1].nav > 0)
    prepared = prepare(portfolio, at_most=9)
    runtime = make_runtime()
    state = prepared.state
    ranking, stopped_by = search(state, prepared.evaluator, ModuleRunner(runtime))
    expected = prepared.reference.best_sets(prepared.proposals, state.config.max_plan_depth)
    _, best = expected[0]
    assert stopped_by is StoppedBy.COMPLETE
    assert ranking.best.violation == pytest.approx(best.violation, abs=2 * DUST)
    if abs(ranking.best.violation - best.violation) < DUST / 4:
        assert ranking.best.score == pytest.approx(best.score, rel=1e-9, abs=1e-9)


@settings(max_examples=15)
@given(portfolios(max_securities=6))
def test_the_best_of_the_search_is_the_best_of_all_sets(portfolio: Portfolio) -> None:
    check_best_of_all(portfolio)


@pytest.mark.soak
@settings(max_examples=500)
@given(portfolios(max_securities=6))
def test_the_best_of_the_search_is_the_best_of_all_sets_for_long(portfolio: Portfolio) -> None:
    check_best_of_all(portfolio)


@pytest.mark.parametrize("generator", ["combinatorial", "beam", "swap"])
def test_each_generator_alone_finds_nearly_the_best(generator: str) -> None:
    runtime = make_runtime()
    sections = only(
        runtime.registries,
        pattern_generators={"single_best": True},
        sequence_generators={generator: True},
    )
    config = make_config(max_plan_depth=3, constraints={"turnover_max": 1.0}, **sections)
    state = make_state(make_context(), config)
    actions = [make_action(state, s.id, n) for s in state.context.securities for n in SIZES]
    evaluator = make_evaluator(state, actions)
    ranking, _ = search(state, evaluator, ModuleRunner(runtime))
    every = [ids for n in range(4) for ids in combinations(range(len(actions)), n)]
    block = as_block(every, 3, evaluator.null_id)
    legal = evaluator.check_block(block).legal
    best = evaluator.exact_scores(block)[legal].max()
    nothing = evaluator.score_before
    assert ranking.best.score - nothing >= 0.98 * (best - nothing)


# -- seeds ----------------------------------------------------------------------------------------


def test_seeds_are_distinct_sorted_and_in_the_order_they_were_proposed() -> None:
    bench = Bench(
        stub_pattern(lambda _: [(5, 1), (2,)], "one"), stub_pattern(lambda _: [(1, 5), (7,)], "two")
    )
    seeds = propose_seeds(bench.state, bench.evaluator.candidates, bench.runner)
    assert seeds == ((1, 5), (2,), (7,))


def test_candidates_of_seeds_are_the_most_promising_and_then_the_best_alone() -> None:
    bench = Bench(stub_sequence(blocks(), "none"), stub_pattern(lambda _: [], "none"))
    candidates = bench.evaluator.candidates
    space = SearchSpace(candidates, bench.evaluator, bench.ranking, ((11, 4), (4,)), 3)
    promising = space.promising
    assert set(promising[:2]) == {4, 11}
    assert sorted(promising) == list(range(12))
    gains = [candidates.gain[i] for i in promising[2:]]
    assert gains == sorted(gains, reverse=True)


def test_seeds_are_scored_without_any_generator() -> None:
    bench = Bench(stub_pattern(lambda _: []), stub_sequence(blocks()))
    bench.run((0,), (0, 4))
    assert {(), (0,)} <= {ranked.ids for ranked in bench.ranking.sets}
    assert bench.ranking.n_sequences == 3


# -- generators -----------------------------------------------------------------------------------


def test_every_block_of_every_generator_is_offered() -> None:
    bench = Bench(
        stub_pattern(lambda _: []),
        stub_sequence(blocks((0,), (3,)), "one"),
        stub_sequence(blocks((6,)), "two"),
    )
    assert bench.run() is StoppedBy.COMPLETE
    assert {ranked.ids for ranked in bench.ranking.sets} == {(), (0,), (3,), (6,)}
    calls = {e["key"]: e["n_results"] for e in bench.recorder.of("ModuleCompleted")}
    assert calls == {"sequence_generators.one": 2, "sequence_generators.two": 1}


def test_what_a_generator_yielded_before_it_failed_still_counts() -> None:
    def generate(space: SearchSpace) -> Iterator[Any]:
        yield as_block([(0,)], space.depth, space.null_id)
        raise RuntimeError("no more")

    bench = Bench(stub_pattern(lambda _: []), stub_sequence(generate))
    bench.run()
    assert (0,) in {ranked.ids for ranked in bench.ranking.sets}
    (attempt,) = bench.runner.attempts
    assert attempt.status is ModuleStatus.FAILED


def test_an_illegal_set_of_a_generator_is_never_kept() -> None:
    bench = Bench(stub_pattern(lambda _: []), stub_sequence(blocks((0, 1), (0, 0))))
    bench.run((3, 4))
    assert [ranked.ids for ranked in bench.ranking.sets] == [()]
    (evaluated,) = bench.recorder.of("SequenceEvaluationCompleted")
    assert (evaluated["n_sequences"], evaluated["n_legal"]) == (4, 1)


def test_an_empty_block_is_no_harm() -> None:
    def generate(space: SearchSpace) -> Iterator[Any]:
        yield np.empty((space.depth, 0), dtype=np.int16)

    bench = Bench(stub_pattern(lambda _: []), stub_sequence(generate))
    assert bench.run() is StoppedBy.COMPLETE
    assert bench.runner.attempts[0].status is ModuleStatus.OK


def test_the_deadline_ends_a_generator_that_never_would() -> None:
    clock = FakeClock()

    def generate(space: SearchSpace) -> Iterator[Any]:
        while True:
            clock.advance(1.0)
            yield as_block([(0,)], space.depth, space.null_id)

    bench = Bench(
        stub_pattern(lambda _: []), stub_sequence(generate), monotonic=clock, deadline_s=5.0
    )
    assert bench.run() is StoppedBy.DEADLINE
    assert clock.now_s == 5.0
    assert bench.ranking.n_sequences == 6


def test_a_new_best_set_and_only_that_is_published_with_its_source() -> None:
    bench = Bench(stub_pattern(lambda _: []), stub_sequence(blocks((0,), (0,), ())))
    bench.run()
    gain = bench.evaluator.candidates.gain[0]
    updates = bench.recorder.of("BestSequenceUpdated")
    assert len(updates) == (1 if gain > 0 else 0)
    for update in updates:
        assert update["source"] == "sequence_generators.stub"
        assert update["gain"] == pytest.approx(gain)
        assert update["n_steps"] == 1


def test_times_of_generating_and_evaluating_are_separate() -> None:
    clock = FakeClock()

    def emit(event: Event) -> None:
        events.append(event)

    def generate(space: SearchSpace) -> Iterator[Any]:
        clock.advance(3.0)
        yield as_block([(0,)], space.depth, space.null_id)

    events: list[Event] = []
    bench = Bench(stub_pattern(lambda _: []), stub_sequence(generate), monotonic=clock, emit=emit)
    bench.run()
    records = {e.event_type: e.to_record()["data"] for e in events}
    assert records["SequenceGenerationCompleted"]["elapsed_s"] == 3.0  # type: ignore[index]
    assert records["SequenceEvaluationCompleted"]["elapsed_s"] == 0.0  # type: ignore[index]
