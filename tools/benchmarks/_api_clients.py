"""Clients of the HTTP API, in a process of their own: streams, one that triggers, one that reads.

Called as `_api_clients.py REPORT`. Its settings come as one line of JSON on standard input. It
prints `open` when all streams are open, begins at the line `go`, and prints `triggered` when the
last trigger is answered. At the line `until N` it waits for event N on every stream, and writes
what it saw to the file REPORT.

Plain sockets: a client that costs little leaves the processor to the server.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import sys
import time
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

LINE_BYTES_MAX: Final = 2**22
"""A chunk has up to 200 events of the server."""
ANSWER_S: Final = 30.0
"""A request that takes longer is an error."""
SETTLE_S: Final = 15.0
"""For the last event to reach every stream."""
RECONNECT_S: Final = 0.2
"""Before a stream that the server ended is opened again."""
OK: Final = 200
TAIL: Final = 500
"""How far back the last event is looked for: a stray one may follow it."""
READS: Final = (
    "/planner/health/{bucket}",
    "/buckets/{bucket}/plans/latest",
    "/buckets/{bucket}/plans?n=5",
    "/events?n=50",
    "/metrics.json",
    "/buckets/{bucket}/config",
)


@dataclass(frozen=True)
class Settings:
    """The load: how many clients, how often, for how long."""

    url: str
    bucket: str
    streams: int
    seconds: float
    triggers_per_s: float
    reads_per_s: float
    reconnecting: int
    reconnect_every_s: float
    token: str = ""
    read_paths: Sequence[str] = READS


class Response(NamedTuple):
    """An answer: its status, its headers with names in lower case, and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One connection, with requests one after the other."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.url)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port
        self._token = settings.token
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    def close(self) -> None:
        """Hang up, without a word to the server."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def begin(self, method: str, path: str, **headers: str) -> Response:
        """Send a request without a body; return status and headers of the answer."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                self._host, self._port, limit=LINE_BYTES_MAX
            )
        assert self._reader is not None
        fields = {"Host": f"{self._host}:{self._port}", "Content-Length": "0", **headers}
        if self._token:
            fields["Authorization"] = f"Bearer {self._token}"
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
        await self._writer.drain()
        status = int((await self._reader.readline()).split()[1])
        answered: dict[str, str] = {}
        while line := (await self._reader.readline()).decode("latin-1").strip():
            name, _, value = line.partition(":")
            answered[name.lower()] = value.strip()
        return Response(status, answered, b"")

    async def request(self, method: str, path: str) -> Response:
        """Send a request and return its whole answer; OSError or ValueError for none."""
        try:
            async with asyncio.timeout(ANSWER_S):
                head = await self.begin(method, path)
                assert self._reader is not None
                body = await self._reader.readexactly(int(head.headers["content-length"]))
        except (OSError, EOFError, ValueError, KeyError, IndexError, TimeoutError):
            self.close()
            raise
        if head.headers.get("connection") == "close":
            self.close()
        return head._replace(body=body)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the chunks of the body until it ends."""
        assert self._reader is not None
        while size := int(await self._reader.readline(), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]


FAILURES: Final = (OSError, EOFError, ValueError, KeyError, IndexError, TimeoutError)


@dataclass
class StreamReport:
    """Events of one stream, and how it went."""

    numbers: array[int] = field(default_factory=lambda: array("q"))
    resumptions: int = 0
    ended_by_server: int = 0
    errors: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """Return the report as plain data."""
        return {
            "numbers": list(self.numbers),
            "resumptions": self.resumptions,
            "ended_by_server": self.ended_by_server,
            "errors": self.errors,
        }


class Streams:
    """Event streams, and what they have in common."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.reports = [StreamReport() for _ in range(settings.streams)]
        self.contents: dict[int, dict[str, str]] = {}
        """By number and digest of the bytes: the digest of the content."""
        self.delays_s = array("d")
        self.first_s: dict[int, float] = {}
        """When the first stream had an event."""
        self._timestamps: dict[int, float] = {}
        self._open = asyncio.Semaphore(0)

    async def wait_until_open(self) -> None:
        """Wait until the headers of every stream have arrived."""
        for _ in self.reports:
            await self._open.acquire()

    async def wait_until(self, n: int) -> None:
        """Wait until every stream has event n, but not for long."""
        end_s = time.monotonic() + SETTLE_S
        while any(n not in each.numbers[-TAIL:] for each in self.reports):
            if time.monotonic() >= end_s:
                return
            await asyncio.sleep(0.1)

    async def follow(self, at: int) -> None:
        """Read a stream forever; open it again where it broke off, as a browser does."""
        report = self.reports[at]
        # Not all of them at the same moment.
        period_s = self._settings.reconnect_every_s * (1 + at / len(self.reports))
        lasts_s = period_s if at < self._settings.reconnecting else math.inf
        while True:
            connection = Connection(self._settings)
            try:
                await self._read(connection, report, lasts_s)
            except FAILURES as error:
                report.errors.append(f"stream {at}: {type(error).__name__}: {error}"[:200])
                await asyncio.sleep(RECONNECT_S)
            finally:
                connection.close()

    async def _read(self, connection: Connection, report: StreamReport, lasts_s: float) -> None:
        """Read a stream until it ends, or break it off in the middle of what has arrived."""
        resume = {"Last_Event_ID": str(report.numbers[-1])} if report.numbers else {}
        head = await connection.begin("GET", "/events/stream", **resume)
        if head.status != OK:
            raise ValueError(f"status {head.status}")
        if resume:
            report.resumptions += 1
        else:
            self._open.release()
        end_s = time.monotonic() + lasts_s
        rest = b""
        async for chunk in connection.chunks():
            *frames, rest = (rest + chunk).split(b"\n\n")
            for frame in frames:
                if self._note(frame, report) and time.monotonic() >= end_s:
                    return
        report.ended_by_server += 1

    def _note(self, frame: bytes, report: StreamReport) -> bool:
        """Note an event; return False for `retry` and for a line that says it is alive."""
        if not frame.startswith(b"id: "):
            if frame.startswith((b"retry: ", b": ")):
                return False
            raise ValueError(f"not an event: {frame[:80]!r}")
        number, _, rest = frame.partition(b"\n")
        n = int(number[4:])
        digest = hashlib.sha256(rest).hexdigest()
        digests = self.contents.setdefault(n, {})
        if digest not in digests:
            kind, _, data = rest.partition(b"\ndata: ")
            record = json.loads(data)
            if (record["n"], f"event: {record['event_type']}".encode()) != (n, kind):
                raise ValueError(f"event {n} contradicts itself: {frame[:80]!r}")
            digests[digest] = digest_of(record)
            self._timestamps[n] = datetime.fromisoformat(record["timestamp"]).timestamp()
        report.numbers.append(n)
        self.first_s.setdefault(n, time.time())
        self.delays_s.append(time.time() - self._timestamps[n])
        return True


def digest_of(record: object) -> str:
    """Return a digest of the content of a record, however it is written."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


async def trigger(settings: Settings) -> list[dict[str, Any]]:
    """Request plans at fixed moments, and wait for each answer before the next request.

    A late answer makes the next requests late, and that counts: `due_s` is when it was to be sent.
    """
    connection = Connection(settings)
    calls: list[dict[str, Any]] = []
    path = f"/buckets/{settings.bucket}/plans"
    began_s, began = time.time(), time.monotonic()
    for number in range(round(settings.seconds * settings.triggers_per_s)):
        due = number / settings.triggers_per_s
        await asyncio.sleep(max(0.0, began + due - time.monotonic()))
        calls.append({"due_s": began_s + due, **await called(connection, "POST", path)})
    connection.close()
    return calls


async def read_often(settings: Settings, is_over: asyncio.Event) -> list[dict[str, Any]]:
    """Read what a person looks at, until the end."""
    connection = Connection(settings)
    calls: list[dict[str, Any]] = []
    while not is_over.is_set():
        path = settings.read_paths[len(calls) % len(settings.read_paths)]
        path = path.format(bucket=settings.bucket)
        calls.append({**await called(connection, "GET", path), "record": None})
        await asyncio.sleep(1 / settings.reads_per_s)
    connection.close()
    return calls


async def called(connection: Connection, method: str, path: str) -> dict[str, Any]:
    """Return what became of a request; `status` 0 when there was no answer."""
    sent_s = time.time()
    record: object = None
    error = ""
    try:
        response = await connection.request(method, path)
        status = response.status
        record = json.loads(response.body)
        if not isinstance(record, dict) or "schema_version" not in record:
            error = "not an object with schema_version"
    except FAILURES as problem:
        status, error = 0, f"{type(problem).__name__}: {problem}"[:200]
    received_s = time.time()
    return {
        "path": path,
        "sent_s": sent_s,
        "received_s": received_s,
        "status": status,
        "record": record,
        "error": error,
    }


async def load(settings: Settings) -> dict[str, Any]:
    """Play all clients; return what they saw."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    streams = Streams(settings)
    tasks = [asyncio.create_task(streams.follow(at)) for at in range(settings.streams)]
    await streams.wait_until_open()
    print("open", flush=True)
    assert await lines.readline() == b"go\n"
    is_over = asyncio.Event()
    reading = asyncio.create_task(read_often(settings, is_over))
    triggers = await trigger(settings)
    is_over.set()
    reads = await reading
    print("triggered", flush=True)
    await streams.wait_until(int((await lines.readline()).split()[1]))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return {
        "triggers": triggers,
        "reads": reads,
        "streams": [each.to_json() for each in streams.reports],
        "contents": {n: list(digests.values()) for n, digests in streams.contents.items()},
        "first_s": streams.first_s,
        "delays_s": sorted(streams.delays_s),
    }


if __name__ == "__main__":
    with open(0, "rb", buffering=0, closefd=False) as unbuffered:  # the loop reads the other lines
        settings = Settings(**json.loads(unbuffered.readline()))
    Path(sys.argv[1]).write_text(json.dumps(asyncio.run(load(settings))), encoding="utf-8")
