"""The plugins of a home: allowed, described, remembered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from host.home.config import plugin_catalogue
from host.home.config.plugin_catalogue import FILE_NAME, PluginCatalogue, load_catalogue
from host.home.home import Home
from host.plugins import inspection
from host.plugins.description import PluginDescription
from host.plugins.inspection import InspectionLimits
from host.plugins.sources import PluginSource
from planner_core.model.module_metadata import ModuleKind
from planner_core.modules.builtin import builtin_registries
from tests.host.plugins.plugin_files import add_plugins, filter_text, momentum, needs


@pytest.fixture
def home(tmp_path: Path) -> Home:
    root = tmp_path / "home"
    root.mkdir()
    return Home(root)


@pytest.fixture
def inspections(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The labels of each inspection."""
    calls: list[list[str]] = []
    inspect = inspection.inspect_plugins

    def counted(
        folder: Path, sources: Sequence[PluginSource], limits: InspectionLimits | None
    ) -> list[PluginDescription]:
        calls.append([source.label for source in sources])
        return inspect(folder, sources, limits)

    monkeypatch.setattr(inspection, "inspect_plugins", counted)
    return calls


def statuses(catalogue: PluginCatalogue) -> dict[str, str]:
    return {report.label: report.status.value for report in catalogue.reports}


def test_without_plugins_the_modules_are_those_of_the_planner(home: Home) -> None:
    catalogue = load_catalogue(home)
    assert catalogue.reports == ()
    assert catalogue.registries is builtin_registries()


def test_plugins_are_off_and_run_nothing_until_they_are_switched_on(
    home: Home, inspections: list[list[str]]
) -> None:
    mark = home.root / "ran"
    text = f"open({str(mark)!r}, 'w').close()\n{momentum()}"
    add_plugins(home, {"a.py": text}, enabled=False)
    catalogue = load_catalogue(home)
    assert catalogue.off == ("plugins/a.py",)
    assert not mark.exists()
    assert inspections == []
    reason = catalogue.registries.reason_of_absence(ModuleKind.OPPORTUNITY, "momentum")
    assert reason is not None
    assert reason.startswith("plugins/a.py: plugins are off (write `enabled = true` below")
    add_plugins(home, {})
    catalogue = load_catalogue(home)
    assert mark.exists()
    assert catalogue.off == ()
    assert statuses(catalogue) == {"plugins/a.py": "ready"}
    assert catalogue.registries.origins == {"opportunity_calculators.momentum": "plugins/a.py"}


def test_a_wrong_device_toml_keeps_them_off_and_is_the_reason(home: Home) -> None:
    add_plugins(home, {"a.py": momentum()})
    home.device_file.write_text("[plugins]\nenabled = 1\n", "utf-8")
    catalogue = load_catalogue(home)
    assert statuses(catalogue) == {"plugins/a.py": "off"}
    assert "device.toml:2" in catalogue.reports[0].why


def test_a_description_is_kept_until_the_file_changes(
    home: Home, inspections: list[list[str]]
) -> None:
    add_plugins(home, {"a.py": momentum(), "b.py": filter_text("one")})
    first = load_catalogue(home)
    assert load_catalogue(home) is first
    plugin_catalogue._MEMO.entry = None
    assert statuses(load_catalogue(home)) == statuses(first)
    assert inspections == [["plugins/a.py", "plugins/b.py"]]
    add_plugins(home, {"b.py": filter_text("one", version="2.0.0")})
    report = load_catalogue(home).reports[1]
    assert report.modules == (("filters.one", "2.0.0"),)
    assert inspections[1:] == [["plugins/b.py"]]


def test_an_error_is_kept_for_a_while_and_tried_again_on_request(
    home: Home, inspections: list[list[str]]
) -> None:
    add_plugins(home, {"a.py": "import missing_for_now"})
    for _ in range(2):
        assert statuses(load_catalogue(home)) == {"plugins/a.py": "failed"}
    assert len(inspections) == 1
    load_catalogue(home, retry=True)
    assert len(inspections) == 2
    path = home.state_dir / FILE_NAME
    record = json.loads(path.read_text("utf-8"))
    record["plugins"][0]["inspected_at"] = "2020-01-01T00:00:00+00:00"
    path.write_text(json.dumps(record), "utf-8")
    load_catalogue(home)
    assert len(inspections) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 1}', "null"])
def test_a_damaged_file_of_descriptions_is_made_again(
    home: Home, inspections: list[list[str]], text: str
) -> None:
    add_plugins(home, {"a.py": momentum()})
    home.state_dir.mkdir()
    (home.state_dir / FILE_NAME).write_text(text, "utf-8")
    assert statuses(load_catalogue(home)) == {"plugins/a.py": "ready"}
    plugin_catalogue._MEMO.entry = None
    assert statuses(load_catalogue(home)) == {"plugins/a.py": "ready"}
    assert len(inspections) == 1


def test_a_home_that_cannot_be_written_has_its_plugins_all_the_same(home: Home) -> None:
    add_plugins(home, {"a.py": momentum()})
    home.state_dir.write_text("a file in place of the folder", "utf-8")
    assert statuses(load_catalogue(home)) == {"plugins/a.py": "ready"}


def test_a_file_that_others_can_change_is_refused_and_not_run(
    home: Home, inspections: list[list[str]]
) -> None:
    add_plugins(home, {"a.py": momentum(), "b.py": filter_text("one")})
    (home.plugins_dir / "a.py").chmod(0o666)
    catalogue = load_catalogue(home)
    assert statuses(catalogue) == {"plugins/a.py": "refused", "plugins/b.py": "ready"}
    assert list(catalogue.problems) == ["plugins/a.py"]
    assert inspections == [["plugins/b.py"]]
    reason = catalogue.registries.reason_of_absence(ModuleKind.OPPORTUNITY, "momentum")
    assert reason is not None
    assert "can be changed by other users" in reason


def test_one_bad_plugin_is_one_problem_and_the_others_are_ready(home: Home) -> None:
    files = {
        "a.py": momentum(),
        "b.py": "raise ValueError",
        "c.py": filter_text("one", needs=needs("two")),
        "d.py": filter_text("three", needs=needs("diversity", ">=1")),
    }
    catalogue = load_catalogue(add_plugins(home, files))
    assert set(catalogue.problems) == {"plugins/b.py", "plugins/c.py"}
    assert catalogue.ready == ("plugins/a.py", "plugins/d.py")
    assert catalogue.problems["plugins/c.py"].startswith("filters.one needs filters.two: there is")


def test_the_names_of_a_plugin_that_is_gone_are_remembered(home: Home) -> None:
    add_plugins(home, {"a.py": momentum(), "b.py": filter_text("one")})
    load_catalogue(home)
    (home.plugins_dir / "a.py").unlink()
    kind = ModuleKind.OPPORTUNITY
    catalogue = load_catalogue(home)
    assert catalogue.registries.reason_of_absence(kind, "momentum") == (
        "plugins/a.py: the plugin is gone"
    )
    home.device_file.write_text("", "utf-8")
    reason = load_catalogue(home).registries.reason_of_absence(kind, "momentum")
    assert reason is not None
    assert "plugins are off" in reason


def test_a_link_in_the_folder_is_never_followed(home: Home, tmp_path: Path) -> None:
    secret = tmp_path / "elsewhere.py"
    secret.write_text(momentum(), "utf-8")
    add_plugins(home, {})
    (home.plugins_dir / "a.py").symlink_to(secret)
    assert statuses(load_catalogue(home)) == {"plugins/a.py": "refused"}


def test_a_plugin_that_there_was_no_time_for_is_tried_by_the_next_command(
    home: Home, inspections: list[list[str]]
) -> None:
    hangs = "import time\ntime.sleep(600)"
    add_plugins(home, {"a.py": hangs, "b.py": momentum()})
    first = load_catalogue(home, limits=InspectionLimits(load_s=60.0, total_s=12.0))
    assert "all plugins together" in first.problems["plugins/b.py"]
    second = load_catalogue(home)
    assert second.ready == ("plugins/b.py",)
    assert inspections[1] == ["plugins/b.py"], "the one that hangs is not tried again at once"
