"""Processes that a module left in a session of their own are found; nobody else's are."""

from __future__ import annotations

import os
import subprocess

import pytest

from host.planning.worker.orphan_reaper import strays


def test_a_child_in_a_session_of_its_own_is_a_stray_and_one_in_ours_is_not() -> None:
    sleep = ("sleep", "60")
    with (
        subprocess.Popen(sleep, start_new_session=True) as stray,
        subprocess.Popen(sleep) as ours,
    ):
        try:
            found = strays()
            assert stray.pid in found
            assert ours.pid not in found
        finally:
            stray.kill()
            ours.kill()


def test_process_1_has_the_orphans_of_everybody_and_takes_none_for_a_stray(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with subprocess.Popen(("sleep", "60"), start_new_session=True) as other:
        try:
            monkeypatch.setattr(os, "getpid", lambda: 1)
            assert strays() == set()
        finally:
            other.kill()
