"""The planner's side of the pipe to the daemon."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.planning.worker.response_pipe import EXIT_ORPHANED, Answers


class Ended(BaseException):
    """The process has ended."""


def end(code: int) -> None:
    raise Ended(code)


@pytest.mark.parametrize("say", [Answers.send, Answers.send_soon], ids=["send", "send_soon"])
def test_a_forked_child_writes_nothing_of_ours_into_a_file_that_it_opened_itself(
    say: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of the pipe that is closed in the child is the next one to be given away."""
    assert callable(say)
    monkeypatch.setattr(os, "_exit", end)
    reading, writing = os.pipe()
    answers = Answers(writing)
    answers.send_soon("event", {"data": 1})  # waits, in the child too
    answers.close()
    path = tmp_path / "of the child"
    own = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(own, writing)
    with pytest.raises(Ended, match=str(EXIT_ORPHANED)):
        say(answers, "event", {"data": 2})
    for descriptor in {own, writing, reading}:
        os.close(descriptor)
    assert path.read_bytes() == b""
