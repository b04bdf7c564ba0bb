"""`trader events`: show, verify and export the journal."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from host.cli.arguments import EVENTS_SHOWN
from host.cli.home_option import open_home
from host.errors import EXIT_DONE, EXIT_FAILED, UsageError, did_you_mean
from host.home.storage.atomic_file import storage_error
from host.operations.events import choose_records
from host.telemetry.events import EVENT_TYPES
from host.telemetry.journal.export import json_line, write_lines
from host.telemetry.journal.follower import Follower, select
from host.telemetry.journal.reader import HEAD_NAME
from host.telemetry.journal.verifier import verify_journal
from host.telemetry.logs import human_line
from host.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from host.cli.output import Output
    from host.home.home import Home
    from host.telemetry.journal.follower import RecordFilter
    from host.telemetry.journal.reader import Damage
    from host.telemetry.journal.record import JournalLine
    from host.telemetry.journal.verifier import Verification

POLL_S = 0.25


def show_tail(options: argparse.Namespace, output: Output) -> int:
    """Print events, and with --follow also new ones."""
    home = _home(options)
    record_filter = _record_filter(options)
    count = options.count or (None if options.since else EVENTS_SHOWN)
    damage = DamagePrinter(output)
    lines, position = select(home.journal_dir, record_filter, damage, count)
    shown = _print(lines, options, output)
    if not shown:
        _check_buckets(home, options.bucket)
        if output.is_terminal and not options.follow:
            output.error("trader events: no such event in the journal")
    if options.follow:
        follower = Follower(home.journal_dir, position, damage)
        try:
            while not output.is_closed():
                output.flush()
                time.sleep(POLL_S)  # a file on a network share may grow without a notification
                added = (line for line in follower.read() if record_filter(line.record))
                _print(added, options, output)
        except KeyboardInterrupt:
            return EXIT_DONE  # the normal end
    return damage.exit_code


def verify(options: argparse.Namespace, output: Output) -> int:
    """Check the whole journal."""
    home = _home(options)
    verification = verify_journal(home.journal_dir, home.state_dir / HEAD_NAME)
    if options.json:
        output.json(_verification_to_json(verification))
    else:
        for line in _verification_lines(verification):
            output.line(line)
    for place in verification.damage:
        output.error(f"trader events: {place}")
    more = verification.n_damaged - len(verification.damage)
    if more > 0:
        output.error(f"trader events: and {more} more")
    return EXIT_DONE if verification.is_sound else EXIT_FAILED


def export(options: argparse.Namespace, output: Output) -> int:
    """Write events to a file, entirely or not at all."""
    home = _home(options)
    record_filter = _record_filter(options)
    path, form = _target(options)
    damage = DamagePrinter(output)
    lines, _ = select(home.journal_dir, record_filter, damage)
    if path is None:
        count = write_lines(lines, output.stdout, form)
    else:
        count = _write_file(path, lines, form)
        output.line(f"{count} events written to {path}")
    if not count:
        _check_buckets(home, options.bucket)
    return damage.exit_code


class DamagePrinter:
    """Prints the first lines that could not be read; any makes the exit code 1."""

    PRINTED_MAX = 5

    def __init__(self, output: Output) -> None:
        self._output = output
        self._count = 0

    def __call__(self, damage: Damage) -> None:
        """Report a damaged line."""
        self._count += 1
        if self._count <= self.PRINTED_MAX:
            self._output.error(f"trader events: {damage} (see `trader events verify`)")

    @property
    def exit_code(self) -> int:
        """Return 1 if a line was left out."""
        return EXIT_FAILED if self._count else EXIT_DONE


# --- options -----------------------------------------------------------------------------------


def _home(options: argparse.Namespace) -> Home:
    home = open_home(options.home)
    home.require_home()
    return home


def _record_filter(options: argparse.Namespace) -> RecordFilter:
    return choose_records(options.bucket, options.type, options.trace, options.since)


def _check_buckets(home: Home, buckets: list[str]) -> None:
    """Refuse a bucket without events that does not exist; a removed one has events."""
    bucket_ids = home.require_bucket_ids()
    for bucket_id in buckets:
        if bucket_id not in bucket_ids:
            hint = did_you_mean(
                bucket_id, bucket_ids, otherwise=f"buckets: {', '.join(bucket_ids)}"
            )
            raise UsageError(f"no bucket {bucket_id!r:.80} in {home.root} ({hint})")


def _target(options: argparse.Namespace) -> tuple[Path | None, str]:
    """Return the path, None for standard output, and the format."""
    if options.file == "-":
        return None, options.format or "jsonl"
    path = Path(options.file).expanduser()
    by_name = path.suffix.lower().removeprefix(".")
    form = options.format or {"json": "jsonl"}.get(by_name, by_name)
    if form not in ("jsonl", "csv"):
        raise UsageError(f"{path}: name it .jsonl or .csv, or add --format")
    if path.exists() and not options.force:
        raise UsageError(f"{path}: exists already (choose another name, or add --force)")
    return path, form


# --- output -----------------------------------------------------------------------------------


def _print(lines: Iterable[JournalLine], options: argparse.Namespace, output: Output) -> int:
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
    event_type = EVENT_TYPES.get(line.record.event_type)
    severity = "INFO" if event_type is None else event_type.severity
    return "INFO" if severity == "DEBUG" else severity


def _write_file(path: Path, lines: Iterable[JournalLine], form: str) -> int:
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


def _verification_to_json(verification: Verification) -> dict[str, object]:
    head = None
    if verification.head is not None:
        head = {"n": verification.head.count, "hash": verification.head.last_hash}
    return {
        "sound": verification.is_sound,
        "files": verification.files,
        "records": verification.records,
        "first": verification.first,
        "last": verification.last,
        "pruned_through": verification.pruned_through,
        "head": head,
        "n_damaged": verification.n_damaged,
        "damage": [asdict(damage) for damage in verification.damage],
        "repairs": [
            {"n": repair.n, "at": repair.at, **dict(repair.data)} for repair in verification.repairs
        ],
    }


def _verification_lines(verification: Verification) -> list[str]:
    if not verification.records and verification.is_sound:
        return ["the journal is empty"]
    files = "1 file" if verification.files == 1 else f"{verification.files} files"
    state = "intact" if verification.is_sound else "DAMAGED"
    numbers = f"{verification.first} to {verification.last}"
    lines = [f"{state}: {verification.records} records, {numbers}, in {files}"]
    if verification.pruned_through:
        lines.append(
            f"records up to {verification.pruned_through} were removed because of their age"
        )
    if verification.head is not None:
        lines.append(f"safe on disk up to record {verification.head.count}")
    else:
        lines.append("how much is safe on disk is unknown: state/journal.head is missing")
    for repair in verification.repairs:
        cut, lost = repair.data.get("bytes_cut"), repair.data.get("records_lost")
        lines.append(f"{repair.at}: repaired: {cut} bytes cut off, {lost} records lost")
    return lines
