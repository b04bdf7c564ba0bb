"""`trader token`: add, list and revoke the tokens of the HTTP API."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING, Any

from host.cli.home_option import home_option, open_home
from host.errors import EXIT_DONE, EXIT_FAILED
from host.home.access.token_store import Right
from host.operations.access import add_token, revoke_token, tokens_to_json

if TYPE_CHECKING:
    from host.cli.output import Output


def add(options: argparse.Namespace, output: Output) -> int:
    """Add a token, and print it: it is shown this once."""
    home = open_home(options.home)
    home.require_home()
    token = add_token(home, options.name, Right.READ if options.read else Right.WRITE)
    if options.json:
        record = {"name": token.name, "right": token.right.value, "token": token.text}
        output.json(record)
    else:
        output.line(token.text)
        output.error(
            "This token is shown once. Send it as `Authorization: Bearer TOKEN`. To withdraw it:"
            f" trader token revoke {options.name!r}{home_option(options.home)}"
        )
    return _exit_code(token.problem, output)


def show_list(options: argparse.Namespace, output: Output) -> int:
    """Print every token with its right and last use; the tokens themselves are stored nowhere."""
    home = open_home(options.home)
    home.require_home()
    record = tokens_to_json(home)
    if options.json:
        output.json(record)
        return EXIT_DONE
    tokens: Any = record["tokens"]
    if not tokens:
        output.line("No device has a token (add one: trader token add NAME, or trader pair).")
    for token in tokens:
        output.line(
            f"{token['name']:<24}  {token['right']:<5}  by {token['created_by']:<8}"
            f" {_day(token['created_at'])}  last used {_last_use(token['last_used_at'])}"
        )
    return EXIT_DONE


def revoke(options: argparse.Namespace, output: Output) -> int:
    """Withdraw a token; a running server refuses it from its next request on."""
    home = open_home(options.home)
    home.require_home()
    problem = revoke_token(home, options.name)
    if options.json:
        output.json({"revoked": options.name})
    else:
        output.line(f"revoked: {options.name}; its open streams end now")
    return _exit_code(problem, output)


def _exit_code(problem: str | None, output: Output) -> int:
    if problem is None:
        return EXIT_DONE
    output.error(f"trader token: {problem}")
    return EXIT_FAILED


def _day(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d}"


def _last_use(text: str | None) -> str:
    return "never" if text is None else f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %Hh}"
