"""How much memory this process takes."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path


def peak_memory_bytes() -> int:
    """Return the most memory that was resident so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory_bytes() -> dict[str, int]:
    """Return resident memory now and at its peak."""
    peak = peak_memory_bytes()
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return {"rss_bytes": pages * resource.getpagesize(), "rss_peak_bytes": peak}
    return {"rss_bytes": peak, "rss_peak_bytes": peak}
