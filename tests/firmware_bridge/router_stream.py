"""A stream of MessagePack as arduino-router reads one: no delimiter, and no way back from an error.

It follows what its decoder was seen to do. A value that is no array is passed over, a length is
believed whatever it says, and a few codes end the connection.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import msgpack  # type: ignore[import-untyped]

DEPTH_MAX = 200  # ours: a generator within a generator; noise never got near it
KEPT_MAX = 1 << 16  # of a longer content only the end is waited for
TIME_EXTENSION = 0xFF
TIME_SIZES = {4, 8, 12}
CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
WIDTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}  # of the length of str and bin
BINARIES = {0xC4, 0xC5, 0xC6}

Steps = Generator[None, None, object]


class StreamBrokenError(Exception):
    """The decoder gave up: the router closes this connection."""


@dataclass(frozen=True)
class Text:
    """A msgpack str; bytes that are no UTF-8 pass through the router unharmed."""

    raw: bytes


class Stream:
    """Bytes in, values out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._values: list[object] = []
        self._steps = self._read_values()
        next(self._steps)

    def feed(self, data: bytes) -> list[object]:
        """Return the values that these bytes complete, or raise StreamBrokenError."""
        self._buffer += data
        next(self._steps)
        values, self._values = self._values, []
        return values

    def _read_values(self) -> Generator[None, None, None]:
        while True:
            value = yield from self._value(0)
            self._values.append(value)

    def _bytes(self, size: int) -> Generator[None, None, bytes]:
        """Wait for so many bytes, however many that is."""
        rest = bytearray()
        while True:
            n_taken = min(size, len(self._buffer))
            if len(rest) < KEPT_MAX:
                rest += self._buffer[:n_taken]
            del self._buffer[:n_taken]
            size -= n_taken
            if size == 0:
                return bytes(rest)
            yield

    def _number(self, size: int) -> Generator[None, None, int]:
        data = yield from self._bytes(size)
        return int.from_bytes(data, "big")

    def _value(self, depth: int) -> Steps:
        if depth > DEPTH_MAX:
            raise StreamBrokenError("too deep")
        head = yield from self._number(1)
        if head <= 0x7F or head >= 0xE0:
            return head if head <= 0x7F else head - 0x100
        if head in CONSTANTS:
            return CONSTANTS[head]
        if 0xCA <= head <= 0xD3:
            return (yield from self._scalar(head))
        if head in WIDTHS or 0xA0 <= head <= 0xBF:
            content = yield from self._content(head)
            return content if head in BINARIES else Text(content)
        if head <= 0x9F or 0xDC <= head <= 0xDF:
            return (yield from self._container(head, depth))
        return (yield from self._extension(head))

    def _scalar(self, head: int) -> Steps:
        if head <= 0xCB:
            yield from self._bytes(4 if head == 0xCA else 8)
            return 0.0
        size = 1 << ((head - 0xCC) % 4)
        data = yield from self._bytes(size)
        return int.from_bytes(data, "big", signed=head >= 0xD0)

    def _container(self, head: int, depth: int) -> Steps:
        size = head & 0x0F
        if head >= 0xDC:
            size = yield from self._number(4 if head % 2 else 2)
        is_map = head <= 0x8F or head >= 0xDE
        return (yield from (self._map if is_map else self._array)(size, depth))

    def _content(self, head: int) -> Generator[None, None, bytes]:
        """Read a str or bin after its head."""
        if 0xA0 <= head <= 0xBF:
            return (yield from self._bytes(head & 0x1F))
        return (yield from self._bytes((yield from self._number(WIDTHS[head]))))

    def _array(self, size: int, depth: int) -> Steps:
        items: list[object] = []
        for _ in range(size):
            item = yield from self._value(depth + 1)
            if len(items) < KEPT_MAX:
                items.append(item)
        return items

    def _map(self, size: int, depth: int) -> Steps:
        for _ in range(size):
            head = yield from self._number(1)
            if 0xA0 <= head <= 0xBF or head in WIDTHS:
                yield from self._content(head)
            elif head != 0xC0:
                raise StreamBrokenError(f"{head:#04x} is no length of a string")
            yield from self._value(depth + 1)
        return {}

    def _extension(self, head: int) -> Steps:
        """Only a time is known, in its three sizes; all others end the connection, c1 too."""
        if head == 0xC1:
            raise StreamBrokenError("unknown code c1")
        if head <= 0xC9:
            size = yield from self._number(1 << (head - 0xC7))
        else:
            size = 1 << (head - 0xD4)
        kind = yield from self._number(1)
        if kind != TIME_EXTENSION or size not in TIME_SIZES:
            raise StreamBrokenError(f"extension {kind} of {size} bytes")
        yield from self._bytes(size)
        return None


def pack(value: object) -> bytes:
    """Return a value as the router writes it again."""
    return bytes(msgpack.packb(_writable(value), unicode_errors="surrogateescape"))


def _writable(value: object) -> object:
    if isinstance(value, Text):
        return value.raw.decode("utf-8", "surrogateescape")
    if isinstance(value, list):
        return [_writable(item) for item in value]
    return value
