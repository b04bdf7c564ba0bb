"""What the crash tests need of the machine: without it they are skipped, but never in CI."""

from __future__ import annotations

import os
import shutil

import pytest

from tools.crash.full_disk import way_to_mount


@pytest.fixture(scope="session")
def strace() -> None:
    """Tests that name this run programs under strace."""
    _need(shutil.which("strace"), "strace: `make setup` installs it")


@pytest.fixture(scope="session")
def mounting() -> tuple[str, ...]:
    """Return what mounts a small disk."""
    way = way_to_mount()
    _need(way, "right to mount: run as root, or allow user namespaces")
    assert way is not None
    return way


def _need(found: object, what: str) -> None:
    if not found:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"no {what}")
