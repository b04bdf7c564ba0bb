"""Secrets are left out, and text that only resembles one is kept."""

from __future__ import annotations

import json

import pytest

from host.telemetry.journal.record import is_secret_key, redacted, redacted_text


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "api_key",
        "apiKey",
        "API-KEY",
        "mqtt_password",
        "authToken",
        "Authorization",
        "client_secret",
        "private_key",
        "Set-Cookie",
        "credentials",
        "token",
    ],
)
def test_the_value_of_a_secret_key_is_left_out(key: str) -> None:
    assert is_secret_key(key)
    data = {"outer": [{key: "hunter2"}], key: {"deep": "hunter2"}}
    assert "hunter2" not in json.dumps(redacted(data))


@pytest.mark.parametrize(
    "key", ["key", "n_tokens", "tokenizer", "boot_id", "press_trace_id", "keys"]
)
def test_the_values_of_other_keys_are_kept(key: str) -> None:
    assert not is_secret_key(key)
    assert redacted({key: "plain"}) == {key: "plain"}


@pytest.mark.parametrize(
    "text",
    [
        "mqtt://me:hunter2@broker:1883/x",
        "password=hunter2 next",
        'it said {"token": "hunter2"}',
        "secret: hunter2",
        "Authorization: Bearer hunter2hunter2",
        "sent Bearer hunter2hunter2 to them",
        "run --api-key hunter2 now",
        "API_KEY = 'hunter2 with spaces'",
        "passwd='hunter2",
    ],
)
def test_a_secret_in_a_text_is_left_out(text: str) -> None:
    assert "hunter2" not in redacted_text(text)
    assert "[redacted]" in redacted_text(text)


@pytest.mark.parametrize(
    "text",
    ["https://host:8080/path", "the key is worn", "key=filters.x", "12:30:00 token passed on", ""],
)
def test_other_text_is_kept(text: str) -> None:
    assert redacted_text(text) == text


def test_the_original_is_not_changed() -> None:
    data: dict[str, object] = {"token": "x", "list": [{"token": "y"}]}
    redacted(data)
    assert data == {"token": "x", "list": [{"token": "y"}]}


def test_endless_data_is_cut() -> None:
    loop: dict[str, object] = {}
    loop["again"] = loop
    assert "again" in redacted(loop)
