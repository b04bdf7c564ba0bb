"""What the tests of full disks need: without it they are skipped, but never in CI."""

from __future__ import annotations

import pytest

from tests.host.conftest import need
from tools.crash.full_disk import way_to_mount


@pytest.fixture(scope="session")
def mounting() -> tuple[str, ...]:
    """Return what mounts a small disk."""
    way = way_to_mount()
    need(way, "right to mount: run as root, or allow user namespaces")
    assert way is not None
    return way
