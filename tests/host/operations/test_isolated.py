"""Operations in a process of their own: a result, an error with its code, or an end."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from host.home.home import Home
from host.operations.isolated import WAITING_MAX, BusyError, IsolatedCalls, IsolatedError


def program(tmp_path: Path, text: str) -> tuple[str, str]:
    """A program in place of the process of an operation."""
    path = tmp_path / "program.py"
    path.write_text(text, "utf-8")
    return sys.executable, str(path)


def test_a_dry_run_gives_its_result(own_home: Home) -> None:
    calls = IsolatedCalls(own_home)
    record = asyncio.run(calls.call("dry_run", "core", text="max_plan_depth = 1\n"))
    assert record["valid"] is True
    assert record["estimated_sequences"] > 0


def test_an_error_comes_with_its_code_its_lines_and_its_places(own_home: Home) -> None:
    own_home.portfolio_file("core").write_text("base_currency = 3\n")
    with pytest.raises(IsolatedError) as raised:
        asyncio.run(IsolatedCalls(own_home).call("dry_run", "core"))
    assert raised.value.code == "portfolio_file"
    assert str(own_home.portfolio_file("core")) in raised.value.lines[0]
    assert raised.value.problems[0]["line"] == 1


@pytest.mark.parametrize(
    "text", ["", "print('[]')", "print('{}')", "print('[' * 100_000)", "import os; os.abort()"]
)
def test_a_process_without_an_answer_is_an_error(tmp_path: Path, text: str) -> None:
    calls = IsolatedCalls(Home(tmp_path), command=program(tmp_path, text))
    with pytest.raises(IsolatedError, match="ended without a result") as raised:
        asyncio.run(calls.call("dry_run", "core"))
    assert raised.value.code == "isolated"


def test_a_process_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    note = tmp_path / "child"
    text = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    calls = IsolatedCalls(Home(tmp_path), timeout_s=2.0, command=program(tmp_path, text))
    with pytest.raises(IsolatedError, match="longer than 2 s"):
        asyncio.run(calls.call("dry_run", "core"))
    status = Path(f"/proc/{note.read_text()}/status")
    assert not status.exists() or "State:\tZ" in status.read_text()


def test_a_client_that_goes_away_ends_the_process(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    text = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    calls = IsolatedCalls(Home(tmp_path), command=program(tmp_path, text))

    async def go_away() -> None:
        call = asyncio.create_task(calls.call("dry_run", "core"))
        while not (note.exists() and note.read_text()):  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    asyncio.run(go_away())
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_only_a_few_requests_may_wait(tmp_path: Path) -> None:
    calls = IsolatedCalls(Home(tmp_path), command=program(tmp_path, "print('{\"result\": {}}')"))

    async def crowd() -> list[object]:
        many = [calls.call("dry_run", "core") for _ in range(WAITING_MAX + 3)]
        return list(await asyncio.gather(*many, return_exceptions=True))

    results = asyncio.run(crowd())
    assert sum(result == {} for result in results) == WAITING_MAX + 1
    assert sum(isinstance(result, BusyError) for result in results) == 2
