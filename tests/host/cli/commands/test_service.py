"""`trader service`: what it writes, and what it says of what is there."""

from __future__ import annotations

from pathlib import Path

from tests.host.conftest import Trader

HOME = "/home/pi/.arduino-trader"
INSTALL = ("--home", HOME, "service", "install", "--for", "pi")
STATUS = ("--home", HOME, "service", "status", "--for", "pi")
TEMPLATE = "etc/systemd/system/arduino-trader@.service"
PATHS = "etc/systemd/system/arduino-trader@pi.service.d/paths.conf"


def test_install_writes_the_files_and_names_the_commands_that_start_it(
    trader: Trader, tmp_path: Path
) -> None:
    result = trader(*INSTALL, "--root", tmp_path)
    assert result.code == 0
    assert result.out.splitlines()[:2] == [
        f"wrote {tmp_path}/{TEMPLATE}",
        f"wrote {tmp_path}/{PATHS}",
    ]
    assert "systemctl daemon-reload" in result.out
    assert "systemctl enable --now arduino-trader@pi" in result.out
    assert f'BindPaths="{HOME}"' in (tmp_path / PATHS).read_text("utf-8")
    assert (tmp_path / TEMPLATE).stat().st_mode & 0o777 == 0o644


def test_a_dry_run_shows_the_same_and_writes_nothing(trader: Trader, tmp_path: Path) -> None:
    shown = trader(*INSTALL, "--root", tmp_path, "--dry-run").out
    assert list(tmp_path.iterdir()) == []
    trader(*INSTALL, "--root", tmp_path)
    for name in (TEMPLATE, PATHS):
        assert (tmp_path / name).read_text("utf-8") in shown


def test_status_tells_missing_current_and_different(trader: Trader, tmp_path: Path) -> None:
    missing = trader(*STATUS, "--root", tmp_path, "--json")
    assert missing.code == 1
    assert set(missing.json["files"].values()) == {"missing"}
    trader(*INSTALL, "--root", tmp_path)
    current = trader(*STATUS, "--root", tmp_path, "--json")
    assert current.code == 0
    assert set(current.json["files"].values()) == {"current"}
    with (tmp_path / TEMPLATE).open("a", encoding="utf-8") as file:
        file.write("# edited\n")
    differs = trader(*STATUS, "--root", tmp_path)
    assert differs.code == 1
    assert differs.out.startswith(f"differs  {tmp_path}/{TEMPLATE}")
    assert "-> trader service install" in differs.out


def test_a_file_of_ones_own_in_the_drop_in_folder_survives_an_install(
    trader: Trader, tmp_path: Path
) -> None:
    trader(*INSTALL, "--root", tmp_path)
    own = (tmp_path / PATHS).with_name("own.conf")
    own.write_text("[Service]\nWatchdogSec=60\n", encoding="utf-8")
    trader(*INSTALL, "--root", tmp_path)
    assert own.read_text("utf-8") == "[Service]\nWatchdogSec=60\n"


def test_a_service_without_root_is_written_for_the_users_own_manager(
    trader: Trader, tmp_path: Path
) -> None:
    result = trader(*INSTALL, "--user", "--root", tmp_path)
    unit = tmp_path / ".config/systemd/user/arduino-trader.service"
    assert result.code == 0
    assert f'Environment="ARDUINO_TRADER_HOME={HOME}"' in unit.read_text("utf-8")
    assert "\nUser=" not in unit.read_text("utf-8")
    assert "systemctl --user enable --now arduino-trader" in result.out
    assert "enable-linger pi" in result.out


def test_where_it_may_not_write_it_says_so_in_a_line(trader: Trader, tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("in the way", encoding="utf-8")
    result = trader(*INSTALL, "--root", tmp_path)
    assert result.code == 1
    assert len(result.err.splitlines()) == 1


def test_an_unknown_user_is_a_wrong_command_line(trader: Trader, tmp_path: Path) -> None:
    result = trader("--home", HOME, "service", "install", "--for", "no such", "--root", tmp_path)
    assert result.code == 2
    assert "is not a user name" in result.err


def test_a_user_that_is_not_of_this_computer_gets_no_unit_on_it(trader: Trader) -> None:
    install = ("--home", HOME, "service", "install", "--for", "nobody-here", "--dry-run")
    result = trader(*install)
    assert result.code == 2
    assert "there is no user nobody-here here" in result.err


def test_status_tells_when_planning_may_take_more_than_the_unit_allows(
    trader: Trader, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    status = ("--home", str(home), "service", "status", "--for", "pi", "--root", str(tmp_path))
    assert "plan_memory_mb" not in trader(*status).out, "the default fits"
    device = home / "device.toml"
    device.write_text("[web]\nenabled = true\n", encoding="utf-8")
    assert "plan_memory_mb" not in trader(*status).out, "the default fits, with the API too"
    device.write_text("[web]\nenabled = true\n[limits]\nplan_memory_mb = 300\n", encoding="utf-8")
    assert "(300) plus 280 MB for daemon, planner and API exceed" in trader(*status).out
    device.write_text("[limits]\nplan_memory_mb = 500\n", encoding="utf-8")
    assert "plan_memory_mb (500) plus 110 MB for daemon and planner exceed" in trader(*status).out
    message = trader(*status, "--json").json
    assert message["memory_problem"].endswith("576 MB that the unit allows")
