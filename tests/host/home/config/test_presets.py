"""The figures of presets: how often each was applied, and its rating."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host.errors import StorageError
from host.home.config.presets import PresetLibrary
from host.home.home import Home
from host.home.storage import atomic_file

SHIPPED = "contrarian"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.state_dir.mkdir(parents=True)
    PresetLibrary(home).rate(SHIPPED, 4)
    return home


def figures(home: Home) -> Path:
    return home.state_dir / "presets.json"


def fail_to_read(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let opening a file fail, as on a bad disk."""
    really_open = atomic_file._open_nonblocking

    def open_or_fail(name: str, flags: int) -> int:
        if Path(name) == path:
            raise OSError(5, "Input/output error")
        return really_open(name, flags)

    monkeypatch.setattr(atomic_file, "_open_nonblocking", open_or_fail)


def test_a_file_that_cannot_be_read_is_never_written_over(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = figures(home).read_bytes()
    with monkeypatch.context() as patch:
        fail_to_read(patch, figures(home))
        library = PresetLibrary(home)
        with pytest.raises(StorageError, match="cannot be read"):
            library.rate(SHIPPED, 1)
        with pytest.raises(StorageError, match="cannot be read"):
            library.note_applied(SHIPPED)
    assert figures(home).read_bytes() == before


def test_presets_are_listed_without_figures_that_cannot_be_read(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_to_read(patch, figures(home))
        library = PresetLibrary(home)
        presets = library.list()
    assert {preset.rating for preset in presets} == {None}
    (problem,) = library.problems
    assert "presets.json: cannot be read" in problem
    assert {preset.rating for preset in PresetLibrary(home).list()} == {None, 4}


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"[" * 100_000, b" " * 10_000_000])
def test_a_damaged_file_is_set_aside_before_the_next_rating(home: Home, damaged: bytes) -> None:
    figures(home).write_bytes(damaged)
    assert {preset.rating for preset in PresetLibrary(home).list()} == {None}
    assert figures(home).read_bytes() == damaged, "reading changes nothing"
    PresetLibrary(home).rate(SHIPPED, 2)
    assert json.loads(figures(home).read_bytes()) == {SHIPPED: {"rating": 2}}
    (aside,) = home.state_dir.glob("presets.json.corrupt.*")
    assert aside.read_bytes() == damaged
