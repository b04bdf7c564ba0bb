"""The boards that the conformance suite is run against, all of them on a virtual clock."""

from __future__ import annotations

from tests.firmware_bridge.board_peers import (
    AvrPeer,
    BoardPeer,
    CorePeer,
    SanitizedPeer,
    VirtualPeer,
)
from tests.firmware_bridge.router_peers import RouterPeer
from tools.build_firmware import Built

PEERS = ("python", "core", "core-sanitized", "avr", "router")


def make_peer(name: str, built: Built) -> BoardPeer:
    """Return a board that was just switched on."""
    match name:
        case "python":
            return VirtualPeer()
        case "core":
            return CorePeer(built.core_library)
        case "core-sanitized":
            return SanitizedPeer(built.sanitized_runner)
        case "router":
            return RouterPeer(built.uno_q_library)
        case _:
            return AvrPeer(built.simulator, built.yun_elf)
