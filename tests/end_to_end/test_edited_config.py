"""A configuration edited over SSH while the appliance runs."""

from __future__ import annotations

from pathlib import Path

from host.configuration.active import open_history
from host.files.home import Home
from tests.end_to_end.promises import assert_promises, of_type, quick, small_home, wait_until


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
