"""`trader serve`: serve the HTTP API."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from host.cli.home_option import open_home
from host.errors import EXIT_DONE, HostError
from host.home.access.certificate import read_certificate
from host.home.config.device_settings import load_device_config
from host.sandbox import die_with_parent, prefer_for_oom_kill

if TYPE_CHECKING:
    from host.cli.output import Output

NICENESS: Final = 5
"""Of 19: answers still come while the planner is busy."""
PACKAGES: Final = ("fastapi", "uvicorn")
"""Of the extra `web`."""


class MissingExtraError(HostError):
    """Packages of an extra are not installed."""

    code = "missing_extra"


def run(options: argparse.Namespace, output: Output) -> int:
    """Serve until a signal ends it."""
    if options.child:
        _yield_to_parent()
    home = open_home(options.home)
    home.require_home()
    web = load_device_config(home).web
    web = web.model_copy(
        update={
            name: value
            for name, value in (("host", options.host), ("port", options.port))
            if value is not None
        }
    )
    require_packages()
    from host.http.address import url_for_others
    from host.http.server import open_listener, serve  # slow: only with the extra

    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    with open_listener(web.host, web.port, has_tls=web.has_tls) as listener:

        def announce() -> None:
            url = url_for_others(web, listener.getsockname()[1])
            output.line(f"serving {home.root} at {url} (Ctrl-C ends it)")
            certificate = read_certificate(home) if web.has_tls else None
            if certificate is not None:
                output.line(f"SHA-256 fingerprint: {certificate.colon_fingerprint}")
            output.flush()

        asyncio.run(serve(home, web, listener, announce))
    return EXIT_DONE


def _yield_to_parent() -> None:
    """End with the daemon, and let it go first for time and memory: the board waits for it."""
    die_with_parent()
    prefer_for_oom_kill()
    with suppress(OSError):  # a unit of systemd may forbid it
        os.nice(NICENESS)


def require_packages() -> None:
    """Raise MissingExtraError unless the packages of the API are installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the HTTP API needs {' and '.join(missing)}, which this Python does not have (run:"
            " pip install 'arduino-trader[web]')"
        )
