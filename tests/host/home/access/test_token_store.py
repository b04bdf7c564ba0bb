"""Tokens: stored as hashes, listed, revoked at once."""

from __future__ import annotations

import hmac
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from host.errors import UsageError
from host.home.access.secret_file import SecretFileError
from host.home.access.token_store import Right, TokenExistsError, TokenStore
from host.home.home import Home
from host.limits import TOKENS_MAX

START = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Time:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store(home: Home, time: Time) -> TokenStore:
    return TokenStore(home, time)


def test_a_token_has_256_random_bits_and_matches(store: TokenStore) -> None:
    text = store.add("phone", Right.WRITE, "terminal")
    assert text.startswith("trader_")
    assert len(text) == len("trader_") + 43, "32 bytes in base64 without padding"
    token = store.match(text)
    assert token is not None
    assert (token.name, token.right, token.created_by) == ("phone", Right.WRITE, "terminal")
    assert text != store.add("other", Right.READ, "terminal")


def test_neither_the_token_nor_a_part_of_it_is_on_the_disk(store: TokenStore, home: Home) -> None:
    text = store.add("phone", Right.WRITE, "terminal")
    token = store.match(text)
    assert token is not None
    store.note_use(token)
    for path in home.root.rglob("*"):
        if path.is_file():
            assert text[7:20].encode() not in path.read_bytes(), path


@pytest.mark.parametrize("change", [0, 7, 20, -1])
def test_a_token_with_one_other_character_does_not_match(store: TokenStore, change: int) -> None:
    text = store.add("phone", Right.WRITE, "terminal")
    letters = list(text)
    letters[change] = "A" if letters[change] != "A" else "B"
    assert store.match("".join(letters)) is None
    for other in ("", text[:-1], text + "x", text.upper(), "\udcff", "é" * 10_000):
        assert store.match(other) is None


def test_every_hash_is_compared_by_a_constant_time_function(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [store.add(name, Right.READ, "terminal") for name in ("a", "b", "c")]
    compared: list[str] = []
    compare = hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared.append(one)
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    for text in (*texts, "wrong"):
        compared.clear()
        store.match(text)
        assert len(compared) == 3, "the first match does not end the comparison"


def test_a_read_token_does_not_write(store: TokenStore) -> None:
    reader = store.match(store.add("panel", Right.READ, "terminal"))
    writer = store.match(store.add("phone", Right.WRITE, "terminal"))
    assert reader is not None
    assert writer is not None
    assert reader.allows(Right.READ)
    assert not reader.allows(Right.WRITE)
    assert writer.allows(Right.READ)
    assert writer.allows(Right.WRITE)


def test_a_token_that_another_process_revokes_is_refused_at_once(
    home: Home, store: TokenStore
) -> None:
    text = store.add("phone", Right.WRITE, "terminal")
    token = store.match(text)
    assert token is not None
    TokenStore(home).revoke("phone")
    assert store.match(text) is None
    assert not store.is_valid(token)


def test_a_name_that_was_revoked_and_added_again_does_not_revive_the_old_token(
    store: TokenStore,
) -> None:
    text = store.add("phone", Right.WRITE, "terminal")
    old = store.match(text)
    assert old is not None
    store.revoke("phone")
    store.add("phone", Right.WRITE, "terminal")
    assert store.match(text) is None
    assert not store.is_valid(old)


def test_a_revoked_token_stays_revoked_while_others_are_added(home: Home) -> None:
    store = TokenStore(home)
    texts = {name: store.add(name, Right.READ, "terminal") for name in ("x", "y")}
    threads = [
        threading.Thread(target=TokenStore(home).add, args=(f"n{n}", Right.READ, "terminal"))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    TokenStore(home).revoke("x")
    for thread in threads:
        thread.join()
    assert store.match(texts["x"]) is None
    assert store.match(texts["y"]) is not None
    assert len(store.tokens()) == 9


def test_a_name_is_used_once_whatever_its_case(store: TokenStore) -> None:
    store.add("My phone", Right.WRITE, "terminal")
    with pytest.raises(TokenExistsError, match='trader token revoke "my phone"'):
        store.add("my phone", Right.READ, "terminal")


@pytest.mark.parametrize("name", ["", " a", "a ", "../x", "a\nb", "a" * 41, "ä", "a\x00", "-a"])
def test_a_name_that_could_confuse_a_terminal_is_refused(store: TokenStore, name: str) -> None:
    with pytest.raises(UsageError, match="not a name for a token"):
        store.add(name, Right.READ, "terminal")


def test_the_number_of_tokens_is_limited(store: TokenStore) -> None:
    for n in range(TOKENS_MAX):
        store.add(f"n{n}", Right.READ, "terminal")
    with pytest.raises(UsageError, match="trader token revoke NAME"):
        store.add("one more", Right.READ, "terminal")


def test_revoking_an_unknown_name_offers_the_nearest(store: TokenStore) -> None:
    store.add("phone", Right.READ, "terminal")
    with pytest.raises(UsageError, match="did you mean `phone`"):
        store.revoke("phome")


def test_the_last_use_is_written_once_an_hour(store: TokenStore, home: Home, time: Time) -> None:
    token = store.match(store.add("phone", Right.READ, "terminal"))
    assert token is not None
    for minutes, expected in ((0, START), (59, START), (60, START + timedelta(hours=1))):
        time.now = START + timedelta(minutes=minutes)
        store.note_use(token)
        assert TokenStore(home).last_uses() == {token.sha256: expected}


def test_the_last_use_of_a_revoked_token_is_forgotten(store: TokenStore, time: Time) -> None:
    phone = store.match(store.add("phone", Right.READ, "terminal"))
    panel = store.match(store.add("panel", Right.READ, "terminal"))
    assert phone is not None
    assert panel is not None
    store.note_use(phone)
    store.revoke("phone")
    time.now += timedelta(hours=2)
    store.note_use(panel)
    assert set(store.last_uses()) == {panel.sha256}


def test_a_disk_that_refuses_the_last_use_does_not_refuse_the_request(
    store: TokenStore, home: Home
) -> None:
    token = store.match(store.add("phone", Right.READ, "terminal"))
    assert token is not None
    home.state_dir.write_text("a file in place of the folder")
    store.note_use(token)
    assert store.last_uses() == {}


def test_tokens_of_a_file_that_others_read_are_refused_until_it_is_fixed(
    store: TokenStore,
) -> None:
    text = store.add("phone", Right.READ, "terminal")
    assert store.match(text) is not None
    store.path.chmod(0o644)
    with pytest.raises(SecretFileError, match="chmod 600"):
        store.match(text)
    with pytest.raises(SecretFileError):
        store.match(text)
    store.path.chmod(0o600)
    assert store.match(text) is not None


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {},
        {"name": "x"},
        {
            "name": "a\nb",
            "right": "write",
            "sha256": "0" * 64,
            "created_at": "2026-11-30T12:00:00+00:00",
            "created_by": "x",
        },
        {
            "name": "x",
            "right": "all",
            "sha256": "0" * 64,
            "created_at": "2026-11-30T12:00:00+00:00",
            "created_by": "x",
        },
        {
            "name": "x",
            "right": "write",
            "sha256": "",
            "created_at": "2026-11-30T12:00:00+00:00",
            "created_by": "x",
        },
    ],
)
def test_a_damaged_entry_refuses_the_file(store: TokenStore, entry: object) -> None:
    store.add("phone", Right.READ, "terminal")
    store.path.write_text(json.dumps({"schema_version": 1, "tokens": [entry]}))
    with pytest.raises(SecretFileError, match="damaged"):
        store.tokens()
