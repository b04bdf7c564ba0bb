"""Texts of plugins, good and bad ones, and homes with them."""

from __future__ import annotations

from pathlib import Path

from host.home.home import Home

MOMENTUM = '''
"""Buys what rose."""

from planner_core.api import (
    ModuleMetadata, ModuleParameters, Opportunity, OpportunityCalculator, Side,
    opportunity_registry, parameter,
)


class MomentumParameters(ModuleParameters):
    """How much to buy."""

    share: float = parameter(0.02, unit="fraction of NAV", gt=0, le=1, description="size of a buy")
    fields: tuple[str, ...] = parameter(("close",), unit="names", description="prices to use")


class Momentum(OpportunityCalculator[MomentumParameters]):
    """Buy the first security."""

    metadata = ModuleMetadata(
        name="momentum", version="1.2.0", description="Buy what rose", author="me"
    )
    parameters_model = MomentumParameters

    {define} calculate(self, state, parameters):
        notional = parameters.share * 10_000
        return [Opportunity(security=0, side=Side.BUY, notional=notional, reason="it rose")]


opportunity_registry.register(Momentum())
'''

FILTER = '''
from planner_core.api import (
    Dependency, Filter, ModuleKind, ModuleMetadata, ModuleParameters, filter_registry,
)


class {type}(Filter[ModuleParameters]):
    """Change nothing."""

    metadata = ModuleMetadata(
        name="{name}", version="{version}", description="Change nothing",
        dependencies=({needs}), conflicts=({conflicts}),
    )
    parameters_model = ModuleParameters


filter_registry.register({type}())
'''


def momentum(define: str = "def") -> str:
    """Return the text of a calculator; `define` may be `async def`."""
    return MOMENTUM.replace("{define}", define)


def filter_text(name: str, *, version: str = "1.0.0", needs: str = "", conflicts: str = "") -> str:
    """Return the text of a filter; `needs` is the inside of a tuple."""
    type_name = name.title().replace("_", "")
    return FILTER.format(
        type=type_name, name=name, version=version, needs=needs, conflicts=conflicts
    )


def needs(name: str, version: str = "") -> str:
    """Return a dependency on a filter, as the inside of a tuple."""
    return f'Dependency(ModuleKind.FILTER, "{name}", "{version}"),'


def add_plugins(home: Home, files: dict[str, str], *, enabled: bool = True) -> Home:
    """Write plugins, and switch them on or off; return the home."""
    home.plugins_dir.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (home.plugins_dir / name).write_text(text, "utf-8")
    if enabled:
        home.device_file.write_text("[plugins]\nenabled = true\n", "utf-8")
    return home


def folder_with(root: Path, files: dict[str, str]) -> Path:
    """Write files into a folder of plugins, and return it."""
    folder = root / "plugins"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


MISDEED = '''
import ctypes, os, signal, subprocess, sys, threading, time
import numpy as np
from planner_core.api import (
    ModuleMetadata, ModuleParameters, Opportunity, OpportunityCalculator, Side,
    opportunity_registry,
)


class Bad(OpportunityCalculator[ModuleParameters]):
    """Do harm when it is called."""

    metadata = ModuleMetadata(name="{name}", version="1.0.0", description="Do harm")
    parameters_model = ModuleParameters

    def calculate(self, state, parameters):
        {misdeed}
        return []


opportunity_registry.register(Bad())
'''


def misdeed_text(misdeed: str, name: str = "bad") -> str:
    """Return the text of a calculator that does this when it is called."""
    return MISDEED.format(misdeed=misdeed, name=name)


def install_package(root: Path, text: str, version: str = "1.0.0") -> Path:
    """Write an installed package `my_trend` with one entry point; return its site folder."""
    site = root / "site"
    package, metadata = site / "my_trend", site / f"my_trend-{version}.dist-info"
    for folder in (package, metadata):
        folder.mkdir(parents=True)
    (package / "__init__.py").write_text("", "utf-8")
    (package / "modules.py").write_text(text, "utf-8")
    head = f"Metadata-Version: 2.1\nName: my-trend\nVersion: {version}\n"
    (metadata / "METADATA").write_text(head, "utf-8")
    entry = "[arduino_trader.modules]\ntrend = my_trend.modules\n"
    (metadata / "entry_points.txt").write_text(entry, "utf-8")
    return site
