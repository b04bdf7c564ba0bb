"""The address that is printed is one that can be called."""

from __future__ import annotations

import pytest

from host.home.config.device_settings import WebTable
from host.http.address import name_for_others, url_for_others


def test_the_name_for_others_is_one_that_they_can_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "host.http.address.names_of_computer",
        lambda _host, more: (
            *("localhost", "127.0.0.1", "::1", "board", "board.local", *more, "127.0.1.1"),
            *("fe80::1", "2001:db8::7", "192.0.2.7"),
        ),
    )
    assert name_for_others("0.0.0.0", []) == "192.0.2.7"  # noqa: S104 - not an address to call
    assert name_for_others("::", []) == "2001:db8::7"
    assert name_for_others("0.0.0.0", ["trader.lan"]) == "trader.lan"  # noqa: S104
    assert name_for_others("192.0.2.9", ["trader.lan"]) == "192.0.2.9"
    assert name_for_others("127.0.0.1", []) == "127.0.0.1"


def test_without_a_network_the_name_for_others_is_that_of_the_computer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "host.http.address.names_of_computer",
        lambda _host, _more: ("localhost", "127.0.0.1", "::1", "board", "board.local", "127.0.1.1"),
    )
    assert name_for_others("0.0.0.0", []) == "board.local"  # noqa: S104 - not an address to call


def test_an_address_of_ipv6_is_in_brackets() -> None:
    assert url_for_others(WebTable(host="2001:db8::7"), 8484) == "https://[2001:db8::7]:8484"
    assert url_for_others(WebTable(), 9000) == "http://127.0.0.1:9000"
