"""Named configurations: shipped ones, and those in `presets/` of the home; one TOML file each.

    [preset]            id, name, description, author, tags, created_at; sha256 in exported files
    [config...]         a bucket's configuration, checked by the one load path

How often a preset was applied here, and what its user thinks of it, stands in `state/presets.json`.
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
from host.errors import HostError
from host.home.config.load import check_document
from host.home.storage.atomic_file import write_atomic, write_new
from host.home.storage.toml_file import ConfigFileError, TomlDocument, parse_toml, read_bytes
from host.limits import PRESET_BYTES_MAX, PRESET_STATE_BYTES_MAX, PRESETS_MAX

if TYPE_CHECKING:
    from host.home.home import Home
    from planner_core.model.config import PlannerConfig

ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
STATE_NAME: Final = "presets.json"
RATINGS: Final = range(1, 6)
TEXT_KEYS: Final = ("name", "description", "author", "created_at")
SCHEMA_LINE: Final = "#:schema ../schema/bucket.json"
CONFIG_MARK: Final = "# --- configuration ---\n"
"""What follows it in a preset's file is a bucket's file, byte for byte."""


class PresetError(HostError):
    """There is no such preset, or it cannot be used."""

    code = "preset"


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset with its text; `config_text` is what a bucket's file becomes."""

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
        """Lines about files that could not be used."""

    def list(self, tag: str | None = None) -> list[Preset]:
        """Return the presets, with a tag if one is given, sorted by id."""
        found = {}
        for name, text in self._texts().items():
            try:
                found[name] = self._parsed(text, name)
            except (PresetError, ConfigFileError) as error:
                self.problems += str(error).splitlines()
        return [found[n] for n in sorted(found) if tag is None or tag in found[n].tags]

    def get(self, preset_id: str) -> Preset:
        """Return a preset, or raise PresetError with the names there are."""
        text = self._texts().get(preset_id)
        if text is None:
            known = ", ".join(sorted(self._texts()))
            raise PresetError(f"no preset {preset_id!r:.80} (there are: {known})")
        return self._parsed(text, preset_id)

    def add(self, text: str, source: str) -> Preset:
        """Check the text of a preset's file and keep it in the home.

        Raises
        ------
        ConfigFileError, PresetError, StorageError
            It is wrong, its checksum does not fit, or its id is taken.
        """
        preset = self._parsed(text, source)
        texts = self._texts()
        if preset.id in texts:
            raise PresetError(f"a preset {preset.id!r} is there already (save it by another id)")
        if len(texts) >= PRESETS_MAX:
            raise PresetError(f"there are {PRESETS_MAX} presets already (remove some)")
        path = self._home.presets_dir / f"{preset.id}.toml"
        if not write_new(path, text.encode()):
            raise PresetError(f"{path}: is there already (move it away)")
        return preset

    def note_applied(self, preset_id: str) -> None:
        """Count one more use."""
        state = self._state()
        entry = state.setdefault(preset_id, {})
        entry["downloads"] = (_whole(entry.get("downloads")) or 0) + 1
        self._keep(state)

    def rate(self, preset_id: str, rating: int) -> None:
        """Keep what the user thinks of a preset, 1 to 5."""
        if rating not in RATINGS:
            raise PresetError(f"{rating} is no rating (1 to 5)")
        self.get(preset_id)
        state = self._state()
        state.setdefault(preset_id, {})["rating"] = rating
        self._keep(state)

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
        promised = head.get("sha256")
        if promised is not None and promised != _digest(config_text):
            raise PresetError(f"{source}: the checksum does not fit (it was changed or cut off)")
        own = parse_toml(config_text or "# defaults\n", f"{source}: configuration")
        state = self._state().get(head["id"], {})
        rating = _whole(state.get("rating"))
        return Preset(
            id=head["id"],
            name=head["name"],
            description=head["description"],
            author=head["author"],
            tags=tuple(head["tags"]),
            created_at=head["created_at"],
            config_text=config_text,
            config=check_document(own),
            downloads=_whole(state.get("downloads")) or 0,
            rating=rating if rating in RATINGS else None,
        )

    def _state(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(
                read_bytes(self._home.state_dir / STATE_NAME, PRESET_STATE_BYTES_MAX)
            )
        except (ConfigFileError, ValueError, RecursionError):
            return {}  # figures for show: losing them costs nothing else
        if not isinstance(found, dict):
            return {}
        return {key: value for key, value in found.items() if isinstance(value, dict)}

    def _keep(self, state: Mapping[str, object]) -> None:
        text = json.dumps(state, indent=2, sort_keys=True)
        write_atomic(self._home.state_dir / STATE_NAME, f"{text}\n".encode())


def _whole(value: object) -> int | None:
    """Return a whole number of things; None for what is none."""
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
        about = parse_toml(head[0].replace("# ", ""), document.source).mapping
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
