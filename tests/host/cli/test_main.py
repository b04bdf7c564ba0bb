"""The command `trader`, as its user meets it: words, streams, exit codes, start-up."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from host.cli import main as cli
from host.cli.arguments import CONFIGURE
from host.cli.commands import plan as plan_command
from host.cli.main import COMMANDS
from host.cli.parser import LineParser
from host.home.home import Home
from tests.host.conftest import Trader

TRADER = Path(sys.executable).parent / "trader"
HEAVY = ("numpy", "pydantic", "rich", "tomlkit", "msgpack", "serial", "asyncio", "tomli")


def process(*arguments: object, **settings: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
    command = [str(TRADER), *(str(argument) for argument in arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, **settings
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from host.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.stderr.strip() == "[]"
    assert "usage: trader" in result.stdout


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_the_help_of_every_command_imports_nothing_heavy(command: str) -> None:
    code = (
        "import sys; from host.cli.main import main\n"
        f"try: main([{command!r}, '--help'])\n"
        "except SystemExit as stopped: assert stopped.code == 0\n"
        "print([name for name in ('numpy', 'pydantic', 'rich') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.stdout.splitlines()[-1] == "[]", result.stderr


def runs_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return what a command and its actions run, as `module.function`."""
    runs = {parser.get_default("run")}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                runs |= runs_of(child)
    return runs - {None}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_summary_a_description_and_functions_that_run_it(
    command: cli.Command,
) -> None:
    configure = CONFIGURE[command.name]
    assert configure.__doc__
    assert len(command.summary) < 70
    parser = LineParser(prog=f"trader {command.name}")
    configure(parser)
    runs = runs_of(parser)
    assert runs
    for run in runs:
        module, _, function = run.partition(".")
        assert callable(getattr(importlib.import_module(f"host.cli.commands.{module}"), function))


def test_every_command_has_its_arguments() -> None:
    assert list(CONFIGURE) == [command.name for command in COMMANDS]


def test_help_lists_every_command_and_the_exit_codes(trader: Trader) -> None:
    result = trader("--help")
    assert result.code == 0
    assert all(f"  {command.name} " in result.out for command in COMMANDS)
    assert "0 done    1 failed" in result.out
    assert max(map(len, result.out.splitlines())) <= 90


def test_the_version_is_that_of_the_package(trader: Trader) -> None:
    assert trader("--version").out.startswith("trader 0.")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["pla"], "trader: no command `pla` (did you mean `plan`?)"),
        (["zzz"], "trader: no command `zzz` (commands: init, "),
        (["--verbose", "plan"], "trader: unrecognized arguments: --verbose (see `trader --help`)"),
        (["plan"], "trader plan: the following arguments are required: BUCKET"),
        (["plan", "core", "--jso"], "trader plan: unrecognized arguments: --jso"),
        (
            ["plan", "core", "--as-of", "28.12."],
            "'28.12.' is not a date (write it like 2022-12-28)",
        ),
        (["plan", "core", "--home"], "trader plan: argument --home: expected one argument"),
        (["--home"], "trader: argument --home: expected one argument"),
        (["config"], "trader config: which ACTION? check, show, log, "),
        (["config", "chek"], "trader config: argument ACTION: invalid choice: 'chek'"),
        (["PLAM", "core"], "trader: no command `PLAM` (did you mean `plan`?)"),
        (["board", "monitor", "--count", "x"], "'x': must be a number from 1 to 1000000"),
        (["board", "monitor", "--count", "1" * 5_000], "must be a number from 1 to 1000000"),
        (
            ["board", "monitor", "--seconds", "1m"],
            "'1m': must be a number of seconds, more than 0 and",
        ),
        (
            ["board", "monitor", "--seconds", "nan"],
            "'nan': must be a number of seconds, more than 0",
        ),
        (["modules", "show", "profit_takin"], "did you mean `profit_taking`?"),
        (["modules", "show", "zzzz"], "`trader modules list` shows them"),
        (["plan", "core"], "no trader home found here (run: trader init"),
        (["plan", "../etc"], "is not a bucket id"),
        (["config", "check"], "no trader home found here (run: trader init"),
        (["config", "show", "core"], "no trader home found here"),
    ],
)
def test_a_wrong_command_line_is_answered_with_one_line_and_exit_code_2(
    trader: Trader,
    arguments: list[str],
    line: str,
) -> None:
    result = trader(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.count("\n") == 1
    assert line in result.err


def test_without_a_command_the_help_is_shown_as_an_error(trader: Trader) -> None:
    result = trader()
    assert (result.code, result.out) == (2, "")
    assert "commands:" in result.err


@pytest.mark.parametrize(
    "line",
    [
        *("plan core", "dry-run core", "dismiss core", "refuse core --list", "metrics", "run"),
        *("config check", "config show core", "config verify", "events tail", "events verify"),
        *("events export -", "breakers", "breakers reset all", "metrics core", "demo --once"),
        *("board info", "board monitor", "board test --unattended"),
    ],
)
def test_a_home_that_cannot_be_read_is_answered_with_one_line_by_every_command(
    trader: Trader, tmp_path: Path, line: str
) -> None:
    home = tmp_path / "home"
    home.symlink_to(home)  # so that neither root may look into it
    result = trader(*line.split(), "--home", home)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert result.err.startswith(str(home))
    assert "cannot be read" in result.err


def test_a_demo_whose_daemon_ends_tells_its_last_words(trader: Trader, own_home: Home) -> None:
    own_home.state_dir.mkdir(exist_ok=True)
    (own_home.state_dir / "daemon.lock").mkdir()
    result = trader("demo", "--once", "--home", own_home.root)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(
        f"the daemon ended: {own_home.state_dir}/daemon.lock: cannot be opened"
    )


def test_help_as_a_command_is_the_option(trader: Trader) -> None:
    assert trader("help") == trader("--help")
    assert trader("help", "events", "tail") == trader("events", "tail", "--help")
    assert "did you mean `plan`?" in trader("help", "plam").err


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_ends_with_examples_that_its_own_parser_takes(
    trader: Trader, command: cli.Command
) -> None:
    parser = LineParser(prog=f"trader {command.name}")
    CONFIGURE[command.name](parser)
    result = trader(command.name, "--help").out.partition("\nexamples:\n")[2]
    lines = [line.partition("#")[0].split() for line in result.splitlines()]
    assert lines
    for line in lines:
        assert line[:2] == ["trader", command.name]
        parser.parse_args(line[2:])


def test_the_help_of_an_action_says_what_it_does_and_has_its_own_examples(trader: Trader) -> None:
    result = trader("events", "verify", "--help").out
    assert "Look for edits, gaps and a lost end." in result
    assert "  trader events verify  # was anything edited or lost?" in result
    assert "events tail" not in result
    indented = "\n    `install` writes the unit files"
    assert indented not in trader("service", "status", "--help").out


def test_an_unknown_bucket_is_answered_with_the_nearest_and_with_all(
    trader: Trader, demo_home: Home
) -> None:
    for command in (["plan"], ["config", "check"], ["config", "show"]):
        result = trader(*command, "satelite_a", "--home", demo_home.root)
        assert result.code == 2
        assert "did you mean `satellite_a`? Buckets: core, satellite_a" in result.err


def test_a_bucket_whose_portfolio_is_no_file_is_not_called_unknown(
    trader: Trader, own_home: Home
) -> None:
    path = own_home.portfolio_file("core")
    path.unlink()
    path.mkdir()
    result = trader("plan", "core", "--home", own_home.root)
    assert (result.code, result.out) == (2, "")
    assert result.err == f"{path}: not a file (put the portfolio there, or remove it)\n"
    result = trader("plan", "zzz", "--home", own_home.root)
    assert result.err == f"no bucket 'zzz' in {own_home.root} (Buckets: satellite_a)\n"


def test_an_interrupt_is_one_line_and_exit_code_130(
    trader: Trader,
    demo_home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plan_command, "make_plan", interrupted)
    result = trader("plan", "core", "--home", demo_home.root)
    assert (result.code, result.err) == (130, "trader: interrupted\n")


@pytest.mark.parametrize(
    ("where", "code", "message"),
    [
        ("> /dev/full", 1, "trader: the output cannot be written: No space left on device\n"),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
    ],
)
def test_output_that_cannot_be_written_is_told_in_a_line(
    where: str, code: int, message: str
) -> None:
    result = subprocess.run(
        ["bash", "-c", f"{TRADER} modules list {where}"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (result.returncode, result.stdout, result.stderr) == (
        code,
        "",
        message,
    )


@pytest.mark.parametrize("arguments", ["modules list", "modules list --json", "--help"])
def test_a_reader_that_goes_away_early_is_no_error(arguments: str) -> None:
    command = f"{TRADER} {arguments} | head -n 0; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.stderr == ""
    assert result.returncode in (0, 1, 128 + signal.SIGPIPE)


def test_output_survives_a_terminal_without_utf8(demo_home: Home) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = process("plan", "core", "--no-store", "--home", demo_home.root, env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert "Sell" in result.stdout


def test_no_color_and_pipes_get_no_colour_and_the_installed_command_works(demo_home: Home) -> None:
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color"}
    result = process("plan", "core", "--no-store", "--home", demo_home.root, env=environment)
    assert result.returncode == 0
    assert "\x1b" not in result.stdout
