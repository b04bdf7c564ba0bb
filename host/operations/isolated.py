"""Operations that plan, in a process of their own: `python -m host.operations.isolated`.

The HTTP API runs them this way. A dry run takes seconds and a hundred megabytes, and the text that
it tries comes from outside: here it costs the others no time, memory or process, and it can be
ended. One JSON object comes on standard input, one goes to standard output: `result`, or `error`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from host.errors import HostError, error_lines, expected_errors
from host.home.home import Home
from host.limits import PLAN_MEMORY_MB
from host.sandbox import die_with_parent, limit_memory, prefer_for_oom_kill

TIMEOUT_S: Final = 60.0
"""Three times the budget of a search: a start on a board, the snapshot, and a module that hangs."""
WAITING_MAX: Final = 4
"""Requests that may wait for the one that runs; a person tries one configuration at a time."""
RESULT_BYTES_MAX: Final = 16 * 1024 * 1024
"""Two plans of 4 MB with their differences, twice over."""
REQUEST_BYTES_MAX: Final = 1024 * 1024
"""A configuration of 64 KB, escaped, several times over."""


class BusyError(HostError):
    """Too many requests wait already."""

    code = "busy"


class IsolatedError(HostError):
    """The operation failed, or its process did.

    Parameters
    ----------
    code : str
        Of the error in the process; `isolated` if the process failed.
    lines : sequence of str
    problems : sequence of dict
        Places in a file, where the error has them.
    """

    def __init__(
        self, code: str, lines: Sequence[str], problems: Sequence[Mapping[str, object]] = ()
    ) -> None:
        self.code = code
        self.problems = tuple(problems)
        self._lines = tuple(lines)
        super().__init__("\n".join(lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """The message as lines to print."""
        return self._lines


class IsolatedCalls:
    """Runs operations in processes, one at a time.

    Parameters
    ----------
    home : Home
    timeout_s : float
    command : sequence of str, optional
        Another program, for tests.
    """

    def __init__(
        self, home: Home, timeout_s: float = TIMEOUT_S, command: Sequence[str] | None = None
    ) -> None:
        self._home = home
        self._timeout_s = timeout_s
        # -P: a folder `host` in the working directory must not hide our package.
        self._command = tuple(command or (sys.executable, "-P", "-m", "host.operations.isolated"))
        self._lock = asyncio.Lock()
        self._n_waiting = 0

    async def call(self, operation: str, bucket_id: str, **arguments: object) -> dict[str, Any]:
        """Run an operation of a bucket and return its result.

        Raises
        ------
        BusyError
            When others wait already.
        IsolatedError
            When it failed, took too long, or its process ended.
        """
        if self._n_waiting > WAITING_MAX:
            raise BusyError("too many requests of this kind are waiting (try again in a minute)")
        self._n_waiting += 1
        try:
            async with self._lock:
                return await self._run(operation, bucket_id, arguments)
        finally:
            self._n_waiting -= 1

    async def _run(
        self, operation: str, bucket_id: str, arguments: Mapping[str, object]
    ) -> dict[str, Any]:
        request = {
            "operation": operation,
            "home": str(self._home.root.absolute()),
            "bucket_id": bucket_id,
            "arguments": arguments,
        }
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # Ctrl-C of the server is not for it, and it is killed whole. Not a session of its own:
            # by those the planner's supervision recognizes what a dead worker left behind.
            process_group=0,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                output, _ = await process.communicate(json.dumps(request).encode())
        except TimeoutError:
            line = f"it took longer than {self._timeout_s:g} s (try a smaller search)"
            raise IsolatedError("timeout", [line]) from None
        finally:
            # Also when the client has gone: its result is not needed any more.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await asyncio.shield(process.wait())
        return _parse(output)


def _parse(output: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(output[:RESULT_BYTES_MAX])
        error = reply.get("error")
        if error is None:
            return dict(reply["result"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        line = "the process of this request ended without a result (memory, or a bad module)"
        raise IsolatedError("isolated", [line]) from None
    raise IsolatedError(error["code"], error["lines"], error["problems"])


# --- in the process -------------------------------------------------------------------------------


def _dry_run(home: Home, bucket_id: str, arguments: Mapping[str, Any]) -> dict[str, object]:
    from host.operations.dry_run import Trial, try_configuration

    trial = Trial(
        text=arguments.get("text"),
        invest=float(arguments.get("invest") or 0.0),
        buy_only=bool(arguments.get("buy_only")),
    )
    return try_configuration(home, bucket_id, trial)


def _compare_text(home: Home, bucket_id: str, arguments: Mapping[str, Any]) -> dict[str, object]:
    from host.operations.ab_test import compare_change
    from host.operations.configs import compare_text

    comparison = compare_text(home, bucket_id, str(arguments["text"]))
    plans = compare_change(home, comparison)
    return comparison.to_json(plans.records, plans.answer_to_json())


def _ab_test(home: Home, bucket_id: str, arguments: Mapping[str, Any]) -> dict[str, object]:
    from host.operations.ab_test import compare_sides, find_side, side_of_text
    from host.planning.plan_pair import PairOptions

    text = arguments["toml"]
    a = find_side(home, bucket_id, str(arguments["a"]))
    b = (
        find_side(home, bucket_id, str(arguments["b"]))
        if text is None
        else side_of_text(home, bucket_id, text)
    )
    options = PairOptions(invest=arguments["invest"], buy_only=arguments["buy_only"])
    return compare_sides(home, bucket_id, (a, b), options).to_json()


OPERATIONS: Final[Mapping[str, Callable[[Home, str, Mapping[str, Any]], dict[str, object]]]] = {
    "ab_test": _ab_test,
    "compare_text": _compare_text,
    "dry_run": _dry_run,
}


def main() -> NoReturn:
    """Run the operation that standard input names; the exit code is always 0 with an answer."""
    sys.dont_write_bytecode = True
    die_with_parent()
    prefer_for_oom_kill()
    import host.planning.plan_run  # noqa: F401 - numpy, before memory is counted

    request = json.loads(sys.stdin.buffer.read(REQUEST_BYTES_MAX))
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a module that prints must not end up in the answer
    _load_plugins(Home(Path(request["home"])))
    limit_memory(PLAN_MEMORY_MB)
    json.dump(_reply_to(request), answer, allow_nan=False)
    answer.flush()
    os._exit(0)  # at once: a plugin may have left threads, or functions to call at the exit


def _load_plugins(home: Home) -> None:
    """Load the plugins of the home into this process, which may be killed at any time."""
    from host.planning.breaker_store import BreakerStore
    from host.planning.process_plugins import ProcessPlugins

    breakers = BreakerStore(home, read_only=True)
    ProcessPlugins(home, breakers, inspect=True, save=False).load({})


def _reply_to(request: Mapping[str, Any]) -> dict[str, object]:
    home = Home(Path(request["home"]))
    try:
        operation = OPERATIONS[request["operation"]]
        return {"result": operation(home, request["bucket_id"], request["arguments"])}
    except expected_errors() as error:
        from host.operations.problems import places_of

        problems = places_of(error)
        return {"error": {"code": error.code, "lines": error_lines(error), "problems": problems}}


if __name__ == "__main__":
    main()
