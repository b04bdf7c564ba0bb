"""Whether a daemon lives: a lock and a small file, and nothing heavy to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host.clock import utc_now
from host.health.heartbeat import is_locked, read_beat
from host.health.probe import Look

if TYPE_CHECKING:
    from host.health.probe import Findings
    from host.home.home import Home


def look_at_daemon(home: Home) -> Look:
    """Return only whether a daemon lives.

    Raises
    ------
    OSError
        When nobody but the owner of the home may know.
    """
    look = Look(home, utc_now())
    list(find_daemon(look))
    return look


def find_daemon(look: Look) -> Findings:
    """Note whether a daemon holds the home, and its last sign of life."""
    look.is_locked = is_locked(look.home.state_dir)
    look.beat = read_beat(look.home.state_dir)
    yield from ()
