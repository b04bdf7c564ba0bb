"""How fast sequences are scored: against pure Python and C, and with CVaR only where it matters."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from planner_core.market.trade_sizing import price_trade
from planner_core.model.candidates import build_candidates, same_security_conflicts
from planner_core.model.records import Side
from planner_core.search.evaluator import BLOCK_SEQUENCES, Evaluator, IdBlock, as_block
from planner_core.search.ranking import Ranking
from tools.benchmarks._portfolios import config_with, simulated_context, state_of
from tools.benchmarks._scans import TOP, FullCvar, by_c, by_formula, by_pairs_in_python
from tools.benchmarks._timing import in_turns
from tools.measure import BenchmarkError, child

if TYPE_CHECKING:
    from planner_core.market.state import PlanningState

REFERENCE = (30, 5)
SIZES = ((30, 5), (30, 10), (100, 5), (100, 10), (500, 5), (500, 10))
CANDIDATES_PER_SECURITY = 4
CANDIDATES_MAX = 400
PAIR_BLOCKS = 24
CVAR_BLOCKS = 64
PYTHON_SEQUENCES = 512
REPEATS = 7
CVAR_REPEATS = 3
GROWTH = (10_000, 100_000, 1_000_000, 10_000_000)
SEED = 11


def run() -> dict[str, object]:
    """Score random sequences over SYNTHETIC portfolios with a real covariance; ratios of one run.

    K = 4 candidates per security, at most 400. Ids are drawn uniformly, so that some sequences
    break a limit, as in a search. Without `sizes`, everything is at 30 securities, depth 5.

    pair_f32_vs_python
        Sequences per second of `Evaluator.upper_scores` over those of the formula in plain Python,
        without CVaR.
    pair_f32_vs_python_pairs
        The same, when Python uses the pair tables too.
    pair_f32_vs_c
        Over those of a plain C loop on the same tables, compiled with `cc -O3`.
    lazy_cvar_vs_full
        Seconds for the legal top 10 with CVaR95 over 500 windows for every sequence, in numpy's
        float32, over those of `Ranking.offer`, which computes it only where a bound allows a set
        into the top 10. Both found the same ten, or this benchmark fails.
    pair_f32_per_s, lazy_per_s, full_per_s, exact_share
        Sequences per second, and the share for which the lazy rule computed CVaR95.
    sizes
        The same keys by securities x depth.
    growth_s
        Seconds of `Ranking.offer` for so many sequences.
    growth_exponent
        Of those seconds from 1e5 to 1e7 sequences; 1 is linear.
    bytes_per_sequence
        Growth of the peak memory from 1e4 to 1e7 sequences, per sequence.
    peak_mb_1e4, peak_mb_1e7
        Peak memory of a process that ranks so many sequences, MiB.
    """
    sizes = {f"{n}x{depth}": compare(n, depth) for n, depth in SIZES}
    seconds = {count: rank_random(count) for count in GROWTH}
    peak = {count: peak_mb(count) for count in (GROWTH[0], GROWTH[-1])}
    decades = math.log10(GROWTH[-1] / GROWTH[1])
    reference = sizes[f"{REFERENCE[0]}x{REFERENCE[1]}"]
    return {
        **reference,
        "sizes": sizes,
        "growth_s": {f"{count:.0e}".replace("+0", ""): s for count, s in seconds.items()},
        "growth_exponent": math.log10(seconds[GROWTH[-1]] / seconds[GROWTH[1]]) / decades,
        "bytes_per_sequence": (peak[GROWTH[-1]] - peak[GROWTH[0]]) * 2**20 / GROWTH[-1],
        "peak_mb_1e4": peak[GROWTH[0]],
        "peak_mb_1e7": peak[GROWTH[-1]],
    }


def compare(n_securities: int, depth: int) -> dict[str, float]:
    """Every ratio at one size."""
    evaluator = random_evaluator(n_securities, depth)
    blocks = random_blocks(evaluator, depth, CVAR_BLOCKS)
    return {
        "candidates": evaluator.candidates.n,
        **compare_pairs(evaluator, blocks[:PAIR_BLOCKS]),
        **compare_cvar(evaluator, blocks),
    }


def compare_pairs(evaluator: Evaluator, blocks: list[IdBlock]) -> dict[str, float]:
    """Time the scan of the pair tables against the other ways to score."""
    sample = np.ascontiguousarray(blocks[0][:, :PYTHON_SEQUENCES])
    formula, pairs = by_formula(evaluator), by_pairs_in_python(evaluator)
    with tempfile.TemporaryDirectory() as folder:
        compiled = by_c(evaluator, Path(folder))
        if not np.allclose(compiled(sample), evaluator.upper_scores(sample), atol=1e-5):
            raise BenchmarkError("the C kernel scores otherwise")
        seconds = in_turns(
            {
                "ours": lambda: [evaluator.upper_scores(block) for block in blocks],
                "c": lambda: [compiled(block) for block in blocks],
                "formula": lambda: formula(sample),
                "pairs": lambda: pairs(sample),
            },
            REPEATS,
        )
    n = len(blocks) * BLOCK_SEQUENCES
    ours, per_python = n / seconds["ours"], PYTHON_SEQUENCES
    return {
        "pair_f32_vs_python": ours / (per_python / seconds["formula"]),
        "pair_f32_vs_python_pairs": ours / (per_python / seconds["pairs"]),
        "pair_f32_vs_c": seconds["c"] / seconds["ours"],
        "pair_f32_per_s": ours,
    }


def compare_cvar(evaluator: Evaluator, blocks: list[IdBlock]) -> dict[str, float]:
    """Time the lazy rule against CVaR for every sequence; both must find the same sets."""
    lazy = ranked(evaluator, blocks)
    gemm, gather = (FullCvar(evaluator, by_weights=flag) for flag in (True, False))
    trial = in_turns(
        {"gemm": lambda: gemm.scores(blocks[0]), "gather": lambda: gather.scores(blocks[0])}, 3
    )
    full = gemm if trial["gemm"] < trial["gather"] else gather
    if [ranked_set.ids for ranked_set in lazy.sets] != full.top(blocks):
        raise BenchmarkError("lazy and full CVaR disagree on the top 10")
    seconds = in_turns(
        {"lazy": lambda: ranked(evaluator, blocks), "full": lambda: full.top(blocks)},
        CVAR_REPEATS,
    )
    n = len(blocks) * BLOCK_SEQUENCES
    return {
        "lazy_cvar_vs_full": seconds["full"] / seconds["lazy"],
        "lazy_per_s": n / seconds["lazy"],
        "full_per_s": n / seconds["full"],
        "exact_share": lazy.n_exact / lazy.n_sequences,
    }


def ranked(evaluator: Evaluator, blocks: list[IdBlock]) -> Ranking:
    """The top 10 of all blocks by the product's rule."""
    ranking = Ranking(evaluator, TOP)
    for block in blocks:
        ranking.offer(block)
    return ranking


def rank_random(count: int) -> float:
    """Seconds that ranking takes for so many random sequences; drawing them is not counted."""
    evaluator = random_evaluator(*REFERENCE)
    generator = np.random.default_rng(SEED)
    ranking = Ranking(evaluator, TOP)
    ranking.offer(as_block([()], 1, evaluator.null_id))
    seconds, remaining = 0.0, count
    while remaining:
        block = draw(generator, evaluator, REFERENCE[1], min(remaining, BLOCK_SEQUENCES))
        begin = time.process_time()
        ranking.offer(block)
        seconds += time.process_time() - begin
        remaining -= block.shape[1]
    return seconds


def peak_mb(count: int) -> float:
    """Peak memory of a process that ranks so many sequences."""
    return child([sys.executable, "-m", "tools.benchmarks.evaluator", str(count)]).peak_mb


def random_evaluator(n_securities: int, depth: int) -> Evaluator:
    """Candidates of several sizes and both sides on every security, thinned out to the limit."""
    state = state_of(simulated_context(n_securities), config_with(depth, turnover_capped=False))
    sized = [(i, units) for i in range(n_securities) for units in trade_units(state, i)]
    if len(sized) > CANDIDATES_MAX:
        sized = [sized[i] for i in np.linspace(0, len(sized) - 1, CANDIDATES_MAX).astype(int)]
    actions = [
        price_trade(state, i, Side.BUY if units > 0 else Side.SELL, abs(units))
        for i, units in sized
    ]
    conflicts = same_security_conflicts(actions)
    return Evaluator(state, build_candidates(actions, np.zeros(len(actions)), conflicts))


def trade_units(state: PlanningState, column: int) -> list[float]:
    """Signed whole units: two sells and two buys of what is held, else four buys."""
    held = float(state.portfolio.quantity[column])
    ticket = state.nav / (state.context.n_securities * float(state.portfolio.unit_value[column]))
    sells = (-0.25 * held, -0.5 * held) if held > CANDIDATES_PER_SECURITY else ()
    buys = [0.25 * ticket * (i + 1) for i in range(CANDIDATES_PER_SECURITY - len(sells))]
    return [math.copysign(max(1.0, round(abs(units))), units) for units in (*sells, *buys)]


def random_blocks(evaluator: Evaluator, depth: int, count: int) -> list[IdBlock]:
    """Blocks of uniformly drawn ids; the same ones every time."""
    generator = np.random.default_rng(SEED)
    return [draw(generator, evaluator, depth, BLOCK_SEQUENCES) for _ in range(count)]


def draw(generator: np.random.Generator, evaluator: Evaluator, depth: int, count: int) -> IdBlock:
    """One block of uniformly drawn ids."""
    return generator.integers(0, evaluator.null_id, size=(depth, count), dtype=np.int16)


if __name__ == "__main__":
    rank_random(int(sys.argv[1]))
