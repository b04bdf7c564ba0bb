"""The compiled firmware, built once and shared by all workers; every board on a bench."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.firmware_bridge.all_peers import PEERS, make_peer
from tests.firmware_bridge.conformance_bench import Bench
from tools.build_firmware import Built, build

TOOLS = ("gcc", "g++", "avr-gcc")


@pytest.fixture(scope="session")
def built() -> Built:
    """Build what the tests execute; without the toolchain they are skipped, but never in CI."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"no {' and no '.join(missing)}: `make setup` installs the firmware toolchain")
    return build()


@pytest.fixture(params=PEERS)
def bench(request: pytest.FixtureRequest, built: Built) -> Iterator[Bench]:
    """Each kind of board in turn, just switched on."""
    peer = make_peer(request.param, built)
    yield Bench(peer)
    peer.close()
