"""The one command: every stage runs, and one that fails fails it."""

from __future__ import annotations

import sys

import pytest

from tools import check

OK = check.Stage("fine", (sys.executable, "-c", "print('quiet')"))
BAD = check.Stage("bad", (sys.executable, "-c", "print('why it failed'); raise SystemExit(3)"))


def test_every_stage_runs_after_one_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert not check.check([BAD, OK])
    output = capsys.readouterr().out
    assert "why it failed" in output
    assert "quiet" not in output
    assert [line.split()[:2] for line in output.splitlines() if line.endswith(" s")] == [
        ["bad", "FAILED"],
        ["fine", "ok"],
    ]


def test_the_check_passes_when_every_stage_does() -> None:
    assert check.check([OK, OK])


def test_stages_of_the_house_are_all_there_and_the_tests_come_last() -> None:
    assert set(check.NAMES) >= {"format", "lint", "types", "contracts", "generated", "tests"}
    assert check.NAMES[-1] == "tests"


def test_an_unknown_stage_is_refused_with_the_names_of_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        check.main(["linting"])
    assert exit_info.value.code == 2
    assert "unknown stage linting; there are: lint, format" in capsys.readouterr().err


def test_repairs_run_before_the_check_and_only_for_the_stages_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[tuple[str, ...]] = []

    def record(stage: check.Stage, command: tuple[str, ...]) -> check.Outcome:
        ran.append(command)
        return check.Outcome(stage, 0, 0.0, "")

    monkeypatch.setattr(check, "run", record)
    assert check.main(["--fix", "lint", "format"]) == 0
    lint, layout = check.STAGES[:2]
    assert ran[:2] == [lint.fix, layout.fix]
    assert set(ran[2:]) == {lint.command, layout.command}
