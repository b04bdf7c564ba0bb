"""The matrix, as the daemon of a home draws it now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from host.control.client import ask_daemon

if TYPE_CHECKING:
    from host.home.home import Home


async def read_board_state(home: Home) -> dict[str, Any]:
    """Return link, layer, brightness and pixels; NoDaemonError without a daemon."""
    home.require_home()
    return await ask_daemon(home, do="board")
