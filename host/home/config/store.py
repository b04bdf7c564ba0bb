"""A bucket's configuration: file -> TOML -> checked config. The one path everything loads by.

`trader config check` and the daemon call the same function, so what the check accepts is accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from host.home.storage.toml_file import ConfigFileError, TomlDocument, locate_problems, read_toml
from planner_core.errors import ConfigError

if TYPE_CHECKING:
    from planner_core.model.config import PlannerConfig
    from planner_core.modules.registry import Registries

NOT_VERSIONED = 0


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid configuration, and which bytes it came from.

    Parameters
    ----------
    config : PlannerConfig
    sha256 : str
        Hex digest of the file's bytes.
    version : int
        0: not versioned yet.
    path : Path
    """

    config: PlannerConfig
    sha256: str
    version: int
    path: Path


def load_config_file(path: Path, registries: Registries | None = None) -> LoadedConfig:
    """Read and check a configuration.

    Parameters
    ----------
    path : Path
    registries : Registries, optional
        The modules it may name; by default those shipped with the planner.

    Raises
    ------
    ConfigFileError
        With all problems of the file, each with its place.
    """
    document = read_toml(path)
    config = check_document(document, registries)
    return LoadedConfig(config, document.sha256, NOT_VERSIONED, path)


def check_document(document: TomlDocument, registries: Registries | None = None) -> PlannerConfig:
    """Turn a parsed document into a configuration, or raise ConfigFileError with all problems."""
    # Imported here: these need numpy and pydantic, which `trader --help` must not wait for.
    from planner_core.config_api.config_loading import load_config
    from planner_core.modules.builtin import builtin_registries

    try:
        return load_config(document.mapping, registries or builtin_registries())
    except ConfigError as error:
        raise ConfigFileError(locate_problems(document, error.problems)) from None
