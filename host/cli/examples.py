"""The examples in the help of every command; a test parses each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "init": (
        ("trader init", "~/.arduino-trader, to be edited"),
        ("trader init --demo --home /tmp/demo", "one with real prices, somewhere else"),
    ),
    "demo": (
        ("trader demo", "a board in the terminal: space presses, q quits"),
        ("trader demo --board avr", "the same with the Yun's own firmware"),
        ("trader demo --once --json", "one press, for a program"),
    ),
    "run": (
        ("trader run", "serve the board of device.toml"),
        ("trader run --port /dev/ttyACM0", "the board at this port"),
    ),
    "plan": (
        ("trader plan core", "what to buy and sell next"),
        ("trader plan core --explain", "why, and what would change the answer"),
        ("trader plan core --invest 500", "where 500 of new money should go"),
        ("trader plan core --front", "what 1, 2, ... 10 trades reach each"),
        ("trader plan core --prove 60", "how much better any plan could be, within a minute"),
        ("trader plan core --json", "for a program (docs/plan-json.md)"),
    ),
    "plans": (
        ("trader plans core", "the newest plans, with their trace ids"),
        ("trader plans core 3fa2c1d09f4e4a5c8a7be0d1c2f3a4b5", "one of them, as JSON"),
    ),
    "health": (
        ("trader health", "everything that is wrong"),
        ("trader health core --ready", "would a press give a plan?"),
    ),
    "refuse": (
        ("trader refuse core XOM --side buy --days 90", "no XOM for three months"),
        ("trader refuse core --list", "what is refused now"),
        ("trader refuse core XOM --undo", "allow it again"),
    ),
    "dismiss": (("trader dismiss core", "plan from scratch again"),),
    "data": (
        ("trader data show XOM", "the last closes, and what a plan uses of them"),
        ("trader data show EUR --days 60", "the rates of a currency"),
        ("trader data accept XOM 2022-12-23", "the move of that day was real"),
        ("trader data accept XOM 2022-12-23 --undo", "take that back"),
    ),
    "dry-run": (
        ("trader dry-run core", "the bucket's own configuration"),
        ("trader dry-run core new.toml", "another one in its place"),
    ),
    "ab": (
        ("trader ab core current low-turnover", "what a preset would do better today"),
        ("trader ab core 3 current", "the file against version 3"),
        ("trader ab core current new.toml --json", "another file, for a program"),
        ("trader ab core current current --plugins-a off", "what your plugins change"),
    ),
    "config": (
        ("trader config check", "everything that is wrong, with file and line"),
        ("trader config edit core", "edit, see what changes, save"),
        ("trader config log core", "who changed what, when and why"),
        ("trader config rollback core 3", "back to version 3"),
        ("trader config show core", "every setting in force"),
    ),
    "preset": (
        ("trader preset list", "all presets"),
        ("trader preset show low-turnover", "a preset and its configuration"),
        ("trader preset apply low-turnover core", "make it the configuration of core"),
    ),
    "backup": (
        ("trader backup create", "into the current folder, named by the time"),
        ("trader backup verify backup.zip", "check it, change nothing"),
        ("trader backup restore backup.zip --replace", "an existing home is moved aside"),
    ),
    "modules": (
        ("trader modules list", "every module, by kind"),
        ("trader modules show profit_taking", "what it does, and its parameters"),
    ),
    "events": (
        ("trader events tail -f", "events as they happen"),
        ("trader events tail --bucket core --type PlanStored --since 7d", "plans of a week"),
        ("trader events verify", "was anything edited or lost?"),
        ("trader events export events.csv", "all of it as a table"),
    ),
    "metrics": (
        ("trader metrics core", "the cost of plans of core"),
        ("trader metrics --prometheus", "for node_exporter's textfile folder"),
    ),
    "plugin": (
        ("trader plugin list", "each plugin, its modules, and why it is not used"),
        ("trader plugin new my_momentum --kind opportunity", "a documented file, and its test"),
        ("trader plugin new --example faber_trend", "a trend filter to read and use"),
        ("trader plugin check my_momentum", "everything that is to fix, with its line"),
    ),
    "breakers": (
        ("trader breakers", "which modules are left out, why, until when"),
        ("trader breakers reset all", "use every module again at once"),
        ("trader breakers disable filters.diversity", "leave it out until it is reset"),
    ),
    "serve": (
        ("trader serve", "the API at the address of device.toml"),
        ("trader serve --port 9000", "at another port"),
    ),
    "web": (
        ("trader web show", "the address, and the fingerprint to compare"),
        ("trader web renew", "another key, if somebody may have read the old one"),
    ),
    "token": (
        ("trader token add phone", "print a token that may read and write"),
        ("trader token add panel --read", "one that may only read"),
        ("trader token list", "who has access, and when it was used last"),
        ("trader token revoke phone", "end it at once, open streams too"),
    ),
    "pair": (
        ("trader pair", "print a code of six digits; it holds for two minutes"),
        ("trader pair --close", "end it now"),
    ),
    "board": (
        ("trader board info", "the board of device.toml"),
        ("trader board info --port /dev/ttyACM0", "the board at this port"),
        ("trader board show", "the matrix, as the daemon draws it now"),
        ("trader board test --unattended", "only the checks that need no operator"),
        ("trader board monitor --seconds 10", "every packet of ten seconds"),
        ("trader board flash --dry-run", "show what would be done"),
    ),
    "service": (
        ("trader service install --user", "a user service; needs no root"),
        ("trader service install --dry-run", "show the files, write nothing"),
        ("trader service status --user", "its state"),
    ),
}
"""Command to example lines and their meaning."""


def example_lines(prog: str) -> list[str]:
    """Return the examples of a command, or of one action of it: `trader board info`."""
    command = prog.split()[1] if " " in prog else ""
    rows = [row for row in EXAMPLES.get(command, ()) if f"{row[0]} ".startswith(f"{prog} ")]
    width = max((len(line) for line, _ in rows), default=0)
    return [f"  {line:<{width}}  # {what}" for line, what in rows]
