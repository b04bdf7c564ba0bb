"""The arguments of every command.

A function adds the arguments of one command; its docstring is the description that `--help` prints.
`run` names what runs it: a module of `host/cli/commands/` and a function there. `runs_modules` says
that it plans: it then runs in a process with the plugins of the home, if there are any. Nothing is
imported here that a command needs to run, so that `--help` and a wrong command line answer at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, Final

from host.cli.parser import plain_docstring
from host.cli.value_parsers import (
    number_parser,
    parse_amount,
    parse_date,
    parse_duration,
    parse_event_count,
    parse_plot_path,
    parse_proof_time,
    parse_reason,
    parse_refused_days,
    parse_since,
    parse_trace_id,
)

PLANS_SHOWN: Final = 20
PLANS_SHOWN_MAX: Final = 50
PROVE_S: Final = 10.0
REFUSED_DAYS: Final = 30
EVENTS_SHOWN: Final = 20
DAYS_SHOWN: Final = 20
DAYS_SHOWN_MAX: Final = 30_000
BUTTONS_MAX: Final = 8
PACKETS_MAX: Final = 1_000_000
PORT_MAX: Final = 65_535
BOARD_TIMEOUT_S: Final = 60.0

Actions = Any  # argparse has no public type for its sub-parsers


def init(parser: argparse.ArgumentParser) -> None:
    """Write a home: commented files to edit, or with --demo real prices and two example portfolios.

    Existing files are not changed, so it can be run again.
    """
    parser.add_argument(
        "--demo", action="store_true", help="add real daily prices and two example portfolios"
    )
    _add_json(parser)
    parser.set_defaults(run="init.run")


def demo(parser: argparse.ArgumentParser) -> None:
    """Run a demo without a board: the matrix is drawn here, and keys are its button.

    Without --home it uses a temporary demo home, so your own home is not touched. Space presses the
    button, q quits. With --once, or without a terminal, the button is pressed once and the result
    is printed. With --board avr the board is a Yun in a simulator, which executes the compiled
    firmware: the keys move its pin, and the matrix shows what it sends to its LED drivers.
    """
    parser.add_argument("--once", action="store_true", help="press once, print the result, end")
    parser.add_argument("--json", action="store_true", help="with --once: print one JSON object")
    parser.add_argument(
        "--board",
        choices=("virtual", "avr"),
        default="virtual",
        help="virtual: a simulated board (default); avr: the Yun's firmware in a simulator",
    )
    parser.set_defaults(run="demo.run")


def run(parser: argparse.ArgumentParser) -> None:
    """Serve the board: take presses, plan, show the plan on the matrix. Ends on SIGTERM or Ctrl-C.

    The port may be missing, disappear and come back: it is tried once a second. Events are printed
    on standard error, a line each, and kept in the home: log/ for a while, journal/ for long.
    systemd gets status messages if it wants them (see docs/service.md).
    """
    _add_port(parser)
    parser.add_argument(
        "--wait",
        action="store_true",
        help="wait for a home that is missing or not writable, and show that on the matrix",
    )
    parser.add_argument("--json", action="store_true", help="print events as JSON lines")
    parser.set_defaults(run="run.run")


def plan(parser: argparse.ArgumentParser) -> None:
    """Say what to buy and sell next, and why. It is advice; no order is sent.

    Every plan tries for 0.3 s to prove that it is the best one; --prove takes longer.
    --invest answers where new money goes: it plans as if the amount had come in today.
    --explain shows the effect of each step, the limits, and what would change the answer: a
    setting, a price, a fill in part.
    --front shows what 1 to 10 trades reach each, with a proof for each.
    --plot draws weights, risk and score before and after.
    --profile shows where the time goes.

    Exit code 0: a plan, or nothing to do. 1: no plan could be made (HELD), or something could not
    be written. 2: the command line, the configuration or the portfolio is wrong.
    """
    _add_bucket(parser)
    _add_json(parser)
    _add_request(parser)
    parser.add_argument(
        "--prove",
        metavar="SECONDS",
        type=parse_proof_time,
        nargs="?",
        const=PROVE_S,
        help=f"prove how good the plan is, in SECONDS instead of 0.3 (default: {PROVE_S:.0f})",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="show the effect of each step, the limits, and what would change the answer",
    )
    parser.add_argument(
        "--front", action="store_true", help="show what 1, 2, ... 10 trades reach each"
    )
    parser.add_argument(
        "--plot",
        metavar="FILE",
        type=parse_plot_path,
        help="draw the plan into a .png or .svg (needs matplotlib)",
    )
    parser.add_argument(
        "--profile", action="store_true", help="show where the time goes, stage by stage"
    )
    parser.add_argument(
        "--as-of",
        metavar="DATE",
        type=parse_date,
        help="plan for this day, without newer data (default: the portfolio's, else today)",
    )
    parser.add_argument(
        "--no-store", action="store_true", help="write nothing: neither the plan nor a version"
    )
    parser.set_defaults(run="plan.run", runs_modules=True)


def plans(parser: argparse.ArgumentParser) -> None:
    """List the stored plans of a bucket, newest first; with TRACE print that plan as JSON.

    The newest 200 plans of a bucket are kept. docs/plan-json.md explains the object.
    """
    _add_bucket(parser)
    parser.add_argument("trace", metavar="TRACE", nargs="?", help="its trace id, in full")
    parser.add_argument(
        "-n",
        dest="count",
        metavar="N",
        type=number_parser(1, PLANS_SHOWN_MAX),
        default=PLANS_SHOWN,
        help=f"how many (default: {PLANS_SHOWN}, at most {PLANS_SHOWN_MAX})",
    )
    _add_json(parser)
    parser.set_defaults(run="plans.run")


def health(parser: argparse.ArgumentParser) -> None:
    """Check the appliance: what is wrong, since when, and how to fix it.

    Works with or without a daemon, and writes nothing. `--live`: is the daemon's loop running?
    `--ready`: would a press give a plan? Exit code: 0 healthy (or live, or ready), 1 not.
    Every finding is explained in docs/health.md.
    """
    _add_bucket(parser, optional=True)
    question = parser.add_mutually_exclusive_group()
    question.add_argument("--live", action="store_true", help="only: is the daemon's loop running?")
    question.add_argument("--ready", action="store_true", help="only: would a press give a plan?")
    _add_json(parser)
    parser.set_defaults(run="health.run")


def refuse(parser: argparse.ArgumentParser) -> None:
    """Refuse a trade: the next plans are made without it, until it expires or is taken back.

    Without --side: the side in the newest plan, or both if it does not trade the security. A
    refusal also applies to repairs: a sell you refused is not used to raise missing cash.
    """
    _add_bucket(parser)
    parser.add_argument("security", metavar="SECURITY", nargs="?", help="its id in the portfolio")
    parser.add_argument("--side", choices=("buy", "sell"), help="refuse only this side")
    parser.add_argument(
        "--days",
        metavar="N",
        type=parse_refused_days,
        default=REFUSED_DAYS,
        help=f"days from the portfolio's day on (default: {REFUSED_DAYS})",
    )
    parser.add_argument(
        "--reason", metavar="TEXT", type=parse_reason, default="", help="reason; it is shown later"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--undo", action="store_true", help="take a refusal back")
    what.add_argument("--list", action="store_true", help="show what is refused")
    _add_json(parser)
    parser.set_defaults(run="refuse.run")


def dismiss(parser: argparse.ArgumentParser) -> None:
    """Give up the plan you began to carry out: the next plan is made without it.

    A plan is begun when its first step is in the ledger. Until it expires, another plan has to be
    better by the minimum gain. Dismissing ends that at once. Trades already made stay made.
    """
    _add_bucket(parser)
    _add_json(parser)
    parser.set_defaults(run="dismiss.run")


def data(parser: argparse.ArgumentParser) -> None:
    """Accept a move of a price or a rate, and show what a plan uses of a series.

    A move that is larger than the volatility explains is not believed until you accept it. If it
    was a split, write it into market/corporate_actions.csv instead.

    accept holds for every bucket. It adds a line to market/accepted_moves.csv, which is its own
    history. docs/data.md explains the rules.
    """
    actions = _actions(parser)
    accept = _action(actions, "accept", "data.accept", "accept a move as real, for every bucket")
    show = _action(
        actions, "show", "data.show", "show the values of a series, their flags and what is used"
    )
    for action in (accept, show):
        action.add_argument(
            "name", metavar="SECURITY|CURRENCY", help="a security's id, or a foreign currency"
        )
        action.add_argument(
            "--bucket", metavar="BUCKET", help="look it up in this bucket (default: in all)"
        )
    accept.add_argument(
        "date", metavar="DATE", type=parse_date, help="the day of the close after the move"
    )
    accept.add_argument("--undo", action="store_true", help="take an acceptance back")
    show.add_argument(
        "--days",
        metavar="N",
        type=number_parser(1, DAYS_SHOWN_MAX),
        default=DAYS_SHOWN,
        help=f"how many days (default: {DAYS_SHOWN})",
    )


def dry_run(parser: argparse.ArgumentParser) -> None:
    """Try a configuration without saving it: its modules, its number of sequences, its cost.

    FILE is any TOML, by default the bucket's own. Nothing is written, not even bytecode. Exit code
    0: valid. 1: valid, but the data are not enough for a plan. 2: not valid.
    """
    _add_bucket(parser)
    parser.add_argument("file", metavar="FILE", nargs="?", help="a TOML file to try instead")
    _add_json(parser)
    _add_request(parser)
    parser.set_defaults(run="dry_run.run", runs_modules=True)


def ab(parser: argparse.ArgumentParser) -> None:
    """Compare two configurations on today's state: both plans, and which one is better.

    A and B are each a version (`3` or `v3`), the bucket's file (`current`), a preset's id, or a
    TOML file. Where the two objectives differ, their scores do not compare: each plan is scored by
    both. A difference below the least gain is a tie. Nothing is written, not even bytecode.

    Exit code 0: both have a plan. 1: one has none. 2: a configuration is not valid, or the command
    line is wrong. docs/ab.md explains the answer.
    """
    _add_bucket(parser)
    for name in ("a", "b"):
        text = "a version, `current`, a preset or a TOML file"
        parser.add_argument(name, metavar=name.upper(), help=text)
    for name in ("a", "b"):
        parser.add_argument(
            f"--plugins-{name}",
            choices=("on", "off"),
            help=f"plan {name.upper()} with or without plugins (default: as every plan)",
        )
    _add_json(parser)
    _add_request(parser)
    parser.set_defaults(run="ab.run", runs_modules=True)


def config(parser: argparse.ArgumentParser) -> None:
    """Check, show and edit the configurations of buckets, and their versions."""
    actions = _actions(parser)
    check = _action(
        actions,
        "check",
        "config.check",
        "list everything that is wrong in configuration, portfolio, ledger and market data",
    )
    _add_bucket(check, optional=True)
    show = _action(actions, "show", "config.show", "show every setting in force, or a version")
    _add_bucket(show)
    show.add_argument(
        "number", metavar="N", nargs="?", type=int, help="show this version's text instead"
    )
    log = _action(actions, "log", "config.show_log", "show the history of versions")
    _add_bucket(log)
    commit = _action(
        actions, "commit", "config.commit_file", "check the edited file and make it a version"
    )
    _add_bucket(commit)
    commit.add_argument(
        "--reason", help="reason for the change (default: `# reason:` in its first lines)"
    )
    diff = _action(
        actions, "diff", "config.show_diff", "compare two versions, or the file with a version"
    )
    _add_bucket(diff)
    for name in ("a", "b"):
        text = "a version, or `file` (default: the active version against the file)"
        diff.add_argument(name, metavar=name.upper(), nargs="?", help=text)
    diff.add_argument(
        "--plan",
        dest="runs_modules",
        action="store_true",
        help="also compare today's plans, as `trader ab` does",
    )
    rollback = _action(
        actions, "rollback", "config.roll_back", "make an old version the newest one"
    )
    _add_bucket(rollback)
    rollback.add_argument("number", metavar="N", type=int, help="the version to return to")
    edit = _action(actions, "edit", "config.edit", "edit in $EDITOR, show what changes, save")
    _add_bucket(edit)
    for action in (rollback, edit):
        action.add_argument("--reason", help="reason for the change (asked for if missing)")
        action.add_argument("--yes", action="store_true", help="do not ask")
    verify = _action(
        actions, "verify", "config.verify", "check every version's hash, set damage aside"
    )
    _add_bucket(verify, optional=True)
    schema = actions.add_parser(
        "schema", help="print the JSON Schema of a kind of file, for editors"
    )
    schema.add_argument(
        "kind",
        metavar="KIND",
        nargs="?",
        default="bucket",
        choices=("bucket", "device", "portfolio"),
        help="bucket (the default; presets too), device or portfolio",
    )
    schema.set_defaults(run="config.show_schema")


def preset(parser: argparse.ArgumentParser) -> None:
    """List, apply, save and share presets: named configurations, shipped and your own."""
    actions = _actions(parser)
    listing = _action(actions, "list", "preset.show_list", "list the available presets")
    listing.add_argument("--tag", help="only presets with this tag")
    show = _action(actions, "show", "preset.show", "show a preset and its configuration")
    save = _action(actions, "save", "preset.save", "save a bucket's configuration as a preset")
    _add_bucket(save)
    apply = _action(actions, "apply", "preset.apply", "make a preset the configuration of a bucket")
    import_ = _action(actions, "import", "preset.import_file", "add a preset from a file")
    export = _action(
        actions, "export", "preset.export_file", "write a preset as one file with its checksum"
    )
    rate = _action(actions, "rate", "preset.rate", "rate a preset")
    for action in (show, save, apply, export, rate):
        action.add_argument("id", metavar="ID", help="such as low-turnover")
    _add_bucket(apply)
    import_.add_argument("file", metavar="FILE", help="a file written by `trader preset export`")
    export.add_argument("file", metavar="FILE", help="the new file")
    rate.add_argument("rating", metavar="1-5", type=int, help="your rating; 5 is best")
    save.add_argument("--name", help="name in the list (default: ID)")
    save.add_argument("--description", help="what it is for, in one line")
    save.add_argument("--author", help='who made it (default: "me")')
    save.add_argument("--tag", action="append", default=[], help="a tag to filter by; repeatable")
    apply.add_argument("--yes", action="store_true", help="do not ask")
    apply.add_argument("--reason", help="reason for the change (asked for if missing)")


def backup(parser: argparse.ArgumentParser) -> None:
    """Save the home as one file, or restore it. Secrets are left out unless you ask for them.

    A backup can be made while the appliance runs. A restore checks everything before it changes the
    home, and moves the old one aside.
    """
    actions = _actions(parser)
    create = actions.add_parser("create", help="save the home as one file")
    create.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        default=".",
        help="a new file, or a folder for one named by the time (default: the current folder)",
    )
    create.add_argument(
        "--with-secrets", action="store_true", help="include tokens, passwords and keys"
    )
    create.set_defaults(run="backup.create")
    verify = actions.add_parser("verify", help="check a backup, change nothing")
    verify.set_defaults(run="backup.verify")
    restore = actions.add_parser("restore", help="make a backup the home")
    restore.add_argument("--replace", action="store_true", help="move an existing home aside")
    restore.set_defaults(run="backup.restore")
    for action in (verify, restore):
        action.add_argument("file", metavar="FILE", help="written by `trader backup create`")
    for action in (create, verify, restore):
        _add_json(action)


def modules(parser: argparse.ArgumentParser) -> None:
    """List the modules of the planner, or show what one does and takes."""
    actions = _actions(parser)
    _action(actions, "list", "modules.show_list", "list every module, by kind")
    show = _action(actions, "show", "modules.show", "show what a module does, and its parameters")
    show.add_argument("name", metavar="NAME", help="as in the TOML, or with its kind: kind.name")


def plugin(parser: argparse.ArgumentParser) -> None:
    """Modules of your own, in plugins/*.py of this home and in installed packages.

    new writes a documented file with its test, or copies an example. check runs a file in every
    sample state, in processes that may be killed, and says what to fix. list shows every plugin and
    why it is not used.

    They are off until `[plugins] enabled = true` in device.toml, because they run with all your
    rights. docs/plugins.md has the rules.

    Exit code 0: done; 1: a plugin that should be loaded cannot be, or a check failed, with the
    reason; 2: the command line is wrong.
    """
    actions = _actions(parser)
    _action(actions, "list", "plugin.show_list", "list every plugin, its modules and its state")
    new = _action(actions, "new", "plugin.create", "write a documented plugin with its test")
    new.add_argument(
        "name", metavar="NAME", nargs="?", help="of the module: lower case letters, digits and _"
    )
    new.add_argument(
        "--kind",
        choices=("opportunity", "pattern", "sequence", "filter"),
        help="reasons to trade, sets of trades, a search, or a filter",
    )
    new.add_argument(
        "--example", metavar="EXAMPLE", help="copy this example instead; `trader plugin examples`"
    )
    new.add_argument("--no-test", action="store_true", help="write no test beside it")
    check = _action(actions, "check", "plugin.check", "check a file in every sample state")
    check.add_argument("file", metavar="FILE", help="a path, or the name of a file in plugins/")
    _action(actions, "examples", "plugin.show_examples", "list the plugins that you can copy")


def events(parser: argparse.ArgumentParser) -> None:
    """Show the journal of this home: everything that daemon and commands did.

    tail shows the last events, and with --follow also new ones. verify checks that nothing was
    edited, lost or left out. export writes them to a file, as JSON lines or as a table.

    Exit code 0: done; 1: the journal is damaged, or could not be read; 2: the command line is
    wrong.
    """
    actions = _actions(parser)
    tail = actions.add_parser("tail", help="show the last events, and new ones")
    _add_event_filters(tail)
    tail.add_argument(
        "-n",
        dest="count",
        metavar="N",
        type=parse_event_count,
        help=f"how many (default: {EVENTS_SHOWN}, or all with --since)",
    )
    tail.add_argument("--follow", "-f", action="store_true", help="continue until Ctrl-C")
    tail.add_argument("--json", action="store_true", help="print one JSON object per line")
    tail.set_defaults(run="events.show_tail")
    _action(actions, "verify", "events.verify", "look for edits, gaps and a lost end")
    export = actions.add_parser("export", help="write events to FILE: .jsonl or .csv")
    export.add_argument("file", metavar="FILE", help="a new file, or - for standard output")
    _add_event_filters(export)
    export.add_argument(
        "--format", choices=("jsonl", "csv"), help="default: by FILE's ending, else jsonl"
    )
    export.add_argument("--force", action="store_true", help="replace an existing FILE")
    export.set_defaults(run="events.export")


def metrics(parser: argparse.ArgumentParser) -> None:
    """Show the time and memory of plans: per module and stage, with sequences and link.

    Counted by the daemon and by `trader plan` in state/metrics.json. docs/metrics.md explains each
    figure. `trader plan BUCKET --profile` shows where the time of one plan goes.
    """
    _add_bucket(parser, optional=True)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument(
        "--prometheus", action="store_true", help="print Prometheus' text format 0.0.4"
    )
    parser.set_defaults(run="metrics.run")


def breakers(parser: argparse.ArgumentParser) -> None:
    """Show the modules that are left out for now, since when and why, and when they are retried.

    A module that fails in three plans in a row, or crashes the planner's process once, is left out
    for 5 minutes. Then one plan tries it. Each failed trial doubles the wait, up to an hour.
    docs/breakers.md has the rules.
    """
    _add_json(parser)
    parser.set_defaults(run="breakers.show_list")
    actions = parser.add_subparsers(metavar="[ACTION]")
    reset = actions.add_parser("reset", help="use a module again at once")
    reset.add_argument("key", metavar="KEY", help="a module, as the list shows it; or `all`")
    reset.set_defaults(run="breakers.reset")
    disable = actions.add_parser("disable", help="leave a module out until it is reset")
    disable.add_argument("key", metavar="KEY", help="a module, as `trader modules list` shows it")
    disable.set_defaults(run="breakers.disable")


def serve(parser: argparse.ArgumentParser) -> None:
    """Serve the HTTP API of this home. Ends on SIGTERM or Ctrl-C.

    With `[web] enabled = true` in device.toml the daemon does this by itself. docs/api.md lists the
    routes. It needs the extra `web`: pip install 'arduino-trader[web]'.
    """
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        help="to listen on; beyond this computer with TLS (default: web.host in device.toml)",
    )
    parser.add_argument(
        "--port",
        metavar="N",
        type=number_parser(1, PORT_MAX),
        help="TCP port (default: web.port in device.toml)",
    )
    # For the daemon, which starts this command: it ends with the daemon, and before it.
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run="serve.run")


def web(parser: argparse.ArgumentParser) -> None:
    """Show how the HTTP API can be reached, and with which certificate; renew the certificate.

    The certificate is made by this computer at the first start with TLS. Compare its fingerprint
    with what a device shows when it connects for the first time.
    """
    actions = _actions(parser)
    _action(actions, "show", "web.show", "show address, fingerprint and number of tokens")
    _action(actions, "renew", "web.renew", "make another key and certificate")


def token(parser: argparse.ArgumentParser) -> None:
    """Add, list and revoke the tokens of the HTTP API.

    Everything that changes something needs a token; from another computer, reading does too. A
    token is shown once. Only its hash is stored. docs/api.md explains who can do what.
    """
    actions = _actions(parser)
    add = _action(actions, "add", "token.add", "add a token for a device, and print it")
    add.add_argument("name", metavar="NAME", help="of the device, such as phone")
    add.add_argument("--read", action="store_true", help="it may read, and change nothing")
    _action(actions, "list", "token.show_list", "list the tokens with right and last use")
    revoke = _action(actions, "revoke", "token.revoke", "withdraw a token at once")
    revoke.add_argument("name", metavar="NAME", help="as the list shows it")


def pair(parser: argparse.ArgumentParser) -> None:
    """Let a device pair with the HTTP API: print a code that gives it a token.

    The code holds for two minutes and five tries, and gives one token. With a board, hold its
    button for 5 s instead: the matrix shows the code.
    """
    parser.add_argument("--close", action="store_true", help="end the pairing before its time")
    _add_json(parser)
    parser.set_defaults(run="pair.run")


def board(parser: argparse.ArgumentParser) -> None:
    """Inspect the board, test it, trace its link, install its firmware.

    A daemon that serves the board holds its port: stop it first. Only `show` asks the daemon.
    """
    actions = _actions(parser)
    info = _action(
        actions, "info", "board.show_info", "show kind, firmware, display and quality of the link"
    )
    _add_port(info)
    _action(actions, "show", "board_show.run", "show the matrix, as the daemon draws it now")
    test = _action(
        actions,
        "test",
        "board_self_test.run",
        "run a guided self-test: matrix, LEDs, buttons, link",
    )
    _add_port(test)
    test.add_argument(
        "--unattended", action="store_true", help="ask nothing; use only the board's confirmations"
    )
    test.add_argument(
        "--buttons",
        type=number_parser(0, BUTTONS_MAX),
        metavar="N",
        help="number of buttons to test (default: 2 on a Yun or Uno Q; none with --unattended)",
    )
    test.add_argument(
        "--timeout",
        type=parse_duration,
        default=BOARD_TIMEOUT_S,
        metavar="S",
        help=f"seconds to wait for each answer and press (default: {BOARD_TIMEOUT_S:g})",
    )
    monitor = actions.add_parser("monitor", help="show every packet, in both directions")
    _add_port(monitor)
    monitor.add_argument("--json", action="store_true", help="print one JSON object per line")
    monitor.add_argument("--seconds", type=parse_duration, metavar="S", help="end after this time")
    monitor.add_argument(
        "--count",
        type=number_parser(1, PACKETS_MAX),
        metavar="N",
        help="end after this many packets",
    )
    monitor.set_defaults(run="board_monitor.run")
    flash = _action(
        actions, "flash", "board_flash.run", "install the firmware that came with this version"
    )
    flash.add_argument(
        "--board",
        choices=("yun", "uno-q"),
        help="the kind of board (default: by link.carrier in device.toml)",
    )
    flash.add_argument("--port", metavar="PATH", help="the Yun on USB (default: the only one)")
    flash.add_argument(
        "--image", metavar="FILE", help="flash this Intel HEX file instead of the shipped one"
    )
    flash.add_argument("--app", metavar="DIR", help="Uno Q: write the app to this new folder")
    flash.add_argument("--dry-run", action="store_true", help="show what would be done")
    flash.add_argument("--yes", action="store_true", help="do not ask before writing")


def service(parser: argparse.ArgumentParser) -> None:
    """Set up the appliance as a systemd service, and show its state.

    `install` writes the unit files and prints the commands that start it; `--dry-run` only prints
    the files. `status` shows whether they are installed and current, and the state in systemd.
    docs/service.md explains it step by step.
    """
    actions = _actions(parser)
    install = actions.add_parser(
        "install", help="write the unit files", description=plain_docstring(service.__doc__)
    )
    install.add_argument("--dry-run", action="store_true", help="print, write nothing")
    install.set_defaults(run="service.install")
    status = actions.add_parser(
        "status",
        help="show whether it is installed and running",
        description=plain_docstring(service.__doc__),
    )
    _add_json(status)
    status.set_defaults(run="service.show_status")
    for action in (install, status):
        action.add_argument(
            "--user", action="store_true", help="install a user service; needs no root"
        )
        action.add_argument(
            "--for", dest="login", metavar="NAME", help="the user that the service runs as"
        )
        action.add_argument("--root", metavar="DIR", help="write under DIR instead of /")


CONFIGURE: Final[Mapping[str, Callable[[argparse.ArgumentParser], None]]] = {
    "init": init,
    "demo": demo,
    "run": run,
    "plan": plan,
    "plans": plans,
    "health": health,
    "refuse": refuse,
    "dismiss": dismiss,
    "data": data,
    "dry-run": dry_run,
    "ab": ab,
    "config": config,
    "preset": preset,
    "backup": backup,
    "modules": modules,
    "plugin": plugin,
    "events": events,
    "metrics": metrics,
    "breakers": breakers,
    "serve": serve,
    "web": web,
    "token": token,
    "pair": pair,
    "board": board,
    "service": service,
}
"""The function that adds the arguments of a command."""

# --- arguments that commands share ----------------------------------------------------------------


def _add_bucket(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    parser.add_argument(
        "bucket",
        metavar="BUCKET",
        nargs="?" if optional else None,
        help="a bucket of the home, such as core" + (" (default: all of them)" if optional else ""),
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_request(parser: argparse.ArgumentParser) -> None:
    """Add the options that change what a plan is made for, and no file."""
    parser.add_argument(
        "--invest",
        metavar="AMOUNT",
        type=parse_amount,
        help="plan as if this amount of the base currency had come in today: 500 or 500EUR",
    )
    parser.add_argument("--buy-only", action="store_true", help="plan without sells")


def _add_port(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port",
        metavar="PATH",
        help="serial device, or a router's .sock (default: link.port in device.toml)",
    )


def _add_event_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bucket",
        metavar="BUCKET",
        action="append",
        default=[],
        help="only events of this bucket; repeatable",
    )
    parser.add_argument(
        "--type",
        metavar="TYPE",
        action="append",
        default=[],
        help="only events of this type, such as PlanStored; repeatable",
    )
    parser.add_argument(
        "--trace",
        metavar="ID",
        type=parse_trace_id,
        help="only events of this press; a prefix is enough",
    )
    parser.add_argument(
        "--since",
        metavar="WHEN",
        type=parse_since,
        help="only events after 2h or 7d ago, or a time like 2026-11-22T18:00",
    )


def _actions(parser: argparse.ArgumentParser) -> Actions:
    return parser.add_subparsers(metavar="ACTION", required=True)


def _action(actions: Actions, name: str, run: str, summary: str) -> argparse.ArgumentParser:
    """Add an action with `--json`."""
    parser: argparse.ArgumentParser = actions.add_parser(name, help=summary)
    _add_json(parser)
    parser.set_defaults(run=run)
    return parser
