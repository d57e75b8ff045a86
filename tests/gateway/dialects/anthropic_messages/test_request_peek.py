"""The peek and the targeted edits: what passes through stays as it was."""

import json
from typing import Any

import pytest

from tollway.core.errors import BadRequest
from tollway.gateway.dialect import Edits, Opaque, close_body, open_body
from tollway.gateway.dialects.anthropic_messages import dialect

HELLO = [{"role": "user", "content": "hi"}]


def body_of(**fields: Any) -> bytes:
    return json.dumps({"model": "claude", "max_tokens": 9, "messages": HELLO} | fields).encode()


def test_the_peek_tells_model_limit_and_stream() -> None:
    seen = dialect.envelope(open_body(body_of(stream=True)), {})
    assert (seen.model, seen.max_output, seen.stream, seen.media, seen.server_tools) == (
        "claude",
        9,
        True,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"model": 5}, "model"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest) as caught:
        dialect.envelope(open_body(body_of(**fields)), {})
    assert caught.value.field == named


@pytest.mark.parametrize("stated", [{"model": None}, {"model": ""}])
def test_a_model_may_be_left_to_the_auto_router(stated: dict[str, Any]) -> None:
    assert dialect.envelope(open_body(body_of(**stated)), {}).model is None


def test_counting_needs_no_output_limit() -> None:
    data = json.dumps({"model": "claude", "messages": HELLO}).encode()
    assert dialect.envelope(open_body(data), {"action": "count"}).max_output is None
    with pytest.raises(BadRequest, match="max_tokens: Field required"):
        dialect.envelope(open_body(data), {})
    assert dialect.write_count is not None and json.loads(dialect.write_count(7)) == {"input_tokens": 7}


@pytest.mark.parametrize("word", ["image", "document", "\\u0069mage"])
def test_media_cannot_hide_from_the_peek(word: str) -> None:
    block = b'{"type":"%s","source":{"type":"url","url":"https://e.com/a"}}' % word.encode()
    data = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[%s]}]}' % block
    assert dialect.envelope(open_body(data), {}).media
    assert any(marker in data for marker in dialect.media_markers)


def test_server_tools_are_seen_by_the_peek() -> None:
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    assert dialect.envelope(open_body(body_of(tools=tools)), {}).server_tools


def test_only_the_model_changes_and_unknown_fields_survive_byte_for_byte() -> None:
    data = (
        b'{ "model":"mine","max_tokens":9, "messages":[ {"role":"user", "content":"\\u0068i"}],"tomorrow":{ "a" :1e2}}'
    )
    body = open_body(data)
    edited = dialect.edit_request(body, dialect.envelope(body, {}), Edits("claude-x"))
    rest = b'"max_tokens":9,"messages":[ {"role":"user", "content":"\\u0068i"}],"tomorrow":{ "a" :1e2}}'
    assert close_body(edited) == b'{"model":"claude-x",' + rest
    assert close_body(body) == b'{"model":"mine",' + rest


@pytest.mark.parametrize(("limit", "told"), [(5, 5), (100, 9), (None, 9)])
def test_the_output_limit_is_only_ever_lowered(limit: int | None, told: int) -> None:
    body = open_body(body_of())
    edited = dialect.edit_request(body, dialect.envelope(body, {}), Edits("m", max_output=limit))
    assert json.loads(close_body(edited))["max_tokens"] == told


def test_a_seal_of_another_family_never_reaches_the_vendor() -> None:
    sealed = Opaque(b"k").seal("gemini", "s")
    blocks = [
        {"type": "thinking", "thinking": "theirs", "signature": sealed},
        {"type": "redacted_thinking", "data": sealed},
        {"type": "thinking", "thinking": "own", "signature": "abc"},
        {"type": "text", "text": "relay1. is only a word here"},
    ]
    body = open_body(body_of(messages=[*HELLO, {"role": "assistant", "content": blocks}]))
    edited = dialect.edit_request(body, dialect.envelope(body, {}), Edits("m"))
    assert json.loads(close_body(edited))["messages"] == [*HELLO, {"role": "assistant", "content": blocks[2:]}]
