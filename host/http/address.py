"""The address of the API, as another program can call it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from host.http.certificate import names_of_computer

if TYPE_CHECKING:
    from host.home.config.device_settings import WebTable


def url_for_others(web: WebTable, port: int) -> str:
    """Return an address that the API can be called at, on a port."""
    return url_at(name_for_others(web.host, web.names), port, has_tls=web.has_tls)


def url_at(name: str, port: int, *, has_tls: bool) -> str:
    """Return the URL of a name or an address."""
    scheme = "https" if has_tls else "http"
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"


def name_for_others(host: str, more: Iterable[str]) -> str:
    """Return a name or address under which others reach what listens on a host.

    `0.0.0.0` and `::` mean all addresses of this computer, and are none that can be called. In
    their place stands a name of the settings, else an address of this computer, else its name in
    the local network: the certificate has all of them.

    Parameters
    ----------
    host : str
        The address that the API listens on.
    more : iterable of str
        Of `web.names`.
    """
    listening = parse_address(host)
    if listening is None or not listening.is_unspecified:
        return host
    chosen = tuple(more)
    if chosen:
        return chosen[0]
    names = names_of_computer(host, ())
    for name in names:
        address = parse_address(name)
        if address is None or address.is_loopback or address.is_link_local:
            continue
        if address.version == listening.version:
            return name
    return next((name for name in names if name.endswith(".local")), host)


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an IP address; None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
