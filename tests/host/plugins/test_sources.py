"""Which plugins there are, and which files nobody may run."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from host.limits import PLUGIN_BYTES_MAX, PLUGINS_MAX
from host.plugins import sources
from host.plugins.sources import find_packages, folder_problem, read_plugin_files, select_plugins
from tests.host.plugins.plugin_files import folder_with, momentum


def problems(folder: Path) -> dict[str, str]:
    return {source.label: source.problem for source in read_plugin_files(folder)}


def test_files_are_read_in_order_and_tests_and_private_ones_are_no_plugins(tmp_path: Path) -> None:
    names = ("b.py", "a.py", "test_a.py", "_own.py", ".hidden.py", "note.txt", "a b.py")
    folder = folder_with(tmp_path, dict.fromkeys(names, momentum()))
    (folder / "folder.py").mkdir()
    plugins = read_plugin_files(folder)
    assert [source.label for source in plugins] == [
        "plugins/a.py",
        "plugins/b.py",
        "plugins/folder.py",
    ]
    assert plugins[0].data.decode() == momentum()
    assert plugins[0].names_in_text() == ("momentum",)
    assert [source.problem for source in plugins] == ["", "", "cannot be read: Is a directory"]


def test_without_a_folder_there_are_no_plugins(tmp_path: Path) -> None:
    assert read_plugin_files(tmp_path / "plugins") == ()


def test_a_symbolic_link_is_refused_and_not_followed(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"real.py": momentum()})
    (folder / "link.py").symlink_to(folder / "real.py")
    plugins = {source.name: source for source in read_plugin_files(folder)}
    assert plugins["link"].problem.startswith("is a symbolic link")
    assert plugins["link"].data == b""


def test_a_pipe_in_place_of_a_file_is_refused_and_does_not_block(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {})
    os.mkfifo(folder / "pipe.py")
    assert problems(folder) == {"plugins/pipe.py": "is not a regular file"}


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_change_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    folder = folder_with(tmp_path, {"a.py": momentum()})
    (folder / "a.py").chmod(mode)
    (problem,) = problems(folder).values()
    assert problem == f"can be changed by other users: `chmod go-w {folder / 'a.py'}`"


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_folder_or_parent_that_others_can_change_refuses_all_files(
    tmp_path: Path, level: int
) -> None:
    folder = folder_with(tmp_path / "above" / "home", {"a.py": momentum(), "b.py": momentum()})
    open_folder = (folder, *folder.parents)[level]
    open_folder.chmod(0o775)
    cure = f"{open_folder} can be changed by other users: `chmod go-w {open_folder}`"
    assert set(problems(folder).values()) == {cure}
    open_folder.chmod(0o755)
    assert set(problems(folder).values()) == {""}


def test_the_sticky_folder_of_root_is_no_danger(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"a.py": momentum()})
    if os.geteuid() == 0:
        tmp_path.chmod(0o1777)
    assert folder_problem(folder) == ""


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    real = folder_with(tmp_path / "elsewhere", {"a.py": momentum()})
    link = tmp_path / "plugins"
    link.symlink_to(real)
    assert "is a symbolic link" in problems(link)["plugins/a.py"]


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_with(tmp_path, {"a.py": momentum()})
    owner = os.geteuid()
    if owner == 0:  # root may give it away; root's own files are trusted by everybody
        os.chown(folder / "a.py", 4711, -1)
        owner = 4711
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert f"belongs to another user (number {owner})" in problems(folder)["plugins/a.py"]


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"a.py": "#" * PLUGIN_BYTES_MAX, "b.py": ""})
    (folder / "b.py").write_text("#" * (PLUGIN_BYTES_MAX + 1), "ascii")
    assert problems(folder) == {"plugins/a.py": "", "plugins/b.py": "is larger than 256 KB"}


def test_of_a_thousand_files_the_first_hundred_are_read(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {f"p{number:04}.py": "" for number in range(1_000)})
    plugins = read_plugin_files(folder)
    assert len(plugins) == PLUGINS_MAX + 1
    assert [source.name for source in plugins[:2]] == ["p0000", "p0001"]
    assert plugins[-1].problem.startswith("900 more files: at most 100 are loaded")


def test_only_the_names_of_device_toml_are_used(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"a.py": "", "b.py": ""})
    plugins = read_plugin_files(folder)
    assert [s.problem for s in select_plugins(plugins, ())] == ["", ""]
    a, b = select_plugins(plugins, ("b",))
    assert (a.problem, b.problem) == ("is not in `only` of [plugins] in device.toml", "")


def test_entry_points_of_packages_are_found_without_importing_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = EntryPoint("trend", "no_such_package.trend", sources.GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [entry])
    sources._packages_of.cache_clear()
    (package,) = find_packages()
    sources._packages_of.cache_clear()
    assert (package.name, package.label, package.problem) == ("trend", "? ? (trend)", "")
