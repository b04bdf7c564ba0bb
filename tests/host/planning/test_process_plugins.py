"""Plugins in the process that plans: loaded between plans, left out after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from host.home.config.plugin_catalogue import load_catalogue
from host.home.home import Home
from host.planning.breaker_store import BreakerStore
from host.planning.process_plugins import ProcessPlugins
from host.plugins import process_modules
from planner_core.model.circuit_breaker import BreakerState, Signal
from planner_core.model.module_metadata import ModuleKind
from planner_core.modules.builtin import builtin_registries
from tests.host.plugins.plugin_files import add_plugins, filter_text, momentum


@pytest.fixture(autouse=True)
def _clean_process() -> Iterator[None]:
    """No other test may find the plugins of this one in the process."""
    yield
    process_modules._PROCESS.assembly = None


@pytest.fixture
def home(tmp_path: Path) -> Home:
    root = tmp_path / "home"
    root.mkdir()
    return Home(root)


def test_without_plugins_nothing_is_loaded(home: Home) -> None:
    plugins = ProcessPlugins(home, BreakerStore(home))
    assert plugins.load({}) is builtin_registries()
    assert process_modules.process_registries() is None


def test_only_plugins_that_were_inspected_are_loaded(home: Home) -> None:
    add_plugins(home, {"a.py": momentum(), "b.py": "import os\nos._exit(3)"})
    plugins = ProcessPlugins(home, BreakerStore(home))
    assert plugins.load({}).origins == {}
    problems = process_modules.process_problems()
    assert problems is not None
    assert problems["plugins/b.py"].startswith("was not tried yet")
    load_catalogue(home)
    registries = plugins.load({})
    assert registries.origins == {"opportunity_calculators.momentum": "plugins/a.py"}
    assert process_modules.process_registries() is registries
    problems = process_modules.process_problems()
    assert problems is not None
    assert set(problems) == {"plugins/b.py"}


def test_a_file_that_changes_is_loaded_again_and_others_are_not(home: Home) -> None:
    mark = home.root / "loads"
    count = f"with open({str(mark)!r}, 'a') as file: file.write('x')\n"
    add_plugins(home, {"a.py": count + momentum(), "b.py": filter_text("one")})
    load_catalogue(home)
    plugins = ProcessPlugins(home, BreakerStore(home))
    mark.write_text("")
    first = plugins.load({})
    add_plugins(home, {"b.py": filter_text("one", version="2.0.0")})
    load_catalogue(home)
    second = plugins.load({})
    assert mark.read_text() == "x"
    assert first.filters["one"].metadata.version == "1.0.0"
    assert second.filters["one"].metadata.version == "2.0.0"
    calculators = [r.opportunity_calculators["momentum"] for r in (first, second)]
    assert calculators[0] is calculators[1], "its results may still be in the cache"


def test_a_plugin_that_is_removed_or_switched_off_is_gone_in_the_next_plan(home: Home) -> None:
    add_plugins(home, {"a.py": momentum(), "b.py": filter_text("one")})
    load_catalogue(home)
    plugins = ProcessPlugins(home, BreakerStore(home))
    plugins.load({})
    (home.plugins_dir / "b.py").unlink()
    registries = plugins.load({})
    assert "one" not in registries.filters
    assert (
        registries.reason_of_absence(ModuleKind.FILTER, "one") == "plugins/b.py: the plugin is gone"
    )
    home.device_file.write_text("", "utf-8")
    registries = plugins.load({})
    assert registries.origins == {}
    assert "plugins are off" in str(registries.absent["momentum"])


def test_a_plugin_that_ended_the_process_is_left_out_until_its_trial(home: Home) -> None:
    add_plugins(home, {"a.py": momentum(), "b.py": filter_text("one")})
    load_catalogue(home)
    breakers = BreakerStore(home)
    breakers.signal("plugins/a.py", Signal.CRASH, "the planner's process ended by SIGSEGV")
    registries = ProcessPlugins(home, BreakerStore(home)).load({})
    assert registries.origins == {"filters.one": "plugins/b.py"}
    reason = registries.reason_of_absence(ModuleKind.OPPORTUNITY, "momentum")
    assert reason is not None
    assert "left out for a while: the planner's process ended by SIGSEGV" in reason
    later = BreakerStore(home, monotonic=lambda: 1e9)
    later.breakers.store(BreakerStore(home).breakers.of("plugins/a.py"))
    breakers.signal("plugins/a.py", Signal.RESET)
    assert "momentum" in ProcessPlugins(home, BreakerStore(home)).load({}).opportunity_calculators


def test_a_load_that_works_after_a_crash_closes_the_breaker(home: Home) -> None:
    add_plugins(home, {"a.py": momentum()})
    load_catalogue(home)
    clock_s = [0.0]
    breakers = BreakerStore(home, monotonic=lambda: clock_s[0])
    breakers.signal("plugins/a.py", Signal.CRASH, "it died")
    clock_s[0] = 1_000.0
    registries = ProcessPlugins(home, breakers).load({})
    assert "momentum" in registries.opportunity_calculators
    assert breakers.breakers.of("plugins/a.py").state is BreakerState.CLOSED


def test_an_excluded_plugin_is_left_out_with_the_reason(home: Home) -> None:
    add_plugins(home, {"a.py": momentum()})
    load_catalogue(home)
    registries = ProcessPlugins(home, BreakerStore(home)).load({"plugins/a.py": "it died"})
    assert registries.absent["momentum"] == "plugins/a.py: it died"
