"""The set-up script: quick when done, clear when something cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent.parent / "tools" / "bootstrap.sh"

# Stand-ins for the system, as shell functions: they come before any command of that name.
DEBIAN = "is_debian() { true; }; dpkg-query() { return 1; }; "
NO_DEBIAN = "is_debian() { false; }; "
USER = "root_prefix() { return 1; }; "
ROOT = 'root_prefix() { echo ""; }; '


def bash(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"source {SCRIPT}; {program}"],
        check=False,
        capture_output=True,
        text=True,
        env={**{k: v for k, v in os.environ.items() if k not in {"CI", "PYTHON"}}, **environment},
    )


def test_it_says_how_it_is_used() -> None:
    process = bash("take_turns() { true; }; main nonsense")
    assert process.returncode == 1
    assert process.stderr == "error: usage: tools/bootstrap.sh run|test|soak|bench\n"


def test_a_user_without_root_is_told_what_to_install_and_the_tests_go_on() -> None:
    process = bash(DEBIAN + USER + "ensure_test_packages")
    assert process.returncode == 0
    assert "sudo apt-get install gcc g++ make gcc-avr avr-libc" in process.stderr
    assert "will be skipped" in process.stderr


def test_ci_may_not_go_on_without_them() -> None:
    process = bash(DEBIAN + USER + "ensure_test_packages", CI="true")
    assert process.returncode == 1
    assert "error: CI needs these packages." in process.stderr


def test_the_long_tests_say_that_they_need_the_fuzzer() -> None:
    process = bash(DEBIAN + USER + "ensure_fuzzer")
    assert process.returncode == 1
    assert "sudo apt-get install clang libclang-rt-dev" in process.stderr
    assert process.stderr.endswith("error: the long tests need clang and its fuzzer.\n")


def test_another_system_is_told_the_names_that_debian_has() -> None:
    process = bash(NO_DEBIAN + "ensure_test_packages")
    assert process.returncode == 0
    assert "under the names that Debian gives them: gcc g++ make gcc-avr" in process.stderr


def test_package_lists_are_fetched_before_a_package_is_installed() -> None:
    fakes = 'env() { shift; "$@"; }; apt-get() { echo "apt-get $*" >>"$LOG"; }; '
    script = DEBIAN + ROOT + 'install_packages one two; cat "$LOG"'
    process = bash("LOG=$(mktemp); " + fakes + script)
    assert process.stdout.splitlines() == [
        "apt-get update -qq",
        "apt-get install -qq -y --no-install-recommends one two",
    ]


def test_a_failing_installation_shows_what_apt_said() -> None:
    fakes = 'apt-get() { echo "no route"; return 100; }; '
    process = bash(fakes + DEBIAN + ROOT + "install_packages one")
    assert process.returncode == 1
    assert process.stderr.splitlines()[-2:] == ["no route", "apt-get could not install: one "]


def test_nothing_is_installed_when_all_is_there() -> None:
    fakes = "is_debian() { true; }; dpkg-query() { echo installed; }; apt-get() { false; }; "
    assert bash(fakes + "install_packages gcc make").returncode == 0


def test_without_a_usable_python_the_message_names_what_to_do() -> None:
    process = bash(NO_DEBIAN + "is_usable_python() { false; }; ensure_python")
    assert process.returncode == 1
    assert "No Python 3.11 or newer with venv and pip was found." in process.stderr
    assert "(Debian: python3-venv), or set PYTHON" in process.stderr


@pytest.mark.parametrize(("oldest", "usable"), [("3.11", True), ("3.99", False)])
def test_a_python_that_is_too_old_is_not_used(oldest: str, usable: bool) -> None:
    process = bash(f"OLDEST_PYTHON={oldest}; is_usable_python {sys.executable}")
    assert (process.returncode == 0) is usable


def test_an_installation_is_current_until_its_lock_or_its_folder_changes(tmp_path: Path) -> None:
    lock, stamp = tmp_path / "lock", tmp_path / "stamp"
    lock.write_text("one\n")
    current = f"is_current {stamp} {lock}"
    assert bash(current).returncode == 1
    assert bash(f"stamp_text {lock} > {stamp}; {current}").returncode == 0
    assert bash(f"cd /; {current}").returncode == 1
    lock.write_text("two\n")
    assert bash(current).returncode == 1


@pytest.mark.parametrize(
    ("requested", "installed", "largest"),
    [
        ("run", [], "run"),
        ("run", ["dev"], "dev"),
        ("run", ["bench"], "bench"),
        ("run", ["dev", "soak"], "soak"),
        ("soak", ["dev"], "soak"),
        ("soak", ["soak", "bench"], "bench"),
        ("bench", ["soak"], "bench"),
        ("dev", ["run"], "dev"),
        ("dev", ["dev", "bench"], "bench"),
        ("bench", ["dev"], "bench"),
    ],
)
def test_a_smaller_set_never_takes_away_a_larger_one(
    requested: str, installed: list[str], largest: str, tmp_path: Path
) -> None:
    for name in installed:
        (tmp_path / f"stamp-{name}").touch()
    assert bash(f"VENV={tmp_path}; largest_set {requested}").stdout == f"{largest}\n"
