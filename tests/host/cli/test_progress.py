"""Ctrl-C asks first, and interrupts when it is pressed again."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from host.cli.progress import first_interrupt_requests


def test_the_first_ctrl_c_asks_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with first_interrupt_requests() as is_asked:
        assert not is_asked()
        os.kill(os.getpid(), signal.SIGINT)
        assert is_asked()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_afterwards_ctrl_c_is_what_it_was() -> None:
    with first_interrupt_requests():
        pass
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_in_another_thread_it_leaves_ctrl_c_alone() -> None:
    is_requested: list[bool] = []

    def work() -> None:
        with first_interrupt_requests() as is_asked:
            is_requested.append(is_asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert is_requested == [False]
