"""The simulator that executes the firmware: built once, for all tests that need it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.simulation.avr_build import PACKAGES, ToolchainError, build_simulator
from tests.firmware_bridge.conftest import built

__all__ = ["built"]


@pytest.fixture(scope="session")
def _simulator_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def avr(_simulator_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The simulator; without libsimavr its tests are skipped, but never in CI."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(_simulator_cache))
    try:
        return build_simulator()
    except ToolchainError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no AVR simulator: install {' '.join(PACKAGES)}")
