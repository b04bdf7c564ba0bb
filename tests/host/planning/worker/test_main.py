"""The worker's ends of the pipes to the daemon."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from host.planning.worker.main import RequestPipe, ResponsePipe
from host.sandbox import EXIT_ORPHANED


class Daemon:
    """The other end of a request pipe; never closed, because that would end this process."""

    def __init__(self) -> None:
        reading, self._writing = os.pipe()
        self.requests = RequestPipe(reading)
        threading.Thread(target=self.requests.listen, daemon=True).start()

    def send(self, **request: object) -> None:
        os.write(self._writing, json.dumps(request).encode() + b"\n")

    def answer(self, trace_id: str) -> None:
        """Wait for a plan, as the worker does, and finish it."""
        assert self.requests.plans.get(timeout=20)["trace_id"] == trace_id
        self.requests.finish(trace_id)

    def settle(self) -> None:
        """Wait until every request has been received."""
        self.send(do="plan", trace_id="last")
        self.answer("last")


def test_a_plan_can_be_cancelled_from_when_it_is_sent_until_it_is_done() -> None:
    daemon = Daemon()
    daemon.send(do="plan", trace_id="t1")
    daemon.send(do="plan", trace_id="t2")
    daemon.send(do="cancel", trace_id="t2")
    daemon.send(do="plan", trace_id="t3")
    daemon.answer("t1")
    assert daemon.requests.plans.get(timeout=20)["trace_id"] == "t2"
    assert daemon.requests.is_cancelled("t2")
    assert not daemon.requests.is_cancelled("t3")
    daemon.requests.finish("t2")
    assert not daemon.requests.is_cancelled("t2")


def test_a_cancellation_that_comes_too_late_is_not_remembered() -> None:
    daemon = Daemon()
    daemon.send(do="plan", trace_id="t1")
    daemon.answer("t1")
    daemon.send(do="cancel", trace_id="t1")
    daemon.send(do="cancel", trace_id="never heard of")
    daemon.settle()
    assert not daemon.requests.is_cancelled("t1")
    assert not daemon.requests.is_cancelled("never heard of")


class Ended(BaseException):
    """The process has ended."""


def end(code: int) -> None:
    raise Ended(code)


@pytest.mark.parametrize(
    "send", [ResponsePipe.send, ResponsePipe.send_delayed], ids=["send", "send_delayed"]
)
def test_a_forked_child_writes_no_response_into_a_file_that_it_opened_itself(
    send: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child closes the pipe, so the next file that it opens gets the number of the pipe."""
    assert callable(send)
    monkeypatch.setattr(os, "_exit", end)
    reading, writing = os.pipe()
    responses = ResponsePipe(writing)
    responses.send_delayed("event", {"data": 1})  # is delayed, in the child too
    responses.close()
    path = tmp_path / "of the child"
    own = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(own, writing)
    with pytest.raises(Ended, match=str(EXIT_ORPHANED)):
        send(responses, "event", {"data": 2})
    for descriptor in {own, writing, reading}:
        os.close(descriptor)
    assert path.read_bytes() == b""
