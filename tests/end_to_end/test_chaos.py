"""Several troubles at a time: no promise breaks, each shows, and all works again by itself.

`python -m tools.chaos SEED --diary` tells a story step by step.
"""

from __future__ import annotations

import pytest

from tools.chaos.runner import play_apart

SEEDS = range(20)
MORE_SEEDS = range(20, 200)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_nothing_is_lost_everything_shows_and_all_works_again(seed: int) -> None:
    outcome = play_apart(seed)
    assert outcome.violations == [], "\n".join(outcome.diary)
    assert outcome.presses >= 1
    assert outcome.plans >= 1


@pytest.mark.soak
@pytest.mark.parametrize("seed", MORE_SEEDS)
def test_two_hundred_stories(seed: int) -> None:
    outcome = play_apart(seed)
    assert outcome.violations == [], "\n".join(outcome.diary)
