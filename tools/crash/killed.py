"""kill -9 of every command that writes, at random moments: nothing acknowledged may be lost.

A kill cannot show a missing fsync, as the kernel still writes its buffers; `power_cut` shows that.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.home.backup.backup import create_backup
from host.home.config.load import open_history
from host.home.home import Home, create_home
from tools.crash.writers import BUCKET, CrashReport, check_home

PROGRAM: Final = """
import sys
{prelude}
from host.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
EARLIEST: Final = 0.4
LATEST: Final = 1.1
"""Kills fall between these fractions of a command's duration; before them Python starts."""


@dataclass(frozen=True, slots=True)
class Act:
    """A command that writes; `prepare` sets up its work and returns its arguments."""

    name: str
    prepare: Callable[[Path, int], list[str]]


def _edited(root: Path, number: int) -> None:
    text = f"# reason: {number}\nmax_plan_depth = {number % 9 + 1}\n" + "# more\n" * 1_000
    Home(root).bucket_file(BUCKET).write_text(text)


def _commit(root: Path, number: int) -> list[str]:
    _edited(root, number)
    return ["config", "commit", BUCKET, "--json"]


def _roll_back(root: Path, number: int) -> list[str]:
    _edited(root, number)
    first = next(iter(reversed(list(open_history(Home(root), BUCKET).newest_first()))))
    return ["config", "rollback", BUCKET, str(first.meta.version), "--yes", "--json"]


def _edit(root: Path, number: int) -> list[str]:
    editor = root.parent / "editor"
    editor.write_text(f'#!/bin/sh\necho "max_plan_depth = {number % 9 + 1} # {number}" > "$1"\n')
    editor.chmod(0o700)
    return ["config", "edit", BUCKET, "--yes", "--json"]


def _apply(_root: Path, number: int) -> list[str]:
    return ["preset", "apply", ("contrarian", "tax-aware")[number % 2], BUCKET, "--yes", "--json"]


def _save(_root: Path, number: int) -> list[str]:
    return ["preset", "save", BUCKET, f"mine-{number}", "--json"]


def _import(root: Path, number: int) -> list[str]:
    shipped = Path(__file__).parents[2] / "configs" / "presets" / "low-turnover.toml"
    text = shipped.read_text().replace('"low-turnover"', f'"imported-{number}"')
    file = root.parent / "import.toml"
    file.write_text(text)
    return ["preset", "import", str(file), "--json"]


STOCKS: Final = ("GE", "CVX", "WMT")
ACTS: Final = (
    Act("config commit", _commit),
    Act("config rollback", _roll_back),
    Act("config edit", _edit),
    Act("config verify", lambda _root, _number: ["config", "verify"]),
    Act("preset apply", _apply),
    Act("preset save", _save),
    Act("preset import", _import),
    Act("preset rate", lambda _root, number: ["preset", "rate", "contrarian", str(number % 5 + 1)]),
    Act("init", lambda _root, _number: ["init", "--demo"]),
    Act("plan", lambda _root, _number: ["plan", BUCKET, "--json"]),
    Act("refuse", lambda _root, number: ["refuse", BUCKET, STOCKS[number % 3]]),
    Act("dismiss", lambda _root, _number: ["dismiss", BUCKET]),
    Act("backup create", lambda root, number: ["backup", "create", f"{root.parent}/{number}.zip"]),
    Act("backup restore", lambda root, _number: ["backup", "restore", _backup(root), "--replace"]),
)


def _backup(root: Path) -> str:
    """Return a backup of the current home, so that restoring it loses nothing."""
    target = root.parent / "now.zip"
    target.unlink(missing_ok=True)
    create_backup(Home(root), target)
    return str(target)


def kill_loop(
    root: Path, kills: int, *, acts: Sequence[Act] = ACTS, seed: int = 1, prelude: str = ""
) -> CrashReport:
    """Kill one command after the other; check the home after each, and plan in it at the end.

    A naive writer ends the loop at its first failure.
    """
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    root.mkdir(parents=True, exist_ok=True)
    home = create_home(root / "home", demo=True).home
    report = CrashReport()
    acknowledged: dict[int, str] = {}
    durations = {act.name: _finish(act, home.root, 0, acknowledged, prelude) for act in acts}
    for number in range(1, kills + 1):
        act = acts[(number - 1) % len(acts)]
        wait_s = durations[act.name] * rng.uniform(EARLIEST, LATEST)
        code, output = _run(act, home.root, number, prelude, wait_s)
        _end_restore(home.root)
        _note(code, output, acknowledged)
        copy = root / "copy"  # the check writes, so it works on a copy
        shutil.copytree(home.root, copy)
        what = f"{number}: {act.name} killed after {wait_s:.3f} s: {code}"
        check_home(copy, acknowledged, what, report)
        shutil.rmtree(copy)
        if prelude and not report.is_clean:
            break
        if report.points % len(acts) == 0 or number == kills:
            _must_plan(home.root, report, number)
    return report


def _finish(act: Act, home: Path, number: int, acknowledged: dict[int, str], prelude: str) -> float:
    begin = time.monotonic()
    code, output = _run(act, home, number, prelude, None)
    assert prelude or code in {0, 1}, f"{act.name}: {code}: {output}"
    _note(code, output, acknowledged)
    return time.monotonic() - begin


def _run(act: Act, home: Path, number: int, prelude: str, wait_s: float | None) -> tuple[int, str]:
    """Run a command, and kill it after `wait_s`; return its exit code and its output."""
    words = act.prepare(home, number)
    command = [sys.executable, "-B", "-c", PROGRAM.format(prelude=prelude), *words]
    environment = {**os.environ, "VISUAL": str(home.parent / "editor")}
    process = subprocess.Popen(
        [*command, "--home", str(home)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    try:
        output, _ = process.communicate(timeout=wait_s)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    return process.returncode, output


def _note(code: int, output: str, acknowledged: dict[int, str]) -> None:
    """Record a version that was acknowledged: the output is complete."""
    if code != 0 or not output.startswith("{"):
        return
    record = json.loads(output)
    version = record.get("config_version") or record.get("version")
    digest = record.get("config_sha256") or record.get("sha256")
    if version and digest:
        acknowledged[int(version)] = str(digest)


def _end_restore(home: Path) -> None:
    """Repeat a restore that was interrupted between its two moves, as a user would."""
    if home.exists():
        return
    code, _ = _run(Act("again", lambda *_: ["backup", "restore", f"{home.parent}/now.zip"]), home,
                   0, "", None)  # fmt: skip
    assert code == 0, "a restore that was cut off can be done again"


def _must_plan(home: Path, report: CrashReport, number: int) -> None:
    code, output = _run(Act("plan", lambda *_: ["plan", BUCKET, "--json"]), home, 0, "", None)
    if code != 0:
        report.unrecovered += 1
        report.failures.append(f"after {number} kills: no plan: {output[:200]}")
