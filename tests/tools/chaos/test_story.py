"""Stories repeat themselves, hold every trouble, and leave out what cannot be at a time."""

from __future__ import annotations

from itertools import chain

from tools.chaos.story import NEVER_TOGETHER, SCENES, TROUBLES_MAX, story_of
from tools.chaos.troubles import TROUBLES

STORIES = [story_of(seed) for seed in range(200)]


def test_a_seed_is_always_the_same_story_and_another_one_another() -> None:
    assert [story_of(seed) for seed in range(200)] == STORIES
    assert len({story.scenes for story in STORIES}) == len(STORIES)


def test_the_two_hundred_stories_of_a_soak_hold_every_trouble_many_times() -> None:
    names = list(chain.from_iterable(s.troubles for story in STORIES for s in story.scenes))
    assert set(names) == set(TROUBLES)
    assert min(names.count(name) for name in TROUBLES) >= 5


def test_a_scene_has_one_trouble_of_a_kind_and_ends_all_that_it_began() -> None:
    for scene in chain.from_iterable(story.scenes for story in STORIES):
        groups = [TROUBLES[name].group for name in scene.troubles]
        assert 1 <= len(groups) == len(set(groups)) <= TROUBLES_MAX
        assert not any(pair <= set(groups) for pair in NEVER_TOGETHER)
        assert sorted(scene.ending) == sorted(scene.troubles)
    assert all(len(story.scenes) == SCENES for story in STORIES)
