"""The messages of the link: the one table from which PROTOCOL.md and protocol.h are generated.

A body is one msgpack array of exactly the fields below, in this order, each value in its shortest
form, and nothing after it::

    HEARTBEAT of session 7        91      07
                                  array   session_id
                                  of 1

So each message has one encoding, and a body that passes the CRC by chance is still rejected. HELLO
and HELLO_REPLY never change, so that two versions can always recognize each other.

A kind of field checks our own values, decodes those of the peer, and describes itself for
PROTOCOL.md and the C header. There are only unsigned integers and byte strings: the firmware's
reader has no text, floats or maps.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Protocol, TypeAlias, get_type_hints

import msgpack  # type: ignore[import-untyped]  # it ships no types

from firmware_bridge.errors import MessageError, PacketError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1

ROWS = 8
COLUMNS = 13
LEVELS = 8
PACKED_SIZE = ROWS * COLUMNS // 2

BODY_MAX = 120
ARITY_MAX = (
    15  # an array of up to 15 values has a header of one byte; the firmware reads only those
)
BRIGHTNESS_MAX = 15
BUTTONS_MAX = 8
EVENT_QUEUE_SIZE = 16

MILLISECONDS = 1000
CLOCK_MASK = 0xFFFF_FFFF  # the board's clock is a u32 that wraps


class Direction(Enum):
    """Direction of a message."""

    TO_BOARD = "host to board"
    TO_HOST = "board to host"


class Board(IntEnum):
    """Kinds of board."""

    VIRTUAL = 0
    UNO_Q = 1
    YUN = 2
    PC = 3


class Edge(IntEnum):
    """Direction of a button's change."""

    UP = 0
    DOWN = 1


class ErrorCode(IntEnum):
    """The board's reason to refuse a packet with a good CRC."""

    NO_SESSION = 1
    SESSION = 2
    UNKNOWN_TYPE = 3
    BODY = 4


# --- kinds of field ------------------------------------------------------------------------

Wire: TypeAlias = int | bytes
"""The two types of value in a body."""


class FieldKind(Protocol):
    """The behaviour and the description of one field."""

    @property
    def msgpack_type(self) -> str:
        """Name of the msgpack family in PROTOCOL.md."""

    @property
    def c_type(self) -> str:
        """C type of the decoded value in protocol.h."""

    @property
    def allowed(self) -> str:
        """Range in words."""

    @property
    def about(self) -> str:
        """Meaning and unit."""

    def decode(self, value: object) -> Wire:
        """Return the checked value or raise PacketError."""


@dataclass(frozen=True, slots=True)
class Unsigned:
    """An unsigned integer of ``bits`` bits, optionally within a smaller range."""

    bits: int
    about: str
    unit: str = ""
    minimum: int = 0
    maximum: int | None = None

    @property
    def largest(self) -> int:
        """The largest value allowed."""
        return (1 << self.bits) - 1 if self.maximum is None else self.maximum

    @property
    def msgpack_type(self) -> str:
        """Name of the msgpack family."""
        return "uint"

    @property
    def c_type(self) -> str:
        """C type of the decoded value."""
        return f"uint{self.bits}_t"

    @property
    def allowed(self) -> str:
        """Range in words, with the unit last."""
        return f"{self.minimum} to {self.largest} {self.unit}".rstrip()

    def decode(self, value: object) -> int:
        """Accept an int in range; bool is an int in Python but not on the wire."""
        if type(value) is not int and not isinstance(value, IntEnum):
            raise PacketError(f"{value!r} is not an unsigned integer", code="field_type")
        if not self.minimum <= value <= self.largest:
            raise PacketError(f"{value} is outside {self.allowed}", code="field_range")
        return int(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One member of an IntEnum, sent as its number."""

    enum: type[IntEnum]
    about: str

    @property
    def msgpack_type(self) -> str:
        """Name of the msgpack family."""
        return "uint"

    @property
    def c_type(self) -> str:
        """C type of the decoded value."""
        return "uint8_t"

    @property
    def allowed(self) -> str:
        """Every member with its number."""
        return ", ".join(f"{member.value} {member.name}" for member in self.enum)

    def decode(self, value: object) -> IntEnum:
        """Accept the number of a member."""
        if type(value) is not int and not isinstance(value, self.enum):
            raise PacketError(f"{value!r} is not an unsigned integer", code="field_type")
        try:
            return self.enum(value)
        except ValueError:
            raise PacketError(f"{value} is none of {self.allowed}", code="field_range") from None


@dataclass(frozen=True, slots=True)
class PackedLevels:
    """A fixed number of bytes that hold two display levels 0 to 7 each, the first one high."""

    size: int
    about: str

    @property
    def msgpack_type(self) -> str:
        """Name of the msgpack family."""
        return "bin"

    @property
    def c_type(self) -> str:
        """C type of the decoded value: a pointer into the packet, nothing is copied."""
        return "const uint8_t *"

    @property
    def allowed(self) -> str:
        """Length and the bits that must be zero."""
        return f"exactly {self.size} bytes, bits 0x88 of each zero"

    def decode(self, value: object) -> bytes:
        """Accept bytes of the exact size whose nibbles are all levels."""
        if not isinstance(value, bytes):
            raise PacketError(f"{value!r} is not a byte string", code="field_type")
        if len(value) != self.size:
            raise PacketError(f"{len(value)} bytes, not {self.size}", code="field_range")
        if any(byte & 0x88 for byte in value):
            raise PacketError("a display level is above 7", code="field_range")
        return value


# --- the messages --------------------------------------------------------------------------

SessionId = Annotated[int, Unsigned(32, "session of the host process, random", minimum=1)]
BootId = Annotated[int, Unsigned(32, "boot of the board: another value after each reset")]
EventId = Annotated[int, Unsigned(32, "button event, counted from 1 in each boot", minimum=1)]
Version = Annotated[int, Unsigned(32, "version of the display, grows within a session")]
Brightness = Annotated[int, Unsigned(8, "0 is dark, 15 is full", maximum=BRIGHTNESS_MAX)]
BoardTime = Annotated[int, Unsigned(32, "board clock, wraps after 49.7 days", unit="ms")]
Counter = Annotated[int, Unsigned(16, "counter of this boot, stops at its largest value")]


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose fields were checked against their kinds when it was built."""

    def __post_init__(self) -> None:
        """Reject a field that could not be sent."""
        for name, kind in fields_of(type(self)).items():
            try:
                kind.decode(getattr(self, name))
            except PacketError as error:
                raise MessageError(f"{type(self).__name__}.{name}: {error}") from error


@dataclass(frozen=True, slots=True)
class SessionMessage(Message):
    """A message that belongs to a session and begins with its id."""

    session_id: SessionId


@dataclass(frozen=True, slots=True)
class Hello(SessionMessage):
    """Open or renew a session; the newest one owns the board. A new id resets the versions."""

    protocol_min: Annotated[int, Unsigned(8, "oldest protocol the host speaks", minimum=1)]
    protocol_max: Annotated[int, Unsigned(8, "newest protocol the host speaks", minimum=1)]


@dataclass(frozen=True, slots=True)
class HelloReply(SessionMessage):
    """Kind and state of the board. Also sent if no version is shared; then no session is open."""

    protocol_min: Annotated[int, Unsigned(8, "oldest protocol the firmware speaks", minimum=1)]
    protocol_max: Annotated[int, Unsigned(8, "newest protocol the firmware speaks", minimum=1)]
    board: Annotated[Board, Choice(Board, "kind of board")]
    rows: Annotated[int, Unsigned(8, "rows of the display", minimum=1)]
    columns: Annotated[int, Unsigned(8, "columns of the display", minimum=1)]
    levels: Annotated[int, Unsigned(8, "brightness levels of a pixel", minimum=2)]
    firmware_major: Annotated[int, Unsigned(8, "firmware version")]
    firmware_minor: Annotated[int, Unsigned(8, "firmware version")]
    firmware_patch: Annotated[int, Unsigned(8, "firmware version")]
    boot_id: BootId
    max_payload: Annotated[int, Unsigned(8, "largest body the board takes", "B", 16, BODY_MAX)]
    shown_version: Version
    lost_overflow: Annotated[int, Unsigned(16, "button events lost to a full queue")]
    lost_reset: Annotated[int, Unsigned(16, "button events lost to the last reset")]


@dataclass(frozen=True, slots=True)
class ShowFrame(SessionMessage):
    """The whole state of the display. A version older than the one shown changes nothing."""

    version: Version
    brightness: Brightness
    levels: Annotated[bytes, PackedLevels(PACKED_SIZE, "row by row, two per byte, first one high")]


@dataclass(frozen=True, slots=True)
class FrameAck(SessionMessage):
    """The display shows ``version`` now (which may be newer than the packet's)."""

    version: Version


@dataclass(frozen=True, slots=True)
class Heartbeat(SessionMessage):
    """The host is alive."""


@dataclass(frozen=True, slots=True)
class HeartbeatReply(SessionMessage):
    """The board is alive; its boot id and counters."""

    boot_id: BootId
    now_ms: BoardTime
    queued: Annotated[int, Unsigned(8, "button events waiting", maximum=EVENT_QUEUE_SIZE)]
    lost_overflow: Annotated[int, Unsigned(16, "button events lost to a full queue")]
    bad_packets: Counter


@dataclass(frozen=True, slots=True)
class ButtonEdge(Message):
    """A debounced edge, repeated until acknowledged; ``now_ms - t_ms`` is its age."""

    boot_id: BootId
    event_id: EventId
    button: Annotated[int, Unsigned(8, "number of the button", maximum=BUTTONS_MAX - 1)]
    edge: Annotated[Edge, Choice(Edge, "new state of the button")]
    t_ms: BoardTime
    now_ms: BoardTime


@dataclass(frozen=True, slots=True)
class EdgeAck(SessionMessage):
    """The edge is in the host's journal: the board may forget it."""

    boot_id: BootId
    event_id: EventId


@dataclass(frozen=True, slots=True)
class ErrorReply(Message):
    """The packet with this packet id was refused."""

    code: Annotated[ErrorCode, Choice(ErrorCode, "reason")]
    session_id: Annotated[int, Unsigned(32, "session the refused packet named, 0 if none")]


@dataclass(frozen=True, slots=True)
class MessageSpec:
    """One row of the protocol: a type byte, a direction, and the message that answers."""

    type_byte: int
    message: type[Message]
    direction: Direction
    answer: type[Message] | None

    @property
    def name(self) -> str:
        """Name in PROTOCOL.md and protocol.h."""
        words = "".join("_" + c if c.isupper() else c for c in self.message.__name__)
        return words.lstrip("_").upper()


# Type bytes below 0x80 go to the board, the others to the host. A number is never reused.
MESSAGES: tuple[MessageSpec, ...] = (
    MessageSpec(0x01, Hello, Direction.TO_BOARD, HelloReply),
    MessageSpec(0x02, ShowFrame, Direction.TO_BOARD, FrameAck),
    MessageSpec(0x03, Heartbeat, Direction.TO_BOARD, HeartbeatReply),
    MessageSpec(0x04, EdgeAck, Direction.TO_BOARD, None),
    MessageSpec(0x81, HelloReply, Direction.TO_HOST, None),
    MessageSpec(0x82, FrameAck, Direction.TO_HOST, None),
    MessageSpec(0x83, HeartbeatReply, Direction.TO_HOST, None),
    MessageSpec(0x84, ButtonEdge, Direction.TO_HOST, EdgeAck),
    MessageSpec(0x85, ErrorReply, Direction.TO_HOST, None),
)
BY_TYPE: Mapping[int, MessageSpec] = MappingProxyType({spec.type_byte: spec for spec in MESSAGES})
BY_MESSAGE: Mapping[type[Message], MessageSpec] = MappingProxyType(
    {spec.message: spec for spec in MESSAGES}
)


def _declared_fields(message: type[Message]) -> Mapping[str, FieldKind]:
    hints = get_type_hints(message, include_extras=True)
    return MappingProxyType({name: hint.__metadata__[0] for name, hint in hints.items()})


_FIELDS: Mapping[type[Message], Mapping[str, FieldKind]] = MappingProxyType(
    {spec.message: _declared_fields(spec.message) for spec in MESSAGES}
)


def fields_of(message: type[Message]) -> Mapping[str, FieldKind]:
    """Return the fields of a message class by name, in the order of the body."""
    return _FIELDS[message]


def type_byte_of(message: Message) -> int:
    """Return the type byte of this message."""
    return BY_MESSAGE[type(message)].type_byte


def encode_body(message: Message) -> bytes:
    """Return the msgpack body of a message."""
    body: bytes = msgpack.packb([_plain(value) for value in astuple(message)])
    assert len(body) <= BODY_MAX, f"{type(message).__name__} can outgrow a packet"
    return body


def decode_body(type_byte: int, body: bytes, direction: Direction) -> Message:
    """Return the message in a body, or raise PacketError with the reason."""
    spec = BY_TYPE.get(type_byte)
    if spec is None:
        raise PacketError(f"no message has type 0x{type_byte:02x}", code="unknown_type")
    if spec.direction is not direction:
        raise PacketError(f"{spec.name} goes {spec.direction.value}", code="wrong_direction")
    values = _unpack(body)
    fields = fields_of(spec.message)
    if len(values) != len(fields):
        raise PacketError(f"{spec.name} has {len(fields)} fields, not {len(values)}", code="arity")
    decoded = [kind.decode(value) for kind, value in zip(fields.values(), values, strict=True)]
    # Positional: the table has the order of the dataclass. __post_init__ checks the values again,
    # which costs nothing at ten packets a second.
    return spec.message(*decoded)


def _plain(value: object) -> object:
    return int(value) if isinstance(value, IntEnum) else value


def _unpack(body: bytes) -> list[object]:
    """Return the array in a body; accept only its shortest encoding."""
    if len(body) > BODY_MAX:
        raise PacketError(f"a body of {len(body)} bytes", code="too_long")
    try:
        values = msgpack.unpackb(
            body,
            raw=True,
            strict_map_key=True,
            max_array_len=ARITY_MAX,
            max_bin_len=BODY_MAX,
            max_str_len=0,
            max_map_len=0,
            max_ext_len=0,
        )
        canonical = isinstance(values, list) and msgpack.packb(values) == body
    # msgpack's errors for truncated, trailing, oversized, nested or unhashable content.
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise PacketError(f"not a msgpack body: {error}", code="msgpack") from error
    if not canonical:
        raise PacketError("not one array in its shortest form", code="msgpack")
    return list(values)


# --- the board's clock ---------------------------------------------------------------------


def board_clock_ms(now_s: float, offset_ms: int = 0) -> int:
    """Return a board's clock: milliseconds that wrap at 2**32."""
    return (round(now_s * MILLISECONDS) + offset_ms) & CLOCK_MASK


def elapsed_ms(since_ms: int, until_ms: int) -> int:
    """Return the time between two board times, across a wrap of the clock."""
    return (until_ms - since_ms) & CLOCK_MASK
