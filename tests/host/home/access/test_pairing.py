"""The pairing window: two minutes, five tries, one token."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

import pytest

from host.errors import UsageError
from host.home.access import pairing as pairing_module
from host.home.access.pairing import (
    Pairing,
    PairingClosedError,
    WrongCodeError,
    is_pairing_open,
)
from host.home.access.token_store import Right, TokenStore
from host.home.home import Home
from host.limits import PAIRING_S, PAIRING_TRIES_MAX


class BootTime:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def time() -> BootTime:
    return BootTime()


@pytest.fixture
def pairing(home: Home, time: BootTime) -> Pairing:
    return Pairing(home, time)


@pytest.fixture
def store(home: Home) -> TokenStore:
    return TokenStore(home)


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_the_right_code_gives_one_token_and_closes_the_window(
    pairing: Pairing, store: TokenStore
) -> None:
    window = pairing.open()
    assert len(window.code) == 6
    assert window.code.isdigit()
    text = pairing.redeem(window.code, "phone", Right.WRITE, store)
    token = store.match(text)
    assert token is not None
    assert (token.name, token.created_by) == ("phone", "pairing")
    with pytest.raises(PairingClosedError):
        pairing.redeem(window.code, "second", Right.WRITE, store)


def test_without_a_window_no_code_is_right(pairing: Pairing, store: TokenStore) -> None:
    with pytest.raises(PairingClosedError, match="trader pair"):
        pairing.redeem("000000", "phone", Right.WRITE, store)
    assert store.tokens() == ()


def test_the_sixth_try_is_refused_even_with_the_right_code(
    home: Home, pairing: Pairing, store: TokenStore, time: BootTime
) -> None:
    window = pairing.open()
    for tries_left in reversed(range(PAIRING_TRIES_MAX)):
        with pytest.raises(WrongCodeError) as error:
            # As another process would, each time.
            Pairing(home, time).redeem(other_than(window.code), "phone", Right.WRITE, store)
        assert str(tries_left) in str(error.value) or tries_left == 0
    with pytest.raises(PairingClosedError):
        pairing.redeem(window.code, "phone", Right.WRITE, store)
    assert not is_pairing_open(pairing)
    assert store.tokens() == ()


def test_the_fifth_try_is_still_a_try(pairing: Pairing, store: TokenStore) -> None:
    window = pairing.open()
    for _ in range(PAIRING_TRIES_MAX - 1):
        with pytest.raises(WrongCodeError):
            pairing.redeem(other_than(window.code), "phone", Right.WRITE, store)
    assert pairing.redeem(window.code, "phone", Right.WRITE, store)


def test_after_two_minutes_the_window_is_closed(
    pairing: Pairing, store: TokenStore, time: BootTime
) -> None:
    window = pairing.open()
    time.now_s += PAIRING_S - 0.001
    assert pairing.window() == window
    time.now_s += 0.001
    assert pairing.window() is None
    with pytest.raises(PairingClosedError):
        pairing.redeem(window.code, "phone", Right.WRITE, store)


def test_a_reboot_closes_the_window(
    pairing: Pairing, time: BootTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairing.open()
    monkeypatch.setattr(pairing_module, "boot_id", lambda: "another boot")
    assert pairing.window() is None
    monkeypatch.undo()
    assert pairing.window() is not None
    time.now_s = 1.0  # the clock of another boot, where the kernel names none
    assert pairing.window() is None


def test_a_try_is_on_disk_before_the_code_is_compared(
    pairing: Pairing, store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = pairing.open()

    def crash(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(hmac, "compare_digest", crash)
    with pytest.raises(KeyboardInterrupt):
        pairing.redeem(window.code, "phone", Right.WRITE, store)
    after = pairing.window()
    assert after is not None
    assert after.tries_left == PAIRING_TRIES_MAX - 1


def test_a_name_in_use_keeps_the_window_open_but_costs_a_try(
    pairing: Pairing, store: TokenStore
) -> None:
    window = pairing.open()
    with pytest.raises(UsageError):
        pairing.redeem(window.code, "../etc", Right.WRITE, store)
    after = pairing.window()
    assert after is not None
    assert after.tries_left == PAIRING_TRIES_MAX - 1


def test_a_wrong_code_does_not_say_whether_the_name_is_in_use(
    pairing: Pairing, store: TokenStore
) -> None:
    store.add("phone", Right.WRITE, "terminal")
    window = pairing.open()
    with pytest.raises(WrongCodeError):
        pairing.redeem(other_than(window.code), "phone", Right.WRITE, store)


def test_another_press_gives_another_code_and_the_old_one_ends(
    pairing: Pairing, store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter((111111, 222222))
    monkeypatch.setattr(secrets, "randbelow", lambda _: next(codes))
    old, new = pairing.open(), pairing.open()
    with pytest.raises(WrongCodeError):
        pairing.redeem(old.code, "phone", Right.WRITE, store)
    assert pairing.redeem(new.code, "phone", Right.WRITE, store)


def test_a_code_keeps_its_leading_zeros(pairing: Pairing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda _: 42)
    assert pairing.open().code == "000042"


def test_closing_ends_the_window_and_the_code_leaves_the_disk(home: Home, pairing: Pairing) -> None:
    code = pairing.open().code
    pairing.close()
    assert pairing.window() is None
    assert not any(code.encode() in p.read_bytes() for p in home.root.rglob("*") if p.is_file())
    pairing.close()


@pytest.mark.parametrize(
    "record", ['{"schema_version": 1}', "{}", '{"schema_version": 1, "code": 1, "closes_s": "x"}']
)
def test_a_damaged_file_is_a_closed_window(pairing: Pairing, record: str) -> None:
    pairing.open()
    pairing.path.write_text(record)
    assert not is_pairing_open(pairing)
    pairing.open()
    assert is_pairing_open(pairing)
