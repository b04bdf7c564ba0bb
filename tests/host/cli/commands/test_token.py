"""`trader token`: add, list, revoke."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.home.access.token_store import Right, TokenStore
from host.home.home import Home
from host.telemetry.journal.follower import RecordFilter, select
from tests.host.conftest import Trader


def records(home: Home) -> list[tuple[str, dict[str, object]]]:
    lines, _ = select(home.journal_dir, RecordFilter(), lambda _: None)
    return [(line.record.event_type, dict(line.record.data)) for line in lines]


def test_a_token_is_printed_alone_so_that_a_script_can_keep_it(
    trader: Trader, own_home: Home
) -> None:
    result = trader("token", "add", "phone", "--home", own_home.root)
    assert result.code == 0
    text = result.out.strip()
    token = TokenStore(own_home).match(text)
    assert token is not None
    assert token.right is Right.WRITE
    assert "trader token revoke 'phone'" in result.err
    assert text not in result.err


def test_read_gives_a_token_that_only_reads(trader: Trader, own_home: Home) -> None:
    result = trader("token", "add", "panel", "--read", "--json", "--home", own_home.root)
    token = TokenStore(own_home).match(result.json["token"])
    assert token is not None
    assert token.right is Right.READ
    assert result.json["right"] == "read"


def test_the_list_names_right_and_use_and_nothing_that_gives_access(
    trader: Trader, own_home: Home
) -> None:
    text = trader("token", "add", "phone", "--home", own_home.root).out.strip()
    store = TokenStore(own_home)
    token = store.match(text)
    assert token is not None
    listed = trader("token", "list", "--home", own_home.root).out
    assert "phone" in listed
    assert "never" in listed
    store.note_use(token)
    for result in (
        trader("token", "list", "--home", own_home.root),
        trader("token", "list", "--json", "--home", own_home.root),
    ):
        assert "never" not in result.out
        assert text not in result.out
        assert token.sha256 not in result.out


def test_a_home_without_tokens_says_how_to_add_one(trader: Trader, own_home: Home) -> None:
    assert "trader token add NAME" in trader("token", "list", "--home", own_home.root).out


def test_a_revoked_token_gives_nothing(trader: Trader, own_home: Home) -> None:
    text = trader("token", "add", "phone", "--home", own_home.root).out.strip()
    assert trader("token", "revoke", "phone", "--home", own_home.root).code == 0
    assert TokenStore(own_home).match(text) is None
    again = trader("token", "revoke", "phone", "--home", own_home.root)
    assert again.code == 2
    assert "no token 'phone'" in again.err


def test_every_change_is_in_the_journal_without_the_token(trader: Trader, own_home: Home) -> None:
    text = trader("token", "add", "phone", "--home", own_home.root).out.strip()
    trader("token", "revoke", "phone", "--home", own_home.root)
    assert records(own_home)[-2:] == [
        ("AccessGranted", {"name": "phone", "right": "write", "via": "terminal"}),
        ("AccessRevoked", {"name": "phone"}),
    ]
    for path in own_home.root.rglob("*"):
        assert path.is_dir() or text.encode() not in path.read_bytes(), path


def test_tokens_that_others_can_read_are_refused_with_the_cure(
    trader: Trader, own_home: Home
) -> None:
    trader("token", "add", "phone", "--home", own_home.root)
    path = own_home.secrets_dir / "tokens.json"
    path.chmod(0o644)
    for words in (("list",), ("add", "other"), ("revoke", "phone")):
        result = trader("token", *words, "--home", own_home.root)
        assert result.code == 1
        assert f"chmod 600 {path}" in result.err


@pytest.mark.parametrize("options", [(), ("--with-secrets",)])
def test_a_backup_has_tokens_only_when_asked_and_says_so(
    trader: Trader, own_home: Home, tmp_path: Path, options: tuple[str, ...]
) -> None:
    trader("token", "add", "phone", "--home", own_home.root)
    trader("pair", "--home", own_home.root)
    saved = tmp_path / "saved.zip"
    result = trader("backup", "create", saved, *options, "--json", "--home", own_home.root)
    left_out = result.json["secrets_left_out"]
    assert ("secrets/tokens.json" in left_out) is not bool(options)
    assert "secrets/pairing.json" not in left_out, "it ends within two minutes"
    assert not any(name.endswith(".lock") for name in left_out)
