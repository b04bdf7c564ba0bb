"""`trader web`: address, certificate, renewal."""

from __future__ import annotations

import pytest

from host.home.access.certificate import certificate_file, read_certificate
from host.home.home import Home
from tests.host.conftest import Trader


def test_by_default_only_this_computer_can_connect_and_nothing_is_encrypted(
    trader: Trader, own_home: Home
) -> None:
    record = trader("web", "show", "--json", "--home", own_home.root).json
    assert (record["url"], record["loopback"], record["tls"]) == (
        "http://127.0.0.1:8484",
        True,
        False,
    )
    assert record["fingerprint"] is None
    assert "from this computer" in trader("web", "show", "--home", own_home.root).out


def test_beyond_it_the_fingerprint_is_shown_in_full_and_as_the_matrix_shows_it(
    trader: Trader, own_home: Home
) -> None:
    own_home.device_file.write_text('[web]\nhost = "0.0.0.0"\nnames = ["trader.lan"]\n')
    assert "the first start makes it" in trader("web", "show", "--home", own_home.root).out
    trader("web", "renew", "--home", own_home.root)
    certificate = read_certificate(own_home)
    assert certificate is not None
    shown = trader("web", "show", "--home", own_home.root).out
    assert "https://trader.lan:8484" in shown, "0.0.0.0 is not an address to call"
    assert certificate.colon_fingerprint in shown
    assert " ".join(certificate.short_fingerprint) in shown


def test_renewing_changes_the_fingerprint_and_says_what_follows(
    trader: Trader, own_home: Home
) -> None:
    first = trader("web", "renew", "--json", "--home", own_home.root).json["fingerprint"]
    result = trader("web", "renew", "--home", own_home.root)
    assert result.code == 0
    assert first not in result.out
    assert "have to accept this fingerprint" in result.out


@pytest.mark.parametrize("words", [("web", "show"), ("pair",)])
def test_a_key_that_others_can_read_is_refused_with_the_cure(
    trader: Trader, own_home: Home, words: tuple[str, ...]
) -> None:
    own_home.device_file.write_text('[web]\nhost = "0.0.0.0"\n')
    trader("web", "renew", "--home", own_home.root)
    certificate_file(own_home).chmod(0o644)
    result = trader(*words, "--home", own_home.root)
    assert result.code == 1
    assert "chmod 600" in result.err


def test_no_key_is_in_the_output_of_config_or_a_backup(trader: Trader, own_home: Home) -> None:
    trader("web", "renew", "--home", own_home.root)
    for words in (("config", "show", "core"), ("web", "show", "--json"), ("health", "--json")):
        assert "PRIVATE" not in trader(*words, "--home", own_home.root).out
    saved = own_home.root.parent / "saved.zip"
    result = trader("backup", "create", saved, "--json", "--home", own_home.root)
    assert "secrets/tls.pem" in result.json["secrets_left_out"]
