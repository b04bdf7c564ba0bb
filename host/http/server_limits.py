"""The limits of a server, each with its default from `host.limits`; tests inject small ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from host.http.throttle import ThrottleLimits
from host.limits import (
    HTTP_BODY_BYTES_MAX,
    HTTP_BODY_S,
    HTTP_CONNECTIONS_MAX,
    HTTP_CONNECTIONS_PER_ADDRESS_MAX,
    HTTP_HANDSHAKE_S,
    HTTP_HEAD_BYTES_MAX,
    HTTP_HEAD_S,
    HTTP_IDLE_S,
    HTTP_REST_S,
    HTTP_STREAMS_MAX,
    HTTP_STREAMS_PER_ADDRESS_MAX,
    HTTP_TOKEN_CHECK_S,
    HTTP_WRITE_S,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """Limits on what clients may send, hold and wait for; times in seconds."""

    connections_max: int = HTTP_CONNECTIONS_MAX
    connections_per_address_max: int = HTTP_CONNECTIONS_PER_ADDRESS_MAX
    streams_max: int = HTTP_STREAMS_MAX
    streams_per_address_max: int = HTTP_STREAMS_PER_ADDRESS_MAX
    head_bytes_max: int = HTTP_HEAD_BYTES_MAX
    body_bytes_max: int = HTTP_BODY_BYTES_MAX
    handshake_s: float = HTTP_HANDSHAKE_S
    head_s: float = HTTP_HEAD_S
    body_s: float = HTTP_BODY_S
    rest_s: float = HTTP_REST_S
    write_s: float = HTTP_WRITE_S
    idle_s: float = HTTP_IDLE_S
    token_check_s: float = HTTP_TOKEN_CHECK_S
    throttle: ThrottleLimits = field(default_factory=ThrottleLimits)
