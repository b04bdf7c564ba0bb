"""Loading a bucket's configuration: the edited file, and the version in force."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from host.errors import LostUpdateError
from host.home.config.load import (
    commit_edit,
    load_active,
    load_config_file,
    load_uncommitted,
    open_history,
    read_edit_base,
    replace_config,
)
from host.home.home import Home, create_home
from host.home.storage.toml_file import ConfigFileError
from planner_core.modules.registry import Registries
from tests.host.small_home import small_home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = small_home(tmp_path / "home")
    home.buckets_dir.mkdir()
    write(home, "max_plan_depth = 3\n")
    return home


def write(home: Home, text: str) -> None:
    home.bucket_file("core").write_bytes(text.encode())


def reasons(home: Home) -> list[str]:
    return [stored.meta.reason for stored in open_history(home, "core").newest_first()]


def test_an_edit_is_committed_once_with_its_reason(home: Home) -> None:
    assert commit_edit(home, "core").version == 1
    assert commit_edit(home, "core").version == 1
    write(home, "# reason: shorter plans\r\nmax_plan_depth = 2\r\n")
    loaded = commit_edit(home, "core")
    assert (loaded.version, loaded.config.max_plan_depth) == (2, 2)
    stored = open_history(home, "core").read(2)
    assert (stored.data, stored.meta.sha256) == (
        home.bucket_file("core").read_bytes(),
        loaded.sha256,
    )
    write(home, "# reason: shorter plans\nmax_plan_depth = 1\n")
    commit_edit(home, "core")
    assert reasons(home) == ["edited on disk", "shorter plans", "first version"]


@pytest.mark.parametrize("bad", [b"", b"max_plan_depth = 99\n", b"\xff", b"x = [\n"])
def test_a_bad_edit_never_goes_live(home: Home, bad: bytes) -> None:
    commit_edit(home, "core")
    home.bucket_file("core").write_bytes(bad)
    with pytest.raises(ConfigFileError):
        commit_edit(home, "core")
    active = load_active(home, "core")
    assert (active.version, active.config.max_plan_depth) == (1, 3)
    home.bucket_file("core").unlink()
    assert load_active(home, "core").version == 1


def test_an_edit_is_not_active_before_it_is_committed(home: Home) -> None:
    commit_edit(home, "core")
    write(home, "max_plan_depth = 2\n")
    assert load_active(home, "core").config.max_plan_depth == 3
    assert (
        load_uncommitted(home, "core").version,
        load_uncommitted(home, "core").config.max_plan_depth,
    ) == (0, 2)
    assert len(reasons(home)) == 1


def test_without_any_version_the_file_is_active_and_a_bad_one_is_refused(home: Home) -> None:
    assert load_active(home, "core").version == 0
    write(home, "nothing = 1\n")
    with pytest.raises(ConfigFileError, match="nothing"):
        load_active(home, "core")


def test_a_version_that_no_longer_loads_gives_way_to_an_older_one(home: Home) -> None:
    commit_edit(home, "core")
    open_history(home, "core").commit(b"from_the_future = 1\n", reason="other planner")
    assert load_active(home, "core").version == 1


def test_a_command_replaces_file_and_version_together(home: Home) -> None:
    commit_edit(home, "core")
    base = read_edit_base(home, "core")
    meta = replace_config(home, "core", "max_plan_depth = 4\n", reason="deeper", base=base)
    assert home.bucket_file("core").read_text() == "max_plan_depth = 4\n"
    assert commit_edit(home, "core").version == meta.version == 2


def test_a_command_never_writes_over_an_edit_or_a_version_that_came_meanwhile(home: Home) -> None:
    commit_edit(home, "core")
    base = read_edit_base(home, "core")
    write(home, "max_plan_depth = 2\n")
    with pytest.raises(LostUpdateError, match=r"was edited meanwhile .*config commit core"):
        replace_config(home, "core", "max_plan_depth = 4\n", reason="deeper", base=base)
    commit_edit(home, "core")
    with pytest.raises(LostUpdateError, match="changed meanwhile: version 2"):
        replace_config(home, "core", "max_plan_depth = 4\n", reason="deeper", base=base)
    assert home.bucket_file("core").read_text() == "max_plan_depth = 2\n"


def test_a_command_that_began_with_an_edit_may_follow_its_commit(home: Home) -> None:
    commit_edit(home, "core")
    write(home, "max_plan_depth = 2\n")
    base = read_edit_base(home, "core")
    commit_edit(home, "core")
    meta = replace_config(home, "core", "max_plan_depth = 4\n", reason="deeper", base=base)
    assert (meta.version, meta.parent) == (3, 2)


def test_a_command_never_writes_what_the_loader_refuses(home: Home) -> None:
    commit_edit(home, "core")
    base = read_edit_base(home, "core")
    with pytest.raises(ConfigFileError):
        replace_config(home, "core", "max_plan_depth = 11\n", reason="deeper", base=base)
    assert load_active(home, "core").version == 1


def test_a_bad_edit_that_a_command_writes_over_is_kept_aside(home: Home) -> None:
    commit_edit(home, "core")
    write(home, "max_plan_depth = 99\n")
    replace_config(
        home, "core", "max_plan_depth = 4\n", reason="back", base=read_edit_base(home, "core")
    )
    (aside,) = home.config_history_dir("core").glob("edit.corrupt.*")
    assert aside.read_text() == "max_plan_depth = 99\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "core.toml"
    path.write_text(text)
    return path


def test_a_good_file_gives_its_settings_and_the_hash_of_its_bytes(tmp_path: Path) -> None:
    text = "# mine\nmax_plan_depth = 3\n[costs]\nfixed_cost = 1.5\n"
    path = written(tmp_path, text)
    loaded = load_config_file(path)
    assert loaded.config.max_plan_depth == 3
    assert loaded.config.costs.fixed_cost == 1.5
    assert loaded.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (loaded.version, loaded.path) == (0, path)


def test_every_problem_is_named_with_its_place_what_is_allowed_and_what_was_meant(
    tmp_path: Path,
) -> None:
    path = written(
        tmp_path,
        "max_plan_depth = 50\n"
        "[opportunity_calculators]\n"
        "profit_takin = true\n"
        "weight_based = { gap_mi = 1 }\n"
        "[costs]\n"
        'cost_bps = "many"\n'
        "[objectiv]\n"
        "a = 1\n",
    )
    with pytest.raises(ConfigFileError) as caught:
        load_config_file(path)
    places = [(problem.line, problem.column) for problem in caught.value.problems]
    assert places == [(1, 1), (3, 1), (4, 18), (6, 1), (7, 2)]
    lines = caught.value.lines
    assert all(line.startswith(f"{path}:") for line in lines)
    assert "found 50 (allowed: >= 1 and <= 10" in lines[0]
    assert "did you mean `profit_taking`?" in lines[1]
    assert "did you mean `gap_min`?" in lines[2]
    assert "'many'" in lines[3]
    assert "did you mean `objective`?" in lines[4]


def test_a_module_that_is_not_registered_here_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "[filters]\ndiversity = true\n")
    load_config_file(path)
    with pytest.raises(ConfigFileError, match="no such module"):
        load_config_file(path, Registries())


@pytest.mark.parametrize("demo", [False, True])
def test_the_configurations_we_ship_are_valid(tmp_path: Path, demo: bool) -> None:
    home = create_home(tmp_path / "home", demo=demo).home
    assert home.bucket_ids()
    for bucket in home.bucket_ids():
        load_config_file(home.bucket_file(bucket))
