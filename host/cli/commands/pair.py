"""`trader pair`: open the pairing window of the HTTP API from a terminal."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from host.cli.home_option import open_home
from host.errors import EXIT_DONE, EXIT_FAILED
from host.home.access.certificate import read_certificate
from host.limits import PAIRING_S, PAIRING_TRIES_MAX
from host.operations.access import close_pairing, open_pairing

if TYPE_CHECKING:
    from host.cli.output import Output

HALF: Final = 3


def run(options: argparse.Namespace, output: Output) -> int:
    """Open the window and print its code, or close it."""
    home = open_home(options.home)
    home.require_home()
    if options.close:
        problem = close_pairing(home)
        output.line("pairing is closed")
        return _exit_code(problem, output)
    window, problem = open_pairing(home)
    certificate = read_certificate(home)
    if options.json:
        record = {
            "code": window.code,
            "open_for_s": PAIRING_S,
            "tries": window.tries_left,
            "fingerprint": None if certificate is None else certificate.colon_fingerprint,
        }
        output.json(record)
        return _exit_code(problem, output)
    output.line(f"{window.code[:HALF]} {window.code[HALF:]}")
    output.error(
        f"Type this code on the device within {PAIRING_S:.0f} s; it has {PAIRING_TRIES_MAX} tries."
        ' Programs send it as POST /pair {"code": "...", "name": "..."}.'
    )
    if certificate is not None:
        output.error(f"Certificate: {' '.join(certificate.short_fingerprint)} (trader web show)")
    return _exit_code(problem, output)


def _exit_code(problem: str | None, output: Output) -> int:
    if problem is None:
        return EXIT_DONE
    output.error(f"trader pair: {problem}")
    return EXIT_FAILED
