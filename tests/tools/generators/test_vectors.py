"""The golden vectors: files that do not change by accident, and that our codec obeys."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from firmware_bridge.errors import PacketError
from firmware_bridge.messages import BY_MESSAGE, Direction
from firmware_bridge.wire import CobsCarrier
from tools.generators.protocol_doc import protocol_markdown
from tools.generators.vectors import vectors

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "tests" / "vectors"
FILES = sorted(FOLDER.glob("*.hex"))


def read(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if not line.startswith("#"))


def readable(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_our_codec_makes_of_a_vector_what_it_says(path: Path) -> None:
    vector = read(path)
    kind, what = vector["verdict"].split()
    receiver = CobsCarrier()
    packets = receiver.feed(bytes.fromhex(vector["wire"]))
    if kind == "packet":
        assert packets == []
        assert getattr(receiver.counters, what) == 1
        return
    (packet,) = packets
    direction = Direction(vector["direction"])
    if kind == "body":
        with pytest.raises(PacketError) as caught:
            packet.message(direction)
        assert caught.value.code == what
        return
    message = packet.message(direction)
    assert BY_MESSAGE[type(message)].name == what
    assert packet.packet_id == int(vector["packet_id"])
    names = {name: readable(value) for name, value in asdict(message).items()}
    assert names == json.loads(vector["fields"])
    assert receiver.encode(packet) == bytes.fromhex(vector["wire"])


def test_the_files_are_what_the_generator_writes() -> None:
    written = {path.stem: path.read_text() for path in FILES}
    assert written == {name: vector.text() for name, vector in vectors().items()}


def test_there_is_a_vector_for_every_message_and_the_inserted_01() -> None:
    names = {path.stem for path in FILES}
    assert "packet_inserted_01" in names
    for spec in BY_MESSAGE.values():
        assert {f"{spec.name.lower()}_least", f"{spec.name.lower()}_most"} <= names


def test_protocol_md_is_what_the_generator_writes() -> None:
    assert (ROOT / "firmware_bridge" / "PROTOCOL.md").read_text() == protocol_markdown()
