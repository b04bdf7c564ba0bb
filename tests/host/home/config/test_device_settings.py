"""`device.toml`: defaults, and all errors at once with their places."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from host.appliance.night_dimmer import night_of
from host.display.lighting import Light, Night
from host.home.config.device_settings import (
    ButtonCommand,
    CarrierKind,
    DeviceConfig,
    load_device_config,
)
from host.home.home import Home
from host.home.storage.problems import ConfigFileError


def load(folder: Path, text: str) -> DeviceConfig:
    (folder / "device.toml").write_text(text, encoding="utf-8")
    return load_device_config(Home(folder))


def test_without_a_file_or_with_a_comment_alone_the_defaults_hold(tmp_path: Path) -> None:
    assert load_device_config(Home(tmp_path)) == DeviceConfig()
    assert load(tmp_path, "# nothing\n") == DeviceConfig()


def test_every_key_can_be_set(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        [link]
        carrier = "router"
        port = "/dev/ttyS0"
        baud = 115200
        socket = "/run/router.sock"
        [display]
        brightness = 3
        night = "off_but_faults"
        night_from = "23:30"
        night_to = "06:15"
        night_brightness = 1
        time_zone = "Europe/Zurich"
        [buttons]
        short = "next_page"
        double = "nothing"
        hold = "plan"
        long_hold = "next_bucket"
        double_window_ms = 0
        hold_ms = 800
        long_hold_ms = 3000
        [limits]
        press_age_s = 5
        plan_deadline_s = 90.5
        """,
    )
    assert config.link.port == "/dev/ttyS0"
    assert (config.link.carrier, config.link.socket) == (CarrierKind.ROUTER, "/run/router.sock")
    assert night_of(config.display) == Night(
        Light.OFF_BUT_FAULTS, time(23, 30), time(6, 15), ZoneInfo("Europe/Zurich")
    )
    assert config.buttons.hold is ButtonCommand.PLAN
    assert config.limits.plan_deadline_s == 90.5
    assert len(config.model_dump()["buttons"]) == 7


def test_all_errors_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError) as caught:
        load(
            tmp_path,
            '[link]\nprot = "/dev/ttyS0"\n[buttons]\nshort = "dance"\n[display]\nbrightness = 16\n',
        )
    lines = [line.rpartition("device.toml:")[2] for line in caught.value.lines]
    assert [line.split(": ")[0] for line in lines] == ["2:1", "4:1", "6:1"]
    assert "did you mean `port`" in lines[0]
    assert "next_bucket" in lines[1]
    assert "<= 15" in lines[2]


def test_times_that_make_a_gesture_impossible_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match="have to increase"):
        load(tmp_path, "[buttons]\nhold_ms = 6000\n")


@pytest.mark.parametrize("text", ["[limits]\npress_age_s = nan\n", "[link]\nport = 5\n", "x = 1\n"])
def test_what_is_no_setting_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigFileError):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('night = "dark"', "allowed: full, dim, off, off_but_faults"),
        ('night_from = "24:00"', "such as \"22:00\", found '24:00'"),
        ('night_to = "7:00"', "such as \"22:00\", found '7:00'"),
        ("night_to = 07:00:00", "write it in quotes"),
        ('time_zone = "Europe/Berln"', "did you mean `Europe/Berlin`"),
        ('time_zone = "../../etc/passwd"', "a name such as `Europe/Berlin`"),
        ('time_zone = "Europe"', "has to be a time zone"),
        ("night_brightness = 16", "<= 15"),
    ],
)
def test_what_is_wrong_with_a_night_is_said_with_its_place_and_what_is_right(
    tmp_path: Path, line: str, part: str
) -> None:
    with pytest.raises(ConfigFileError) as caught:
        load(tmp_path, f"[display]\n{line}\n")
    (problem,) = caught.value.lines
    assert "device.toml:2:1: " in problem
    assert part in problem
