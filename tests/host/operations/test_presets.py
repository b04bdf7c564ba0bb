"""Presets that are created: whatever their name is, they can be read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.home.config.presets import PresetError, PresetLibrary
from host.home.home import create_home
from host.home.storage.problems import ConfigFileError
from host.operations.presets import NewPreset, create_preset, preset_to_json


@pytest.mark.parametrize("name", ["C# fund", "# a", 'say "no"', "back\\slash", "\u00fcber all"])
def test_a_preset_keeps_the_name_that_it_was_given(tmp_path: Path, name: str) -> None:
    home = create_home(tmp_path / "home", demo=False).home
    about = NewPreset(id="mine", name=name, tags=(name,))
    created = create_preset(home, about, "max_plan_depth = 3\n")
    again = PresetLibrary(home).get("mine")
    assert preset_to_json(again) == preset_to_json(created)
    assert (again.name, again.tags) == (name, (name,))


@pytest.mark.parametrize("text", ["red \x1b[31m", "two\nlines", "right \u202e left", "bell \x07"])
@pytest.mark.parametrize("field", ["name", "description", "author", "tags"])
def test_a_text_that_could_control_a_terminal_is_refused(
    tmp_path: Path, field: str, text: str
) -> None:
    home = create_home(tmp_path / "home", demo=False).home
    value = (text,) if field == "tags" else text
    about = NewPreset(id="mine", **{field: value})  # type: ignore[arg-type]
    with pytest.raises(PresetError, match=f"{field} .*cannot be printed"):
        create_preset(home, about, "max_plan_depth = 3\n")
    assert not (home.presets_dir / "mine.toml").exists()


@pytest.mark.parametrize("preset_id", ["3", "v3", "current", "file"])
def test_an_id_that_means_a_version_is_refused(tmp_path: Path, preset_id: str) -> None:
    home = create_home(tmp_path / "home", demo=False).home
    with pytest.raises(PresetError, match="means a version"):
        create_preset(home, NewPreset(id=preset_id), "max_plan_depth = 3\n")


@pytest.mark.parametrize("config", ["", " \n"])
def test_an_empty_configuration_is_refused_as_in_every_file(tmp_path: Path, config: str) -> None:
    home = create_home(tmp_path / "home", demo=False).home
    with pytest.raises(ConfigFileError, match="empty"):
        create_preset(home, NewPreset(id="mine"), config)
