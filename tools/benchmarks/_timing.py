"""Ratios on a noisy machine: what is compared takes turns, and medians are compared.

Seconds are those of this process on the processor: what else the machine does must not count. Only
for calculations on one thread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def in_turns(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median processor seconds of each call; all take part in every round, after a warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            begin = time.process_time()
            call()
            if turn:
                seconds[name].append(time.process_time() - begin)
    return {name: statistics.median(measured) for name, measured in seconds.items()}
