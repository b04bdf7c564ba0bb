"""The text of PROTOCOL.md, from the one table in `messages`."""

from __future__ import annotations

import inspect

from firmware_bridge.messages import (
    BODY_MAX,
    BY_MESSAGE,
    MESSAGES,
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    MessageSpec,
    fields_of,
)
from firmware_bridge.router import CALL, EVENTS, STUCK_HELLOS
from firmware_bridge.session import Timing

_HEAD = """\
# The protocol between host and board

Generated from `messages.py`; do not edit. Versions {oldest} to {newest}.

A **Packet** is `type u8 | packet_id u8 | body | CRC16`, the body at most {body_max} bytes. The CRC
is CRC-16/GENIBUS (polynomial 0x1021, start 0xFFFF, complemented; `123456789` gives `D64E`), high
byte first. On a raw line a packet is COBS-encoded and ends with `00`; empty stretches between
zeros are ignored, and a sender may send a zero first to end earlier garbage.

The body is one msgpack array with exactly the fields of its message, each value in its shortest
form, and nothing after it. HELLO and HELLO_REPLY never change.

The answer to a request has the packet id of the request; a repeated request is answered again. In
each direction one request is outstanding. The host sends a request again after {retransmit_ms}
ms, {retransmits} times, and then HELLO every {hello_ms} ms. The board sends the oldest button
event again every {edge_ms} ms until it is acknowledged; the host acknowledges it once it is in
its journal. Heartbeats come every {heartbeat_ms} ms. After {stale_ms} ms without a packet of its
session, the board shows that it has no host. Before HELLO, and after {silent_ms} ms without a
packet, it sends no button events.

Through arduino-router the same packets travel without COBS, each as the one `bin` of a
MessagePack-RPC call: `[0, id, "{call}", [packet]]`, answered with `[1, id, nil, packet]`, or with
nil for a packet that has no answer or was damaged. Button events are notices
`[2, "{events}", [packet]]`. Both ends register their method with `$/register`. The board repeats it
after {stale_ms} ms in which no packet but HELLO came, the host with every packet until the router
agrees. `$/cancelRequest` is never sent. After {stuck} HELLOs without any answer, the host makes the
router close and open the serial line.
"""


def protocol_markdown() -> str:
    """Return PROTOCOL.md."""
    timing = Timing()
    head = _HEAD.format(
        oldest=PROTOCOL_MIN,
        newest=PROTOCOL_MAX,
        body_max=BODY_MAX,
        retransmit_ms=_ms(timing.retransmit_s),
        retransmits=timing.retransmits,
        hello_ms=_ms(timing.hello_s),
        edge_ms=_ms(timing.edge_resend_s),
        heartbeat_ms=_ms(timing.heartbeat_s),
        stale_ms=_ms(timing.stale_s),
        silent_ms=_ms(timing.silent_s),
        call=CALL.decode(),
        events=EVENTS.decode(),
        stuck=STUCK_HELLOS,
    )
    return head + "".join(_section(spec) for spec in MESSAGES)


def _section(spec: MessageSpec) -> str:
    answer = "" if spec.answer is None else f", answered by {BY_MESSAGE[spec.answer].name}"
    rows = "".join(
        f"| {name} | {kind.msgpack_type} | {kind.allowed} | {kind.about} |\n"
        for name, kind in fields_of(spec.message).items()
    )
    return (
        f"\n## 0x{spec.type_byte:02x} {spec.name} ({spec.direction.value}{answer})\n\n"
        f"{inspect.getdoc(spec.message)}\n\n"
        f"| field | msgpack | allowed | meaning |\n|---|---|---|---|\n{rows}"
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
