"""`trader pair`: a code on the terminal."""

from __future__ import annotations

from host.home.access.pairing import Pairing
from host.home.home import Home
from tests.host.conftest import Trader


def test_the_code_is_printed_in_two_groups_and_opens_the_window(
    trader: Trader, own_home: Home
) -> None:
    result = trader("pair", "--home", own_home.root)
    window = Pairing(own_home).window()
    assert window is not None
    assert result.out.replace(" ", "").strip() == window.code
    assert "120 s" in result.err


def test_close_ends_it(trader: Trader, own_home: Home) -> None:
    trader("pair", "--home", own_home.root)
    assert trader("pair", "--close", "--home", own_home.root).code == 0
    assert Pairing(own_home).window() is None


def test_the_code_is_in_no_journal(trader: Trader, own_home: Home) -> None:
    code = trader("pair", "--json", "--home", own_home.root).json["code"]
    for path in own_home.journal_dir.iterdir():
        assert code.encode() not in path.read_bytes()


def test_without_a_home_it_says_how_to_make_one(trader: Trader) -> None:
    result = trader("pair")
    assert result.code == 2
    assert "trader init" in result.err
