"""An error that nobody expected: one line on the terminal, the details in a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from host.cli.main import report_crashes
from host.home.home import Home


def test_an_unexpected_error_is_one_line_and_a_file_with_the_details(
    tmp_path: Path, demo_home: Home
) -> None:
    broken = (
        "import sys; sys.argv = ['trader', 'plan', 'core', '--home', {home!r}{debug}]\n"
        "import host.planning.plan_run\n"
        "def fail(*_, **__): raise RuntimeError('out of luck\\nand \\x1b[31mred')\n"
        "host.planning.plan_run.make_plan = fail\n"
        "from host.cli.main import main\n"
        "sys.exit(main())\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}

    def run(debug: str) -> subprocess.CompletedProcess[str]:
        code = broken.format(home=str(demo_home.root), debug=debug)
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, check=False, timeout=60, env=environment,
        )  # fmt: skip

    process = run("")
    assert process.returncode == 1
    assert process.stderr.count("\n") == 1
    assert "\x1b" not in process.stderr
    assert process.stderr.startswith("trader: unexpected error: RuntimeError: out of luck and ")
    (details,) = tmp_path.glob("arduino-trader-crash-*.txt")
    assert str(details) in process.stderr
    assert "Traceback (most recent call last)" in details.read_text()
    assert details.stat().st_mode & 0o777 == 0o600
    assert "Traceback (most recent call last)" in run(", '--debug'").stderr


def test_a_crash_that_cannot_be_written_down_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "argv", ["trader"])
    monkeypatch.setattr("tempfile.mkstemp", _full)
    report_crashes()
    error = ValueError("x")
    sys.excepthook(ValueError, error, None)
    assert "run it again with --debug" in capsys.readouterr().err


def _full(**_: object) -> None:
    raise OSError(28, "No space left on device")
