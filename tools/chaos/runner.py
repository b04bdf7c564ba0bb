"""Run many stories in parallel, each in a process with its own mount namespace."""

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
"""A story mostly waits, so three of them use two cores."""
STORY_MAX_S: Final = 600.0
OWN_MOUNTS: Final = ("unshare", "--user", "--map-root-user", "--mount")
WORDS_KEPT: Final = 3_000


def play_all(seeds: Sequence[int], side_by_side: int = SIDE_BY_SIDE) -> Iterator[Outcome]:
    """Run a story for each seed; yield outcomes in the order of the seeds."""
    with ThreadPoolExecutor(side_by_side) as pool:
        yield from pool.map(play_apart, seeds)


def play_apart(seed: int) -> Outcome:
    """Run one story in its own process; a crash of that process is a violation too."""
    with tempfile.TemporaryDirectory(prefix="arduino-trader-chaos-") as folder:
        command = (sys.executable, "-m", "tools.chaos.scenario", str(seed), folder)
        try:
            process = subprocess.run(
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
    if process.returncode:
        return Outcome(
            seed, [f"the story ended with {process.returncode}: {process.stderr[-WORDS_KEPT:]}"]
        )
    return Outcome(**json.loads(process.stdout.splitlines()[-1]))
