"""Checks of the access to the HTTP API: its secrets, its certificate, and how far it is open."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from host.home.access.certificate import read_certificate
from host.home.access.secret_file import exposure_problem

if TYPE_CHECKING:
    from host.health.probe import Findings, HealthProbe

ENDS_SOON: Final = timedelta(days=14)
"""A server renews it 30 days before its end, so with two weeks left that has failed for two."""
SECRETS: Final = ("tokens.json", "tls.pem", "pairing.json")


def check_secrets(probe: HealthProbe) -> Findings:
    """Find tokens, a key or a pairing code that others could read, and that are refused."""
    for name in SECRETS:
        problem = exposure_problem(probe.home.secrets_dir / name)
        if problem is not None:
            yield probe.finding("secrets_open_to_others", problem, subject=name)


def check_certificate(probe: HealthProbe) -> Findings:
    """Find a certificate that has ended or soon ends."""
    if probe.web is not None and probe.web.has_tls:
        certificate = read_certificate(probe.home)
        if certificate is not None and certificate.not_after - probe.now < ENDS_SOON:
            verb = "ended" if certificate.not_after <= probe.now else "ends"
            what = f"the certificate {verb} on {certificate.not_after:%Y-%m-%d}"
            yield probe.finding("certificate_ends", what)


def check_openness(probe: HealthProbe) -> Findings:
    """Report an API that other computers can reach."""
    web = probe.web
    if web is not None and web.enabled and not web.is_loopback:
        what = f"the API listens on {web.host} port {web.port}"
        yield probe.finding("api_open", what)
