"""The remedy table of relay.md 4.5, Retry-After in all its spellings, and what a message may not repeat."""

import pytest

from tollway.core.errors import Remedy
from tollway.gateway.remedy import masked, remedy_of, retry_after_s


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (400, Remedy.NONE),
        (401, Remedy.NEXT_CHANNEL),
        (402, Remedy.NEXT_CHANNEL),
        (403, Remedy.NEXT_CHANNEL),
        (404, Remedy.NONE),
        (405, Remedy.NONE),
        (408, Remedy.ONCE_MORE),
        (409, Remedy.NONE),
        (413, Remedy.NONE),
        (422, Remedy.NONE),
        (429, Remedy.NEXT_CHANNEL),
        (451, Remedy.NONE),
        (500, Remedy.NEXT_CHANNEL),
        (502, Remedy.NEXT_CHANNEL),
        (503, Remedy.NEXT_CHANNEL),
        (504, Remedy.ONCE_MORE),
        (524, Remedy.ONCE_MORE),
        (529, Remedy.NEXT_CHANNEL),
        (302, Remedy.NEXT_CHANNEL),
    ],
)
def test_each_status_has_its_remedy(status: int, remedy: Remedy) -> None:
    assert remedy_of(status) is remedy


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The model `gpt-9` does not exist or you do not have access to it.", "model_not_found"),
        ("models/gemini-9 is not found for API version v1beta", ""),
        ("model: claude-9", ""),
        ("No endpoints found for a/b.", ""),
        ("", "model_not_found"),
    ],
)
def test_a_missing_model_moves_to_the_next_channel(message: str, code: str) -> None:
    assert remedy_of(404, message, code) is Remedy.NEXT_CHANNEL


def test_a_missing_path_or_file_does_not() -> None:
    assert remedy_of(404, "Invalid URL (POST /v1/chat/completion)") is Remedy.NONE
    assert remedy_of(404, "No such File object: file-123", "not_found") is Remedy.NONE


def test_a_key_refused_with_400_moves_to_the_next_channel() -> None:
    assert remedy_of(400, "API key not valid. Please pass a valid API key.") is Remedy.NEXT_CHANNEL


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({b"retry-after": b"7"}, 7.0),
        ({b"retry-after": b" 0.5 "}, 0.5),
        ({b"retry-after-ms": b"1500", b"retry-after": b"9"}, 1.5),
        ({b"retry-after": b"Sat, 21 Nov 2026 10:00:30 GMT", b"date": b"Sat, 21 Nov 2026 10:00:00 GMT"}, 30.0),
        ({b"retry-after": b"Sat, 21 Nov 2026 09:00:00 GMT", b"date": b"Sat, 21 Nov 2026 10:00:00 GMT"}, 0.0),
        ({b"retry-after": b"Sat, 21 Nov 2026 10:00:30 GMT"}, None),
        ({b"retry-after": b"-3"}, 0.0),
        ({b"retry-after": b"1e99"}, 86_400.0),
        ({b"retry-after": b"nan"}, None),
        ({b"retry-after": b"soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_spelling(headers: dict[bytes, bytes], wait_s: float | None) -> None:
    assert retry_after_s(headers) == wait_s


@pytest.mark.parametrize(
    ("said", "repeated"),
    [
        (
            "Incorrect API key provided: sk-proj-****abcd. You can find your API key at https://platform.openai.com/keys.",
            "Incorrect API key provided: [key]. You can find your API key at [url]",
        ),
        ("connect to 10.0.0.7:8000 failed", "connect to [ip] failed"),
        ("connect to [fe80::1]:443 failed", "connect to [ip] failed"),
        ("api.openai.com refused", "[host] refused"),
        ("gateway eu.api.internal:8080 timed out", "gateway [host] timed out"),
        ("Authorization: Bearer abcdef123456 is wrong", "Authorization: Bearer [key] is wrong"),
        ("key AIzaSyD-abc_123 is wrong", "key [key] is wrong"),
    ],
)
def test_a_message_is_repeated_without_hosts_and_keys(said: str, repeated: str) -> None:
    assert masked(said) == repeated


@pytest.mark.parametrize(
    "harmless",
    [
        "Invalid value for messages[2].content[0].image_url.url",
        "gpt-4.1 does not support tools.function.strict",
        "at 10:52:55 the model was busy",
        "the key-value store of tools.0.name must be a string",
    ],
)
def test_harmless_words_are_left_alone(harmless: str) -> None:
    assert masked(harmless) == harmless
