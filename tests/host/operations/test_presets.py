"""Presets that are created: whatever their name is, they can be read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.home.config.presets import PresetLibrary
from host.home.home import create_home
from host.operations.presets import NewPreset, create_preset, preset_to_json


@pytest.mark.parametrize("name", ["C# fund", "# a", 'say "no"', "back\\slash", "\u00fcber\n\tall"])
def test_a_preset_keeps_the_name_that_it_was_given(tmp_path: Path, name: str) -> None:
    home = create_home(tmp_path / "home", demo=False).home
    about = NewPreset(id="mine", name=name, tags=(name,))
    created = create_preset(home, about, "max_plan_depth = 3\n")
    again = PresetLibrary(home).get("mine")
    assert preset_to_json(again) == preset_to_json(created)
    assert (again.name, again.tags) == (name, (name,))
