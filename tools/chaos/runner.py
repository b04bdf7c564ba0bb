"""Many stories, side by side, each in a process with a mount namespace of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tools.chaos.scenario import Outcome

SIDE_BY_SIDE: Final = 3
"""Most of a story is waiting: three of them keep two cores busy."""
STORY_MAX_S: Final = 600.0
OWN_MOUNTS: Final = ("unshare", "--user", "--map-root-user", "--mount")
WORDS_KEPT: Final = 3_000


def play_all(seeds: Sequence[int], side_by_side: int = SIDE_BY_SIDE) -> Iterator[Outcome]:
    """Play a story for each seed; outcomes come in the order of the seeds."""
    with ThreadPoolExecutor(side_by_side) as pool:
        yield from pool.map(play_apart, seeds)


def play_apart(seed: int) -> Outcome:
    """Play one story in a process of its own; what ends that process is a violation too."""
    with tempfile.TemporaryDirectory(prefix="arduino-trader-chaos-") as folder:
        command = (sys.executable, "-m", "tools.chaos.scenario", str(seed), folder)
        try:
            done = subprocess.run(
                (*OWN_MOUNTS, *command),
                cwd=Path(__file__).parents[2],
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=STORY_MAX_S,
            )
        except subprocess.TimeoutExpired:
            return Outcome(seed, [f"the story took longer than {STORY_MAX_S:g} s"])
    if done.returncode:
        return Outcome(
            seed, [f"the story ended with {done.returncode}: {done.stderr[-WORDS_KEPT:]}"]
        )
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))
