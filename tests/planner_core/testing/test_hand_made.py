"""States made from a few figures, as the tests of authors use them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from planner_core.testing import make_candidates, make_space, make_state


def test_a_state_has_the_closes_holdings_cash_and_scores_that_were_given() -> None:
    state = make_state(
        {"AAA": [100.0, 101.0], "BBB": [50.0, 50.0]},
        held={"AAA": 20},
        cash=1_000.0,
        targets={"BBB": 0.4},
        quality={"AAA": 0.9},
        as_of=date(2024, 7, 1),
    )
    assert state.nav == pytest.approx(20 * 101 + 1_000)
    assert [str(day) for day in state.context.dates] == ["2024-06-28", "2024-07-01"]
    assert state.portfolio.quantity.tolist() == [20, 0]
    assert state.targets[1] == 0.4
    assert np.isnan(state.targets[0])
    assert state.quality[0] == 0.9


def test_candidates_are_the_trades_in_their_order_and_a_security_excludes_itself() -> None:
    state = make_state({"AAA": [100.0] * 300, "BBB": [50.0] * 300}, held={"AAA": 20})
    candidates = make_candidates(state, {"AAA": -5, "BBB": 10})
    assert candidates.is_sell.tolist() == [True, False]
    assert candidates.value.tolist() == pytest.approx([-500, 500])
    assert candidates.conflicts.tolist() == [[True, False], [False, True]]
    space = make_space(state, candidates, depth=2)
    assert (space.depth, space.null_id, space.seeds) == (2, 2, ((0,),))
