"""`trader web`: show how the HTTP API can be reached, and renew its certificate."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from host.cli.home_option import open_home
from host.errors import EXIT_DONE
from host.home.access.certificate import read_certificate
from host.home.access.pairing import Pairing, is_pairing_open
from host.home.access.token_store import TokenStore
from host.home.config.device_settings import load_device_config
from host.http.address import url_for_others

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.access.certificate import Certificate
    from host.home.home import Home

AFTER_RENEWAL = (
    "Devices that trusted the old one have to accept this fingerprint. A running server uses it"
    " after its next start."
)


def show(options: argparse.Namespace, output: Output) -> int:
    """Print address, encryption, fingerprint and number of tokens."""
    home = open_home(options.home)
    home.require_home()
    record = _describe(home)
    if options.json:
        output.json(record)
        return EXIT_DONE
    output.line(
        f"address       {record['url']}{'' if record['enabled'] else ' (not with the daemon)'}"
    )
    output.line(
        f"reachable     {'from this computer' if record['loopback'] else 'from others, too'}"
    )
    if record["fingerprint"] is not None:
        _print_certificate(read_certificate(home), output)
    elif record["tls"]:
        output.line("certificate   none yet; the first start makes it")
    output.line(f"tokens        {record['tokens']} (trader token list)")
    if record["pairing_open"]:
        output.line("pairing       open (trader pair --close ends it)")
    return EXIT_DONE


def renew(options: argparse.Namespace, output: Output) -> int:
    """Make another key and certificate."""
    home = open_home(options.home)
    home.require_home()
    web = load_device_config(home).web
    from host.http.certificate import names_of_computer, renew_certificate  # only with the extra

    names = names_of_computer(web.host, web.names)
    certificate = renew_certificate(home, names, "by hand")
    if options.json:
        output.json(_certificate_to_json(certificate))
        return EXIT_DONE
    _print_certificate(certificate, output)
    output.line(AFTER_RENEWAL)
    return EXIT_DONE


def _describe(home: Home) -> dict[str, Any]:
    web = load_device_config(home).web
    return {
        "enabled": web.enabled,
        "url": url_for_others(web, web.port),
        "loopback": web.is_loopback,
        "tls": web.has_tls,
        **_certificate_to_json(read_certificate(home) if web.has_tls else None),
        "tokens": len(TokenStore(home).tokens()),
        "pairing_open": is_pairing_open(Pairing(home)),
    }


def _certificate_to_json(certificate: Certificate | None) -> dict[str, Any]:
    if certificate is None:
        return {"fingerprint": None, "short_fingerprint": None, "not_after": None}
    return {
        "fingerprint": certificate.colon_fingerprint,
        "short_fingerprint": " ".join(certificate.short_fingerprint),
        "not_after": certificate.not_after.isoformat(),
    }


def _print_certificate(certificate: Certificate | None, output: Output) -> None:
    assert certificate is not None
    output.line(f"fingerprint   {certificate.colon_fingerprint} (SHA-256)")
    output.line(f"on the matrix {' '.join(certificate.short_fingerprint)}")
    first, last = certificate.not_before, certificate.not_after
    output.line(f"valid         {first:%Y-%m-%d} to {last:%Y-%m-%d}")
