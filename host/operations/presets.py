"""Presets: list, show, create."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.home.config.load import load_uncommitted, read_edit_base
from host.home.config.presets import PresetLibrary, preset_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from host.home.config.presets import Preset
    from host.home.home import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPreset:
    """A preset to create; None: a default."""

    id: str
    name: str | None = None
    description: str | None = None
    author: str | None = None
    tags: tuple[str, ...] = ()


def presets_to_json(presets: Sequence[Preset]) -> dict[str, object]:
    """Return the list of presets, without their configurations."""
    return {"presets": [preset.to_record() for preset in presets]}


def preset_to_json(preset: Preset) -> dict[str, object]:
    """Return a preset with its configuration."""
    return {**preset.to_record(), "config": preset.config_text}


def create_preset(home: Home, about: NewPreset, config_text: str) -> Preset:
    """Add a preset with this configuration.

    Raises
    ------
    ConfigFileError, PresetError, StorageError
        Nothing was added.
    """
    home.require_home()
    text = preset_text(
        about.id,
        config_text,
        name=about.name,
        description=about.description,
        author=about.author,
        tags=about.tags,
    )
    return PresetLibrary(home).add(text, about.id)


def create_preset_of_bucket(home: Home, about: NewPreset, bucket_id: str) -> Preset:
    """Add a preset with the text of a bucket's file."""
    load_uncommitted(home, bucket_id)  # raises for an invalid file
    return create_preset(home, about, read_edit_base(home, bucket_id).text)
