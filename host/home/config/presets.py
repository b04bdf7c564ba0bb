"""Named configurations: shipped ones, and those in `presets/` of the home; one TOML file each.

    # id = "..."              comments with name, description, author, tags, created_at, sha256
    # --- configuration ---
    max_plan_depth = 4        a bucket's configuration, checked as every bucket's file is

`state/presets.json` counts how often each preset was applied here, and has the user's rating.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from host.clock import utc_now
from host.errors import HostError, StorageError
from host.home.config.load import check_document
from host.home.config.plugin_catalogue import modules_of
from host.home.storage.atomic_file import (
    open_file,
    quarantine,
    storage_error,
    write_atomic,
    write_new,
)
from host.home.storage.toml_file import ConfigFileError, TomlDocument, parse_toml, read_bytes
from host.limits import PRESET_BYTES_MAX, PRESET_STATE_BYTES_MAX, PRESETS_MAX
from host.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from host.home.home import Home
    from planner_core.model.config import PlannerConfig

ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
VERSION_ID = re.compile(r"v?[0-9]+|current|file")
"""Names by which `trader ab` means a version, or the bucket's file."""
COMMENT = re.compile(r"^# ", re.MULTILINE)
FIGURES_NAME: Final = "presets.json"
RATINGS: Final = range(1, 6)
TEXT_KEYS: Final = ("name", "description", "author", "created_at")
SCHEMA_LINE: Final = "#:schema ../schema/bucket.json"
CONFIG_MARK: Final = "# --- configuration ---\n"
"""The rest of a preset's file is a bucket's file, byte for byte."""


class PresetError(HostError):
    """There is no such preset, or it cannot be used."""

    code = "preset"


class NoPresetError(PresetError):
    """No preset has this id."""


class PresetExistsError(PresetError):
    """Another preset has this id, or there are too many."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset; applying it writes `config_text` into the bucket's file."""

    id: str
    name: str
    description: str
    author: str
    tags: tuple[str, ...]
    created_at: str
    config_text: str
    config: PlannerConfig
    downloads: int = 0
    rating: int | None = None

    def to_record(self) -> dict[str, object]:
        """Return everything but the configuration as plain data."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "author": self.author,
            "tags": list(self.tags),
            "downloads": self.downloads,
            "rating": self.rating,
            "created_at": self.created_at,
        }


class PresetLibrary:
    """The presets that a home can use: its own, then those shipped."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.problems: list[str] = []
        """A line for each file that could not be used."""

    def list(self, tag: str | None = None) -> list[Preset]:
        """Return the presets, or those with a tag, sorted by id."""
        presets = {}
        for name, text in self._texts().items():
            try:
                presets[name] = self._parsed(text, name)
            except (PresetError, ConfigFileError) as error:
                self.problems += str(error).splitlines()
        return [p for _, p in sorted(presets.items()) if tag is None or tag in p.tags]

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all presets, sorted; their files may be wrong."""
        return tuple(sorted(self._texts()))

    def get(self, preset_id: str) -> Preset:
        """Return a preset, or raise PresetError with the existing names."""
        text = self._texts().get(preset_id)
        if text is None:
            names = ", ".join(sorted(self._texts()))
            raise NoPresetError(f"no preset {preset_id!r:.80} (presets: {names})")
        return self._parsed(text, preset_id)

    def add(self, text: str, source: str) -> Preset:
        """Check the text of a preset's file and add it to the home.

        Raises
        ------
        ConfigFileError, PresetError, StorageError
            It is wrong, its checksum does not match, or its id is in use.
        """
        preset = self._parsed(text, source)
        if VERSION_ID.fullmatch(preset.id):
            raise PresetError(f"{preset.id!r} means a version of a bucket (choose another id)")
        for key, texts_of_key in _texts_about(preset):
            if not all(text_of_key.isprintable() for text_of_key in texts_of_key):
                raise PresetError(
                    f"{printable(source)}: {key} has a character that cannot be printed, such as a"
                    " line break or a terminal escape (leave it out)"
                )
        texts = self._texts()
        if preset.id in texts:
            raise PresetExistsError(f"a preset {preset.id!r} exists already (choose another id)")
        if len(texts) >= PRESETS_MAX:
            raise PresetExistsError(f"there are {PRESETS_MAX} presets already (remove some)")
        path = self._home.presets_dir / f"{preset.id}.toml"
        if not write_new(path, text.encode()):
            raise PresetExistsError(f"{path}: exists already (move it away)")
        return preset

    def note_applied(self, preset_id: str) -> None:
        """Count one more use; raise StorageError when the count cannot be read or written."""
        figures = self._figures_to_change()
        entry = figures.setdefault(preset_id, {})
        entry["downloads"] = (_count(entry.get("downloads")) or 0) + 1
        self._write_figures(figures)

    def rate(self, preset_id: str, rating: int) -> None:
        """Save a rating of 1 to 5; raise StorageError when the file cannot be read or written."""
        if rating not in RATINGS:
            raise PresetError(f"a rating is 1 to 5, not {rating}")
        self.get(preset_id)
        figures = self._figures_to_change()
        figures.setdefault(preset_id, {})["rating"] = rating
        self._write_figures(figures)

    def _texts(self) -> dict[str, str]:
        texts = {
            entry.name.removesuffix(".toml"): entry.read_text("utf-8")
            for entry in resources.files("configs").joinpath("presets").iterdir()
            if entry.name.endswith(".toml")
        }
        if self._home.presets_dir.is_dir():
            for path in sorted(self._home.presets_dir.glob("*.toml"))[:PRESETS_MAX]:
                try:
                    data = read_bytes(path, PRESET_BYTES_MAX)
                except ConfigFileError as error:
                    self.problems += error.lines
                    continue
                texts[path.stem] = data.decode("utf-8", "replace")
        return texts

    def _parsed(self, text: str, source: str) -> Preset:
        document = parse_toml(text, source, PRESET_BYTES_MAX)
        head = _head(document)
        config_text = text.partition(CONFIG_MARK)[2]
        checksum = head.get("sha256")
        if checksum is not None and checksum != _digest(config_text):
            raise PresetError(f"{source}: the checksum does not match (it was changed or cut off)")
        own = parse_toml(config_text, f"{source}: configuration")
        figures = self._figures().get(head["id"], {})
        rating = _count(figures.get("rating"))
        return Preset(
            id=head["id"],
            name=head["name"],
            description=head["description"],
            author=head["author"],
            tags=tuple(head["tags"]),
            created_at=head["created_at"],
            config_text=config_text,
            config=check_document(own, modules_of(self._home)),
            downloads=_count(figures.get("downloads")) or 0,
            rating=rating if rating in RATINGS else None,
        )

    # --- figures ---------------------------------------------------------------------------

    @property
    def _figures_file(self) -> Path:
        return self._home.state_dir / FIGURES_NAME

    def _figures(self) -> dict[str, dict[str, Any]]:
        """Return the figures to show; none of them is needed to use a preset."""
        try:
            return self._read_figures()
        except StorageError as error:
            if str(error) not in self.problems:
                self.problems.append(str(error))
            return {}
        except ValueError:
            return {}

    def _figures_to_change(self) -> dict[str, dict[str, Any]]:
        """Return the figures to change. StorageError: a file that is not read is not written."""
        try:
            return self._read_figures()
        except ValueError as error:
            self.problems.append(quarantine(self._figures_file, error, utc_now()))
            return {}

    def _read_figures(self) -> dict[str, dict[str, Any]]:
        """Read the file; ValueError when it is damaged, StorageError when it cannot be read."""
        try:
            with open_file(self._figures_file) as file:
                data = file.read(PRESET_STATE_BYTES_MAX + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise storage_error(self._figures_file, "cannot be read", error) from error
        if len(data) > PRESET_STATE_BYTES_MAX:
            raise ValueError(f"more than {PRESET_STATE_BYTES_MAX} bytes")
        try:
            record = json.loads(data)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(record, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 - damaged content
        return {key: value for key, value in record.items() if isinstance(value, dict)}

    def _write_figures(self, figures: Mapping[str, object]) -> None:
        text = json.dumps(figures, indent=2, sort_keys=True)
        write_atomic(self._figures_file, f"{text}\n".encode())


def _texts_about(preset: Preset) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the texts that lists print: key -> its texts."""
    return (
        ("name", (preset.name,)),
        ("description", (preset.description,)),
        ("author", (preset.author,)),
        ("tags", preset.tags),
        ("created_at", (preset.created_at,)),
    )


def _count(value: object) -> int | None:
    """Return a number of things; None for any other value."""
    return value if isinstance(value, int) and value >= 0 else None


def preset_text(preset_id: str, config_text: str, **about: object) -> str:
    """Return the file of a preset, with its checksum."""
    tags = about.get("tags") or ()
    assert isinstance(tags, tuple)
    values: dict[str, object] = {
        "id": preset_id,
        "name": about.get("name") or preset_id,
        "description": about.get("description") or "saved from a bucket",
        "author": about.get("author") or "me",
        "tags": list(tags),
        "created_at": about.get("created_at") or f"{utc_now():%Y-%m-%d}",
        "sha256": _digest(config_text),
    }
    lines = [f"# {key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "\n".join([SCHEMA_LINE, "#:preset", *lines, CONFIG_MARK]) + config_text


def _head(document: TomlDocument) -> dict[str, Any]:
    """Return the metadata in the comments before the configuration."""
    head = document.text.partition(CONFIG_MARK)
    if not head[1]:
        raise PresetError(f"{document.source}: no line `{CONFIG_MARK.strip()}`: not a preset")
    try:
        about = parse_toml(COMMENT.sub("", head[0]), document.source).mapping
    except ConfigFileError as error:
        raise PresetError(f"{error}") from None
    if not isinstance(about.get("id"), str) or not ID.fullmatch(about["id"]):
        raise PresetError(f"{document.source}: id must be lower case letters, digits, - and _")
    for key in TEXT_KEYS:
        if not isinstance(about.get(key), str) or not about[key].strip():
            raise PresetError(f"{document.source}: {key} is missing")
    tags = about.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise PresetError(f"{document.source}: tags must be a list of words")
    return about


def _digest(config_text: str) -> str:
    return hashlib.sha256(config_text.encode()).hexdigest()
