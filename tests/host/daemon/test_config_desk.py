"""What the desk of configurations does at a start, with a disk that refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from host.configuration.history import ConfigHistory
from host.daemon.config_desk import ConfigDesk
from host.errors import StorageError
from tests.host.small_home import small_home


class Recorder:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.log = self

    def tell(self, event: str, **facts: object) -> None:
        self.told.append((event, facts))

    async def record(self, event: str, _trace: str, bucket_id: str, **facts: object) -> None:
        self.told.append((event, {"bucket_id": bucket_id, **facts}))


def recovered(root: Path) -> list[tuple[str, Any]]:
    recorder = Recorder()
    desk = ConfigDesk(small_home(root), cast("Any", recorder), cast("Any", None))
    asyncio.run(desk.recover())
    return recorder.told


def test_a_sound_home_is_nothing_to_tell_of(tmp_path: Path) -> None:
    assert recovered(tmp_path) == []


def test_a_disk_that_refuses_is_told_of_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: ConfigHistory) -> None:
        raise StorageError("history: cannot be read")

    monkeypatch.setattr(ConfigHistory, "recover", refuse)
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / ".tmp-1-0123456789ab").touch()
    events = [event for event, _ in recovered(tmp_path)]
    assert events == ["ConfigHistoryNotRepaired", "HalfFilesRemoved"]
