"""The story of a seed: its faults and actions. The same seed gives the same story."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from tools.chaos.troubles import TROUBLES

if TYPE_CHECKING:
    from tools.chaos.troubles import Trouble

SCENES: Final = 2
TROUBLES_MAX: Final = 3
"""Faults at the same time."""
PAUSE_MAX_S: Final = 0.4
NEVER_TOGETHER: Final = (
    {"disk", "config"},  # no file can be saved on a full disk
)
NOTHING_TO_SAVE: Final = frozenset({"disk", "config"})
HAND: Final = ("press", "press", "press_twice", "hold", "edit", "nothing")
"""Actions of the person, to choose from."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Faults at the same time, the person's action meanwhile, and the order of their ends."""

    troubles: tuple[str, ...]
    hand: str
    hand_after: int
    """Number of faults that have begun before the person acts."""
    ending: tuple[str, ...]
    pauses_s: tuple[float, ...]
    """Pauses before each fault, and before the person acts."""


@dataclass(frozen=True, slots=True)
class Story:
    """All scenes of a seed."""

    seed: int
    scenes: tuple[Scene, ...]

    def to_json(self) -> dict[str, object]:
        """Return the story as plain data."""
        return asdict(self)


def story_of(seed: int) -> Story:
    """Return the story of a seed."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    return Story(seed, tuple(_scene(chance) for _ in range(SCENES)))


def _scene(chance: random.Random) -> Scene:
    chosen = _chosen(chance)
    hand = chance.choice(HAND)
    if hand == "edit" and any(trouble.group in NOTHING_TO_SAVE for trouble in chosen):
        hand = "press"
    if any(trouble.needs_plan for trouble in chosen):
        hand = "press"
    names = tuple(trouble.name for trouble in chosen)
    ending = tuple(chance.sample(names, len(names)))
    pauses_s = tuple(round(chance.uniform(0.0, PAUSE_MAX_S), 3) for _ in range(len(names) + 1))
    return Scene(names, hand, chance.randint(0, len(names)), ending, pauses_s)


def _chosen(chance: random.Random) -> list[Trouble]:
    """Choose faults of different groups that can occur together."""
    groups: dict[str, list[Trouble]] = {}
    for name in sorted(TROUBLES):
        groups.setdefault(TROUBLES[name].group, []).append(TROUBLES[name])
    chosen: list[Trouble] = []
    for group in chance.sample(sorted(groups), len(groups)):
        chosen_groups = {trouble.group for trouble in chosen}
        if not any(group in pair and chosen_groups & pair for pair in NEVER_TOGETHER):
            chosen.append(chance.choice(groups[group]))
    return chosen[: chance.randint(1, TROUBLES_MAX)]
