"""The worker's inbox remembers cancellations of plans that it has, and of no others."""

from __future__ import annotations

import json
import os
import threading

from host.planning.worker.main import Inbox


class Daemon:
    """The other end of an inbox's pipe; never closed, because that would end this process."""

    def __init__(self) -> None:
        reading, self._writing = os.pipe()
        self.inbox = Inbox(reading)
        threading.Thread(target=self.inbox.listen, daemon=True).start()

    def send(self, **request: object) -> None:
        os.write(self._writing, json.dumps(request).encode() + b"\n")

    def answer(self, trace_id: str) -> None:
        """Wait for a plan, as the worker does, and finish it."""
        assert self.inbox.plans.get(timeout=20)["trace_id"] == trace_id
        self.inbox.done(trace_id)

    def settle(self) -> None:
        """Wait until the inbox has taken everything."""
        self.send(do="plan", trace_id="last")
        self.answer("last")


def test_a_plan_can_be_cancelled_from_when_it_is_sent_until_it_is_done() -> None:
    daemon = Daemon()
    daemon.send(do="plan", trace_id="t1")
    daemon.send(do="plan", trace_id="t2")
    daemon.send(do="cancel", trace_id="t2")
    daemon.send(do="plan", trace_id="t3")
    daemon.answer("t1")
    assert daemon.inbox.plans.get(timeout=20)["trace_id"] == "t2"
    assert daemon.inbox.is_cancelled("t2")
    assert not daemon.inbox.is_cancelled("t3")
    daemon.inbox.done("t2")
    assert not daemon.inbox.is_cancelled("t2")


def test_a_cancellation_that_comes_too_late_is_not_remembered() -> None:
    daemon = Daemon()
    daemon.send(do="plan", trace_id="t1")
    daemon.answer("t1")
    daemon.send(do="cancel", trace_id="t1")
    daemon.send(do="cancel", trace_id="never heard of")
    daemon.settle()
    assert not daemon.inbox.is_cancelled("t1")
    assert not daemon.inbox.is_cancelled("never heard of")
