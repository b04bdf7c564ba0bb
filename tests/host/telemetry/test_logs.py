"""The log: harmless lines, levels at run time, bounded files, and no error for the caller."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.telemetry.events import DaemonStopped, PlanFailed
from host.telemetry.logs import (
    FILES,
    LINE_BYTES_MAX,
    LOG_NAME,
    LogFile,
    LogLevels,
    LogSink,
    Outlet,
    StreamLines,
    human_log_line,
    log_event,
    logging_to,
    otel_line,
    set_levels,
    severity_of,
)
from planner_core.events import StageCompleted

LOG = logging.getLogger("trader")


def logged(message: object, *args: object, as_json: bool = True) -> str:
    stream = io.StringIO()
    with logging_to(stream, as_json=as_json):
        LOG.warning(message, *args)
    return stream.getvalue()


@given(text=st.text(st.characters()))
def test_no_text_can_forge_a_line_or_move_the_cursor(text: str) -> None:
    record = logging.LogRecord("trader", logging.INFO, "", 0, "%s", (text,), None)
    line = otel_line(record)
    assert line.isascii()
    assert line.isprintable()
    json.loads(line)
    assert human_log_line(record).isprintable()


@pytest.mark.parametrize("as_json", [True, False])
def test_line_feeds_and_escape_sequences_stay_in_their_line(as_json: bool) -> None:
    text = logged("a\n12:00:00 core PlanStored\x1b[2J\x9b2J\r\u2028\u202eb", as_json=as_json)
    assert text.count("\n") == 1
    assert not {"\x1b", "\x9b", "\r", "\u2028", "\u202e"} & set(text)


def test_a_secret_in_a_message_is_left_out() -> None:
    assert "hunter2" not in logged("mqtt://me:hunter2@broker, token=%s", "hunter2")


def through_a_sink(*records: logging.LogRecord) -> list[str]:
    stream = io.StringIO()
    sink = LogSink([Outlet(StreamLines(stream), otel_line)])
    for record in records:
        sink.handle(record)
    sink.stop()
    return [json.loads(line)["Body"] for line in stream.getvalue().splitlines()]


def message(text: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("trader", logging.WARNING, "", 0, text, args, None)


def test_a_message_with_wrong_arguments_is_logged_all_the_same() -> None:
    (body,) = through_a_sink(message("three %d", "x"))
    assert "three %d" in body


def test_an_argument_that_raises_loses_only_its_own_line() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    bodies = through_a_sink(message("%s", Broken()), message("after"))
    assert bodies == ["after", "1 lines of the log were lost before this one"]


def test_an_exception_is_logged_in_the_names_of_opentelemetry() -> None:
    stream = io.StringIO()
    with logging_to(stream, as_json=True):
        try:
            int("no\nway")
        except ValueError:
            LOG.exception("it failed")
    content = json.loads(stream.getvalue())
    assert content["Attributes"]["exception.type"] == "ValueError"
    assert content["Attributes"]["exception.message"].endswith("'no\\nway'")
    assert "test_logs.py" in content["Attributes"]["exception.stacktrace"]


def test_a_line_has_a_bounded_length() -> None:
    line = logged("x" * 10**6)
    assert len(line) <= LINE_BYTES_MAX


def test_warnings_and_errors_of_libraries_are_logged_and_their_chatter_is_not() -> None:
    stream = io.StringIO()
    with logging_to(stream, as_json=True), warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.getLogger("asyncio").info("chatter")
        logging.getLogger("asyncio").error("a task failed")
        warnings.warn("old", stacklevel=1)
    scopes = [
        json.loads(line)["InstrumentationScope"]["Name"] for line in stream.getvalue().splitlines()
    ]
    assert scopes == ["asyncio", "py.warnings"]


@pytest.mark.parametrize(
    ("level", "severity"), [(5, "DEBUG"), (20, "INFO"), (30, "WARN"), (35, "WARN"), (50, "FATAL")]
)
def test_every_level_has_a_severity(level: int, severity: str) -> None:
    assert severity_of(level) == severity


def test_levels_change_at_run_time_and_other_buckets_are_reset() -> None:
    stream = io.StringIO()
    core = logging.getLogger("trader.bucket.core")
    with logging_to(stream, as_json=False):
        core.debug("one")
        set_levels(LogLevels("INFO", {"core": "DEBUG"}))
        core.debug("two")
        set_levels(LogLevels("ERROR"))
        core.warning("three")
    assert [word for word in ("one", "two", "three") if word in stream.getvalue()] == ["two"]


def test_a_closed_stream_stops_nothing(tmp_path: Path) -> None:
    stream = io.StringIO()
    stream.close()
    file = LogFile(tmp_path, 100_000)
    with logging_to(stream, as_json=False, file=file):
        LOG.warning("still here")
    assert "still here" in (tmp_path / LOG_NAME).read_text(encoding="utf-8")


def test_a_full_pipe_does_not_block_and_lost_lines_are_counted() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        sink = LogSink([Outlet(StreamLines(stream), human_log_line)], queue_max=100)
        for _ in range(3_000):
            sink.handle(message("x" * 2_000))
        assert sink.n_lost > 2_000
        drained = threading.Thread(target=drain, args=(reader,))
        drained.start()
        sink.stop(within_s=30)
    drained.join()


def drain(reader: int) -> None:
    while os.read(reader, 65_536):
        pass
    os.close(reader)


def test_lost_lines_are_reported_when_writing_works_again() -> None:
    stream = io.StringIO()
    sink = LogSink([Outlet(StreamLines(stream), human_log_line)])
    sink.n_lost = 7
    sink.handle(message("on again"))
    sink.handle(message("and on"))
    sink.stop()
    assert stream.getvalue().count("lines of the log were lost") == 1
    assert "7 lines of the log were lost" in stream.getvalue()


# --- files ---------------------------------------------------------------------------------------


def log_files(folder: Path) -> list[Path]:
    """Return the files of the log, oldest first."""
    aside = [folder / f"{LOG_NAME}.{number}" for number in range(FILES - 1, 0, -1)]
    return [path for path in (*aside, folder / LOG_NAME) if path.is_file()]


def test_full_files_are_set_aside_and_all_together_stay_within_the_limit(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "log", 8_000)
    for number in range(1_000):
        assert file.write(f"{number:>50}")
    file.close()
    paths = log_files(tmp_path / "log")
    assert len(paths) == FILES
    assert sum(path.stat().st_size for path in paths) <= 8_000
    lines = [int(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines == list(range(1_000))[-len(lines) :]
    assert all(path.stat().st_mode & 0o077 == 0 for path in paths)


def test_a_line_longer_than_a_file_is_cut(tmp_path: Path) -> None:
    file = LogFile(tmp_path, 4_000)
    assert file.write("x" * 10_000)
    assert (tmp_path / LOG_NAME).stat().st_size == 1_000


def test_a_full_disk_loses_and_counts_lines_and_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LogFile(tmp_path, 8_000)
    assert file.write("before")

    def half_then_full(descriptor: int, data: memoryview) -> int:
        if len(data) > 4:
            return real_write(descriptor, data[:4])
        raise OSError(28, "No space left on device")

    real_write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", half_then_full)
        assert not file.write("12345678")
        assert not file.write("no write for a moment")
    assert file.n_lost == 2
    monkeypatch.setattr("host.telemetry.logs.PAUSE_S", 0.0)
    file._paused_until_s = 0.0
    assert file.write("after")
    assert (tmp_path / LOG_NAME).read_text(encoding="utf-8") == "before\nafter\n"


def test_a_file_that_was_moved_is_opened_anew(tmp_path: Path) -> None:
    file = LogFile(tmp_path, 8_000)
    file.write("one")
    (tmp_path / LOG_NAME).rename(tmp_path / "elsewhere")
    file.write("two")
    assert (tmp_path / LOG_NAME).read_text(encoding="utf-8") == "two\n"


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / LOG_NAME).symlink_to(victim)
    assert not LogFile(tmp_path / "log", 8_000).write("theirs")
    assert victim.read_text(encoding="utf-8") == "mine"


def test_logging_restores_the_process() -> None:
    before = (logging.getLogger().handlers[:], threading.active_count(), sys.stderr)
    logged("x")
    assert (logging.getLogger().handlers[:], threading.active_count(), sys.stderr) == before


# --- events --------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FAILED = PlanFailed(
    timestamp=NOON, trace_id="ab" * 16, bucket_id="core", code="overrun", lines=("one", "two")
)
STAGE = StageCompleted(timestamp=NOON, bucket_id="core", trace_id="t", stage="value", elapsed_s=1.0)


def test_an_event_is_logged_in_the_names_of_opentelemetry() -> None:
    stream = io.StringIO()
    with logging_to(stream, as_json=True):
        log_event(FAILED)
    content = json.loads(stream.getvalue())
    assert content["Timestamp"] == "2026-11-22T12:00:00.000000+00:00"
    assert (content["SeverityText"], content["SeverityNumber"]) == ("ERROR", 17)
    assert content["EventName"] == "PlanFailed"
    assert content["TraceId"] == "ab" * 16
    assert content["Attributes"] == {
        "bucket_id": "core",
        "code": "overrun",
        "lines": ["one", "two"],
    }
    assert content["Body"] == "PlanFailed code=overrun lines=one; two"
    assert content["Resource"]["service.name"] == "arduino-trader"
    assert content["InstrumentationScope"] == {"Name": "trader.bucket.core"}


def test_a_line_for_people_has_bucket_type_data_and_trace() -> None:
    stream = io.StringIO()
    with logging_to(stream, as_json=False):
        log_event(FAILED)
    assert stream.getvalue().endswith(
        " ERROR core PlanFailed code=overrun lines=one; two [abababab]\n"
    )


def test_a_bucket_may_have_a_level_of_its_own() -> None:
    stream = io.StringIO()
    levels = LogLevels("WARN", {"core": "DEBUG", "other": "ERROR"})
    with logging_to(stream, as_json=False, levels=levels):
        log_event(DaemonStopped(timestamp=NOON))
        log_event(STAGE)
        log_event(FAILED)
    assert "StageCompleted" in stream.getvalue()
    assert "DaemonStopped" not in stream.getvalue()
