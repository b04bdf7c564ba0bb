"""The right to mount: without it the tests of full disks are skipped, but never in CI."""

from __future__ import annotations

import pytest

from tests.host.conftest import need
from tools.crash.full_disk import mount_command


@pytest.fixture(scope="session")
def mounting() -> tuple[str, ...]:
    """Return the command prefix that mounts a small disk."""
    prefix = mount_command()
    need(prefix, "right to mount: run as root, or allow user namespaces")
    assert prefix is not None
    return prefix
