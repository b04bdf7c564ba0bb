"""The HTTP API under load: 50 event streams, a plan triggered 10 times a second, and the button."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from host.home.access.token_store import Right
from host.home.home import create_home
from host.operations.access import add_token
from host.simulation.appliance import EventLines, Simulation
from tools.benchmarks._api_check import (
    check_reads,
    check_streams,
    check_triggers,
    is_joined,
    lines_of_home,
    lost_presses,
    spans_of,
)
from tools.benchmarks._api_clients import Settings
from tools.chaos.promises import broken_promises
from tools.measure import NO_BYTECODE, ROOT, BenchmarkError, rss_mb

if TYPE_CHECKING:
    from host.simulation.appliance import SimulatedEvent
    from host.telemetry.journal.record import JournalLine
    from tools.benchmarks._api_check import PlanSpan, Report

CLIENTS = "tools.benchmarks._api_clients"
BUCKET = "core"
LOOPBACK = "127.0.0.1"
FULL = Settings(
    url="",
    bucket=BUCKET,
    streams=50,
    seconds=60.0,
    triggers_per_s=10.0,
    reads_per_s=2.0,
    reconnecting=5,
    reconnect_every_s=3.0,
)
QUICK = replace(FULL, streams=10, seconds=5.0, reconnecting=2, reconnect_every_s=1.0)
QUIET_S, QUIET_QUICK_S = 30.0, 4.0
"""Presses with the API off, and before and after the load."""
PRESS_S = 1.3
"""Between two presses: longer than a press, the wait for a second one, and a plan."""
WATCH_S = 0.05
SAMPLE_S = 0.25
SETTLE_S = 1.5
"""A journal without new records for so long: every plan is answered."""
END_S = 60.0
"""For the clients to get the last events, and to write their report."""
PROBLEMS_SHOWN = 5


def run(*, quick: bool = False) -> dict[str, object]:
    """Serve the demo's bucket `core` with `trader run`, `[web] enabled = true`, a virtual board.

    50 clients read event streams; five of them break off every three to four seconds, in the middle
    of what arrives, and resume with Last-Event-ID. One client requests a plan at each tenth of a
    second. One reads health, plans, events, metrics and configuration, twice a second. All are one
    other process on the same processors. The button is pressed every 1.3 s, before, during and
    after. Before that, the same presses at a daemon with the API off.

    seconds
        Of the load.
    p50_ms, p99_ms, max_ms
        Of the requests for a plan, from the moment at which one was due until its answer was read:
        what waits behind a late answer counts as late.
    answer_p50_ms, answer_p99_ms
        The same from the moment at which a request was sent.
    read_p50_ms, read_p99_ms
        Of the other requests, from the moment at which one was sent.
    event_p50_ms, event_p99_ms
        From the time of an event until a stream had it, over all streams, resumed ones included.
    errors, problems
        Answers with another status than documented, without an answer, that are not JSON, that name
        a plan which did not run then; two plans of the bucket at the same time; streams that break
        off, and events with another content than in the journal. And the first of them.
    events, events_lost, events_doubled, events_out_of_order
        In the journal during the load; and over all streams, compared with it by number.
    resumptions, streams_ended
        Streams that went on after an id; and those that the server ended.
    triggers, plans_joined, plans_made
        Requests for a plan, those that joined one under way, and stored plans, of presses as well.
    presses, lost_presses
        During the load; those that did not lead to a stored plan (or to another page of one).
    promises_broken
        As in the chaos benchmark, over the whole journal and all plans.
    ack_ms, ack_quiet_ms, ack_ratio, ack_max_ms
        Median from an edge of the button to its acknowledgement at the board, which waits for the
        disk; during the load, without it, and one over the other. And the longest during the load.
    frame_ms, frame_quiet_ms, frame_ratio
        The same from a stored plan to the acknowledgement of the frame that shows it.
    rss_mb, rss_off_mb, added_rss_mb
        Peak of the resident memory of all processes together, MiB: daemon, planner, API. Then that
        of the daemon with the API off, and the difference. Shared pages count in every process.
    rss_growth_mb
        From the second quarter of the load to the last one, means.
    load
        Mean number of processes that wanted a processor in the minute at the end.
    """
    os.environ.pop(NO_BYTECODE, None)
    settings, quiet_s = (QUICK, QUIET_QUICK_S) if quick else (FULL, QUIET_S)
    with tempfile.TemporaryDirectory() as folder:
        off = create_home(Path(folder) / "off", demo=True).home.root
        with Simulation(off) as appliance:
            without = Watch(appliance)
            without.press_for(quiet_s)
        home = create_home(Path(folder) / "on", demo=True).home
        token = add_token(home, "bench", Right.WRITE).text
        with served(home.root) as (appliance, url):
            report = Path(folder) / "report.json"
            settings = replace(settings, url=url, token=token)
            result = loaded(Watch(appliance), settings, report, quiet_s)
            appliance.stop_daemon()
            result["promises_broken"] = len(list(broken_promises(home.root)))
    rss_off_mb = max(without.figures.rss_mb)
    return {
        "seconds": settings.seconds,
        **result,
        "rss_off_mb": rss_off_mb,
        "added_rss_mb": result["rss_mb"] - rss_off_mb,
        "load": os.getloadavg()[0],
    }


@contextmanager
def served(home: Path) -> Iterator[tuple[Simulation, str]]:
    """Yield an appliance whose API answers, and the address of the API."""
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    settings = f"[web]\nenabled = true\nport = {port}\n"
    (home / "device.toml").write_text(settings, encoding="utf-8")
    with Simulation(home) as appliance:
        appliance.wait_for("daemon", "WebServerReady")
        yield appliance, f"http://{LOOPBACK}:{port}"


def loaded(watch: Watch, settings: Settings, file: Path, quiet_s: float) -> dict[str, Any]:
    """Measure the load, with a quiet time before and after it."""
    home, quiet = watch.appliance.home, watch.figures
    watch.press_for(quiet_s / 2)
    watch.settle()
    with closing(Clients(settings, file)) as clients:
        while not clients.has_said("open"):
            watch.watch_for(0.1)
        after = lines_of_home(home)[-1].entry.n
        under_load = watch.figures = Figures()
        clients.tell("go")
        watch.press_while(lambda: not clients.has_said("triggered"))
        watch.settle()
        lines = lines_of_home(home)
        clients.tell(f"until {lines[-1].entry.n}")
        report = clients.report()
    watch.figures = quiet
    watch.press_for(quiet_s / 2)
    watch.settle()
    later = [line for line in lines if line.entry.n > after]
    spans, overlaps = spans_of(later, report["first_s"])
    return {
        **answers(report, spans, overlaps),
        **streamed(report, lines, after),
        "presses": under_load.presses,
        "lost_presses": lost_presses(later, under_load.presses),
        **link_delays(under_load, quiet),
        **memory(under_load.rss_mb),
    }


def answers(
    report: Report, spans: Mapping[str, PlanSpan], overlaps: Sequence[str]
) -> dict[str, object]:
    """Return times and errors of all answers."""
    triggers, reads = report["triggers"], report["reads"]
    problems = [
        *check_triggers(triggers, spans),
        *overlaps,
        *check_reads(reads),
        *(error for stream in report["streams"] for error in stream["errors"]),
    ]
    late_ms = [(call["received_s"] - call["due_s"]) * 1e3 for call in triggers]
    answer_ms = [(call["received_s"] - call["sent_s"]) * 1e3 for call in triggers]
    read_ms = [(call["received_s"] - call["sent_s"]) * 1e3 for call in reads]
    return {
        "p50_ms": percentile(late_ms, 50),
        "p99_ms": percentile(late_ms, 99),
        "max_ms": max(late_ms),
        "answer_p50_ms": percentile(answer_ms, 50),
        "answer_p99_ms": percentile(answer_ms, 99),
        "read_p50_ms": percentile(read_ms, 50),
        "read_p99_ms": percentile(read_ms, 99),
        "errors": len(problems),
        "problems": problems[:PROBLEMS_SHOWN],
        "triggers": len(triggers),
        "reads": len(reads),
        "plans_joined": sum(is_joined(call) for call in triggers),
        "plans_made": sum(span.ending == "PlanStored" for span in spans.values()),
    }


def streamed(report: Report, lines: Sequence[JournalLine], after: int) -> dict[str, object]:
    """Return what the streams had, and when."""
    errors = check_streams(report, lines, after)
    delays_ms = [seconds * 1e3 for seconds in report["delays_s"]]
    return {
        "event_p50_ms": percentile(delays_ms, 50),
        "event_p99_ms": percentile(delays_ms, 99),
        "events": lines[-1].entry.n - after,
        "events_lost": errors.lost,
        "events_doubled": errors.doubled,
        "events_out_of_order": errors.out_of_order,
        "events_wrong": errors.wrong,
        "streams": len(report["streams"]),
        "resumptions": sum(stream["resumptions"] for stream in report["streams"]),
        "streams_ended": sum(stream["ended_by_server"] for stream in report["streams"]),
    }


def link_delays(under_load: Figures, quiet: Figures) -> dict[str, float]:
    """Return the delays of the link, and how much longer they are under load."""
    ack, ack_quiet = statistics.median(under_load.ack_s), statistics.median(quiet.ack_s)
    frame, frame_quiet = statistics.median(under_load.frame_s), statistics.median(quiet.frame_s)
    return {
        "ack_ms": ack * 1e3,
        "ack_quiet_ms": ack_quiet * 1e3,
        "ack_ratio": ack / ack_quiet,
        "ack_max_ms": max(under_load.ack_s) * 1e3,
        "frame_ms": frame * 1e3,
        "frame_quiet_ms": frame_quiet * 1e3,
        "frame_ratio": frame / frame_quiet,
        "frames": len(under_load.frame_s),
    }


def memory(rss_mb: Sequence[float]) -> dict[str, float]:
    """Return the peak, and the growth from the second quarter to the last one."""
    quarter = len(rss_mb) // 4
    growth_mb = fmean(rss_mb[3 * quarter :]) - fmean(rss_mb[quarter : 2 * quarter])
    return {"rss_mb": max(rss_mb), "rss_growth_mb": growth_mb}


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many percent of them do not exceed: one of them, never between."""
    return sorted(values)[-(-len(values) * percent // 100) - 1]


@dataclass
class Figures:
    """Measurements of an appliance during one phase."""

    presses: int = 0
    rss_mb: list[float] = field(default_factory=list)
    ack_s: list[float] = field(default_factory=list)
    frame_s: list[float] = field(default_factory=list)


class Watch:
    """Presses the button of an appliance, and watches its board, its daemon and its memory."""

    def __init__(self, appliance: Simulation) -> None:
        self.appliance = appliance
        self.figures = Figures()
        self._begun_s: dict[tuple[str, object], float] = {}
        self._next_press_s = self._next_sample_s = 0.0
        appliance.follow(self._on_event)

    def press_for(self, seconds: float) -> None:
        """Press again and again for this long."""
        until_s = time.monotonic() + seconds
        self.press_while(lambda: time.monotonic() < until_s)

    def press_while(self, condition: Callable[[], bool]) -> None:
        """Press again and again while something holds."""
        while condition():
            if time.monotonic() >= self._next_press_s:
                self.appliance.press()
                self.figures.presses += 1
                self._next_press_s = time.monotonic() + PRESS_S
            self.watch_for(WATCH_S)

    def watch_for(self, seconds: float) -> None:
        """Watch for this long, without a press."""
        self.appliance.pump_for(seconds)
        if time.monotonic() >= self._next_sample_s:
            assert self.appliance.daemon is not None
            self.figures.rss_mb.append(memory_mb(self.appliance.daemon.pid))
            self._next_sample_s = time.monotonic() + SAMPLE_S

    def settle(self) -> None:
        """Watch until the journal gets no new records: every plan is answered."""
        size, since_s = -1, time.monotonic()
        while time.monotonic() - since_s < SETTLE_S:
            self.watch_for(WATCH_S)
            files = (self.appliance.home / "journal").glob("*.jsonl")
            before, size = size, sum(path.stat().st_size for path in files)
            if size != before:
                since_s = time.monotonic()

    def _on_event(self, event: SimulatedEvent) -> None:
        record = event.record
        match event.kind:
            case "edge":
                self._begun_s["edge", record["event_id"]] = event.at_s
            case "edge_acked":
                self._note("edge", record["event_id"], event.at_s, self.figures.ack_s)
            case "PlanStored":
                self._begun_s["plan", record["trace_id"]] = time_of(record)
            case "FrameShown":
                self._note("plan", record["trace_id"], time_of(record), self.figures.frame_s)
            case _:
                pass

    def _note(self, kind: str, name: object, ended_s: float, times_s: list[float]) -> None:
        begun_s = self._begun_s.pop((kind, name), None)
        if begun_s is not None:
            times_s.append(ended_s - begun_s)


def time_of(record: Mapping[str, Any]) -> float:
    """Return the time of an event of the daemon, on its own clock."""
    return datetime.fromisoformat(record["timestamp"]).timestamp()


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process and all that it started, MiB."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return rss_mb(pid) + sum(memory_mb(int(child)) for child in children)
    except (OSError, BenchmarkError):
        return 0.0  # it ended at this moment, as what checks a configuration does


class Clients:
    """The process of the clients."""

    def __init__(self, settings: Settings, file: Path) -> None:
        self._file = file
        self._process = subprocess.Popen(
            (sys.executable, "-P", "-m", CLIENTS, str(file)),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self._lines = EventLines(self._process.stdout)
        self.tell(json.dumps(asdict(settings)))

    def tell(self, line: str) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def has_said(self, line: str) -> bool:
        """Return whether a line has come; BenchmarkError when the process has ended."""
        if self._process.poll() is not None:
            raise BenchmarkError(f"the clients ended with {self._process.returncode}")
        return line in self._lines.read()

    def report(self) -> dict[str, Any]:
        """Return the report, after the end."""
        if self._process.wait(END_S):
            raise BenchmarkError(f"the clients ended with {self._process.returncode}")
        content: dict[str, Any] = json.loads(self._file.read_bytes())
        return content

    def close(self) -> None:
        """End the process, if it has not ended."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
