"""Messages: one encoding each, and everything else is refused."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import MessageError, PacketError
from firmware_bridge.messages import (
    BODY_MAX,
    BY_TYPE,
    MESSAGES,
    PACKED_SIZE,
    Board,
    ButtonEdge,
    Choice,
    Direction,
    Edge,
    FieldKind,
    Hello,
    Message,
    MessageSpec,
    PackedLevels,
    ShowFrame,
    Unsigned,
    decode_body,
    encode_body,
    fields_of,
)

each_message = pytest.mark.parametrize("spec", MESSAGES, ids=[spec.name for spec in MESSAGES])
JUNK = [None, True, False, 1.5, -1, "1", b"", b"\x00", [], [1], 2**32, 2**64 - 1]


def values_of(kind: FieldKind) -> st.SearchStrategy[Any]:
    match kind:
        case Unsigned():
            return st.integers(kind.minimum, kind.largest)
        case Choice():
            return st.sampled_from(list(kind.enum))
        case PackedLevels():
            levels = st.lists(st.sampled_from([0x00, 0x07, 0x70, 0x77]), min_size=kind.size)
            return levels.map(lambda levels: bytes(levels[: kind.size]))
        case _:
            raise AssertionError(kind)


def messages_of(spec: MessageSpec) -> st.SearchStrategy[Message]:
    return st.builds(spec.message, *map(values_of, fields_of(spec.message).values()))


any_message = st.one_of([messages_of(spec) for spec in MESSAGES])


@given(any_message)
def test_every_message_round_trips_in_a_body_that_fits_a_packet(message: Message) -> None:
    spec = next(spec for spec in MESSAGES if spec.message is type(message))
    body = encode_body(message)
    assert len(body) <= BODY_MAX
    decoded = decode_body(spec.type_byte, body, spec.direction)
    assert decoded == message
    assert [type(value) for value in astuple(decoded)] == [type(v) for v in astuple(message)]


@each_message
def test_the_table_lists_the_fields_in_the_order_of_the_class(spec: MessageSpec) -> None:
    assert list(fields_of(spec.message)) == [field.name for field in fields(spec.message)]


def test_type_bytes_are_unique_and_their_high_bit_tells_the_direction() -> None:
    assert len(BY_TYPE) == len(MESSAGES)
    for spec in MESSAGES:
        assert (spec.type_byte >= 0x80) is (spec.direction is Direction.TO_HOST)


@each_message
@pytest.mark.parametrize("extra", [-1, 1])
def test_a_body_with_a_field_too_few_or_too_many_is_refused(spec: MessageSpec, extra: int) -> None:
    values = [1] * (len(fields_of(spec.message)) + extra)
    with pytest.raises(PacketError) as caught:
        decode_body(spec.type_byte, msgpack.packb(values), spec.direction)
    assert caught.value.code in {"arity", "msgpack"}  # 16 fields do not even have an array header


@each_message
@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_junk_in_any_field_is_refused_unless_the_field_allows_it(
    spec: MessageSpec, junk: object
) -> None:
    kinds = fields_of(spec.message)
    good = [b"\0" * PACKED_SIZE if kind.msgpack_type == "bin" else 1 for kind in kinds.values()]
    for position, kind in enumerate(kinds.values()):
        if isinstance(kind, Unsigned) and type(junk) is int and 0 <= junk <= kind.largest:
            continue
        body = msgpack.packb([*good[:position], junk, *good[position + 1 :]])
        with pytest.raises(PacketError):
            decode_body(spec.type_byte, body, spec.direction)


@each_message
def test_a_number_just_outside_its_range_is_refused_and_the_limits_are_not(
    spec: MessageSpec,
) -> None:
    kinds = fields_of(spec.message)
    good: list[object] = [
        b"\0" * PACKED_SIZE if kind.msgpack_type == "bin" else 1 for kind in kinds.values()
    ]
    if spec.message.__name__ == "HelloReply":
        good[list(kinds).index("levels")] = 8
        good[list(kinds).index("max_payload")] = 120
    for position, kind in enumerate(kinds.values()):
        if not isinstance(kind, Unsigned):
            continue
        for value, allowed in (
            (kind.minimum - 1, False),
            (kind.minimum, True),
            (kind.largest, True),
            (kind.largest + 1, False),
        ):
            body = msgpack.packb([*good[:position], value, *good[position + 1 :]])
            if allowed:
                decode_body(spec.type_byte, body, spec.direction)
            else:
                with pytest.raises(PacketError) as caught:
                    decode_body(spec.type_byte, body, spec.direction)
                assert caught.value.code == "field_range"


@given(st.integers(0, 255), st.binary(max_size=BODY_MAX + 5), st.sampled_from(Direction))
def test_any_bytes_are_a_message_in_its_one_encoding_or_are_refused(
    type_byte: int, body: bytes, direction: Direction
) -> None:
    try:
        message = decode_body(type_byte, body, direction)
    except PacketError:
        return
    assert encode_body(message) == body


@given(any_message, st.data())
def test_a_body_has_no_second_encoding(message: Message, data: st.DataObject) -> None:
    spec = next(spec for spec in MESSAGES if spec.message is type(message))
    body = encode_body(message)
    at = data.draw(st.integers(0, len(body)))
    piece = data.draw(st.binary(min_size=1, max_size=3))
    changed = body[:at] + piece + body[at + data.draw(st.integers(0, 3)) :]
    try:
        decoded = decode_body(spec.type_byte, changed, spec.direction)
    except PacketError:
        return
    assert (decoded == message) is (changed == body)


def test_a_message_goes_one_way_only() -> None:
    body = encode_body(Hello(7, 1, 1))
    with pytest.raises(PacketError) as caught:
        decode_body(0x01, body, Direction.TO_HOST)
    assert caught.value.code == "wrong_direction"


def test_a_message_that_could_not_be_sent_cannot_be_built() -> None:
    with pytest.raises(MessageError, match=r"Hello\.session_id: 0 is outside 1 to 4294967295"):
        Hello(0, 1, 1)
    with pytest.raises(MessageError, match=r"ShowFrame\.levels: 3 bytes, not 52"):
        ShowFrame(1, 1, 15, b"123")
    with pytest.raises(MessageError, match=r"ButtonEdge\.button"):
        ButtonEdge(1, 1, 8, Edge.DOWN, 0, 0)


def test_a_number_of_an_enum_becomes_its_member() -> None:
    spec = BY_TYPE[0x81]
    body = msgpack.packb([7, 1, 1, 2, 8, 13, 8, 0, 1, 0, 5, 120, 0, 0, 0])
    reply = decode_body(spec.type_byte, body, spec.direction)
    assert getattr(reply, "board", None) is Board.YUN
