"""What happened: the journal of this home, which daemon and commands write.

tail shows the last events, and with --follow those that come. verify checks that nothing was
edited, lost or left out. export writes them to a file, as JSON lines or as a table.

Exit code 0: done; 1: the journal is damaged, or could not be read; 2: the command line is wrong.
"""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from host.cli.home_option import open_home
from host.clock import utc_now
from host.errors import EXIT_DONE, EXIT_FAILED, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from host.cli.output import Output
    from host.home.home import Home
    from host.telemetry.journal.follower import RecordFilter
    from host.telemetry.journal.reader import Damage
    from host.telemetry.journal.record import JournalLine
    from host.telemetry.journal.verifier import Verification

SHOWN = 20
SHOWN_MAX = 100_000
POLL_S = 0.25
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
TRACE = re.compile(r"[0-9A-Za-z_-]{1,64}")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    tail = actions.add_parser("tail", help="the last events, and those that come")
    _add_filters(tail)
    tail.add_argument(
        "-n",
        dest="count",
        metavar="N",
        type=parse_count,
        help=f"how many (default: {SHOWN}, or all with --since)",
    )
    tail.add_argument("--follow", "-f", action="store_true", help="go on until Ctrl-C")
    tail.add_argument("--json", action="store_true", help="print one JSON object per line")
    tail.set_defaults(run=show_tail)
    verify = actions.add_parser("verify", help="look for edits, gaps and a lost end")
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    verify.set_defaults(run=verify_events)
    export = actions.add_parser("export", help="write events to FILE: .jsonl or .csv")
    export.add_argument("file", metavar="FILE", help="a new file, or - for standard output")
    _add_filters(export)
    export.add_argument(
        "--format", choices=("jsonl", "csv"), help="default: as FILE ends, or jsonl"
    )
    export.add_argument("--force", action="store_true", help="replace FILE if it is there")
    export.set_defaults(run=export_events)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bucket", metavar="BUCKET", action="append", default=[], help="of this bucket; repeatable"
    )
    parser.add_argument(
        "--type", metavar="TYPE", action="append", default=[], help="such as PlanStored; repeatable"
    )
    parser.add_argument(
        "--trace", metavar="ID", type=parse_trace, help="of this press; it may be cut"
    )
    parser.add_argument(
        "--since", metavar="WHEN", type=parse_since, help="2h, 7d, or a time like 2026-11-22T18:00"
    )


def show_tail(options: argparse.Namespace, output: Output) -> int:
    """Print events, and perhaps go on."""
    from host.telemetry.journal.follower import Follower, select

    home = _home(options)
    record_filter = _record_filter(options)
    count = options.count or (None if options.since else SHOWN)
    complaints = Complaints(output)
    lines, position = select(home.journal_dir, record_filter, complaints, count)
    shown = _print(lines, options, output)
    if not shown:
        _check_buckets(home, options.bucket)
        if output.is_seen and not options.follow:
            output.error("trader events: nothing of that kind is in the journal")
    if options.follow:
        follower = Follower(home.journal_dir, position, complaints)
        try:
            while not output.is_forsaken():
                output.flush()
                time.sleep(POLL_S)  # files of a network share tell nobody that they grew
                added = (line for line in follower.read() if record_filter(line.record))
                _print(added, options, output)
        except KeyboardInterrupt:
            return EXIT_DONE  # that is how it ends
    return complaints.exit_code


def verify_events(options: argparse.Namespace, output: Output) -> int:
    """Check the whole journal."""
    from host.telemetry.journal.reader import HEAD_NAME
    from host.telemetry.journal.verifier import verify_journal

    home = _home(options)
    found = verify_journal(home.journal_dir, home.state_dir / HEAD_NAME)
    if options.json:
        output.json(_verification(found))
    else:
        for line in _words(found):
            output.line(line)
    for damage in found.damage:
        output.error(f"trader events: {damage}")
    more = found.n_damaged - len(found.damage)
    if more > 0:
        output.error(f"trader events: and {more} more")
    return EXIT_DONE if found.is_sound else EXIT_FAILED


def export_events(options: argparse.Namespace, output: Output) -> int:
    """Write events to a file, entirely or not at all."""
    from host.telemetry.journal.export import write_lines
    from host.telemetry.journal.follower import select

    home = _home(options)
    record_filter = _record_filter(options)
    path, form = _target(options)
    complaints = Complaints(output)
    lines, _ = select(home.journal_dir, record_filter, complaints)
    if path is None:
        count = write_lines(lines, output.stdout, form)
    else:
        count = _write_file(path, lines, form)
        output.line(f"{count} events written to {path}")
    if not count:
        _check_buckets(home, options.bucket)
    return complaints.exit_code


class Complaints:
    """Says which lines could not be read, the first of them, and makes the exit code tell."""

    TOLD_MAX = 5

    def __init__(self, output: Output) -> None:
        self._output = output
        self._count = 0

    def __call__(self, damage: Damage) -> None:
        """Take a complaint."""
        self._count += 1
        if self._count <= self.TOLD_MAX:
            self._output.error(f"trader events: {damage} (see `trader events verify`)")

    @property
    def exit_code(self) -> int:
        """Return 1 when something was left out."""
        return EXIT_FAILED if self._count else EXIT_DONE


# --- the command line --------------------------------------------------------------------------


def parse_count(text: str) -> int:
    """Read how many."""
    if not text.isdecimal() or not 0 < int(text[:9]) <= SHOWN_MAX:
        message = f"{text[:40]!r}: say a number from 1 to {SHOWN_MAX}"
        raise argparse.ArgumentTypeError(message)
    return int(text[:9])


def parse_trace(text: str) -> str:
    """Read a trace id, or how one begins."""
    if not TRACE.fullmatch(text):
        message = f"{text[:40]!r} is no trace id (32 hexadecimal digits, or the first of them)"
        raise argparse.ArgumentTypeError(message)
    return text


def parse_since(text: str) -> datetime:
    """Read a time, or how long ago; a time without a zone is local."""
    now = utc_now()
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    try:
        if match:
            return now - timedelta(**{UNITS[match[2]]: int(match[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{text[:40]!r} is no time (write 30m, 2h, 7d, 2026-11-22 or 2026-11-22T18:00)"
        raise argparse.ArgumentTypeError(message) from None


def _home(options: argparse.Namespace) -> Home:
    home = open_home(options.home)
    home.require_home()
    return home


def _record_filter(options: argparse.Namespace) -> RecordFilter:
    from host.home.home import check_bucket_id
    from host.telemetry.events import EVENT_TYPES
    from host.telemetry.journal.follower import RecordFilter

    for name in options.type:
        if name not in EVENT_TYPES:
            hint = did_you_mean(name, sorted(EVENT_TYPES), otherwise="docs/events.md has all")
            raise UsageError(f"no event is of type {name!r:.80} ({hint})")
    buckets = frozenset(check_bucket_id(bucket_id) for bucket_id in options.bucket)
    return RecordFilter(buckets, frozenset(options.type), options.trace or "", options.since)


def _check_buckets(home: Home, buckets: list[str]) -> None:
    """Refuse a bucket that nothing was found of and that is not there; it may have been."""
    known = home.require_bucket_ids()
    for bucket_id in buckets:
        if bucket_id not in known:
            hint = did_you_mean(bucket_id, known, otherwise=f"there are: {', '.join(known)}")
            raise UsageError(f"no bucket {bucket_id!r:.80} in {home.root} ({hint})")


def _target(options: argparse.Namespace) -> tuple[Path | None, str]:
    """Return where to write to, None for standard output, and in which format."""
    from pathlib import Path

    if options.file == "-":
        return None, options.format or "jsonl"
    path = Path(options.file).expanduser()
    by_name = path.suffix.lower().removeprefix(".")
    form = options.format or {"json": "jsonl"}.get(by_name, by_name)
    if form not in ("jsonl", "csv"):
        raise UsageError(f"{path}: call it .jsonl or .csv, or say --format")
    if path.exists() and not options.force:
        raise UsageError(f"{path}: is there already (choose another name, or say --force)")
    return path, form


# --- what is printed ---------------------------------------------------------------------------


def _print(lines: Iterable[JournalLine], options: argparse.Namespace, output: Output) -> int:
    from host.telemetry.journal.export import json_line
    from host.telemetry.logs import human_line
    from host.text import printable

    count = 0
    today = date.today()  # noqa: DTZ011 - the day of whoever looks
    for line in lines:
        count += 1
        if options.json:
            output.line(json_line(line))
        else:
            with_day = line.record.timestamp.astimezone().date() != today
            text = human_line(_severity(line), line.record, with_day=with_day)
            output.line(printable(text))
    return count


def _severity(line: JournalLine) -> str:
    from host.telemetry.events import EVENT_TYPES

    known = EVENT_TYPES.get(line.record.event_type)
    severity = "INFO" if known is None else known.severity
    return "INFO" if severity == "DEBUG" else severity


def _write_file(path: Path, lines: Iterable[JournalLine], form: str) -> int:
    import os

    from host.home.storage.atomic_file import storage_error
    from host.telemetry.journal.export import write_lines

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            count = write_lines(lines, file, form)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage_error(path, "cannot be written", error) from error
    return count


def _verification(found: Verification) -> dict[str, object]:
    head = None
    if found.head is not None:
        head = {"n": found.head.count, "hash": found.head.last_hash}
    return {
        "sound": found.is_sound,
        "files": found.files,
        "records": found.records,
        "first": found.first,
        "last": found.last,
        "pruned_through": found.pruned_through,
        "head": head,
        "n_damaged": found.n_damaged,
        "damage": [asdict(damage) for damage in found.damage],
        "repairs": [
            {"n": repair.n, "at": repair.at, **dict(repair.data)} for repair in found.repairs
        ],
    }


def _words(found: Verification) -> list[str]:
    if not found.records and found.is_sound:
        return ["the journal is empty"]
    files = "1 file" if found.files == 1 else f"{found.files} files"
    state = "sound" if found.is_sound else "DAMAGED"
    lines = [f"{state}: {found.records} records, {found.first} to {found.last}, in {files}"]
    if found.pruned_through:
        lines.append(f"records up to {found.pruned_through} were removed because of their age")
    if found.head is not None:
        lines.append(f"safe on disk up to record {found.head.count}")
    else:
        lines.append("how far it was safe on disk is not known: state/journal.head is missing")
    for repair in found.repairs:
        cut, lost = repair.data.get("bytes_cut"), repair.data.get("records_lost")
        lines.append(f"{repair.at}: repaired: {cut} bytes cut off, {lost} records lost")
    return lines
