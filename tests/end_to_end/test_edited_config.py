"""A configuration edited over SSH while the appliance runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.home.backup.backup import create_backup
from host.home.backup.restore import restore_backup
from host.home.config.load import open_history
from host.home.home import Home
from host.home.storage.instance_lock import InstanceError
from tests.end_to_end.promises import assert_promises, of_type, quick, small_home, wait_until
from tools.chaos.promises import plan_files


def test_a_good_edit_goes_live_and_a_bad_one_never_does(tmp_path: Path) -> None:
    root = small_home(tmp_path)
    home = Home(root)
    home.buckets_dir.mkdir()
    file = home.bucket_file("core")
    file.write_text("max_plan_depth = 3\n")
    with quick(root) as appliance:
        wait_until(lambda: len(of_type(root, "ConfigurationChanged")) == 1, appliance)

        new = file.with_name("core.toml~")  # as editors save that rename
        new.write_text("# reason: shorter\nmax_plan_depth = 2\n")
        new.rename(file)
        wait_until(lambda: len(of_type(root, "ConfigurationChanged")) == 2, appliance)

        file.write_text("max_plan_depth = 2\nmax_plan_depht = 99\n")
        wait_until(lambda: bool(of_type(root, "ConfigurationRejected")), appliance)
        appliance.press()
        appliance.wait_for("daemon", "PlanStored")
        appliance.stop_daemon()
    assert_promises(root)
    (rejected,) = of_type(root, "ConfigurationRejected")
    assert "core.toml:2:1: max_plan_depht" in str(rejected.data["problems"])
    active = open_history(home, "core").active()
    assert active is not None
    assert (active.meta.version, active.meta.reason) == (2, "shorter")


def test_a_start_clears_up_what_a_crash_left(tmp_path: Path) -> None:
    root = small_home(tmp_path)
    home = Home(root)
    history = open_history(home, "core")
    for depth in (3, 4):
        history.commit(b"max_plan_depth = %d\n" % depth, reason="before the crash")
    os.truncate(home.config_history_dir("core") / "000002.toml", 50)
    home.buckets_dir.mkdir()
    home.bucket_file("core").write_text("max_plan_depth = 3\n")
    for folder in (home.config_history_dir("core"), home.buckets_dir, home.plans_dir("core")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".tmp-1-0123456789ab").write_bytes(b"half")
    with quick(root) as appliance:
        wait_until(lambda: bool(of_type(root, "ConfigHistoryRepaired")), appliance)
        appliance.press()
        appliance.wait_for("daemon", "PlanStored")
        appliance.stop_daemon()
    assert_promises(root)
    (repaired,) = of_type(root, "ConfigHistoryRepaired")
    assert (repaired.bucket_id, repaired.data["config_version"]) == ("core", 1)
    assert "000002.toml: damaged" in str(repaired.data["problems"])
    assert list(root.rglob(".tmp-*")) == []
    assert history.problems() == []


def test_a_backup_of_a_home_in_use_is_whole_and_is_not_put_back_over_it(tmp_path: Path) -> None:
    root = small_home(tmp_path / "home")
    with quick(root) as appliance:
        for number in range(2):
            appliance.press()
            wait_until(lambda n=number: len(of_type(root, "PlanStored")) > n, appliance)  # type: ignore[misc]
            create_backup(Home(root), tmp_path / f"{number}.zip")
        with pytest.raises(InstanceError, match="stop it with"):
            restore_backup(tmp_path / "0.zip", root, replace=True)
        appliance.stop_daemon()
    assert_promises(root)
    for number in range(2):
        again = restore_backup(tmp_path / f"{number}.zip", tmp_path / f"home{number}").root
        assert_promises(again)
        assert len(plan_files(again)) == number + 1
