"""The cap of all positions, where the owner wrote one: a default contradicts no target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host.home.portfolio.contradictions.targets import WrittenCap
from host.home.storage.problems import ConfigFileError
from host.home.storage.toml_file import read_toml

if TYPE_CHECKING:
    from host.home.config.load import LoadedConfig

CAP = "position_weight_max"


def find_written_cap(loaded: LoadedConfig) -> WrittenCap | None:
    """Return the cap of a configuration with its place; None where it is the default."""
    constraints = loaded.config.constraints
    if CAP not in constraints.model_fields_set:
        return None
    place = str(loaded.path)
    try:
        document = read_toml(loaded.path)
    except ConfigFileError:
        document = None  # an older version is in force; its place in the file is unknown
    if document is not None and document.sha256 == loaded.sha256:
        line, column = document.position(("constraints", CAP))
        place = f"{place}:{line}:{column}"
    return WrittenCap(constraints.position_weight_max, place)
