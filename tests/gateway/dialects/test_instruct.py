"""An operator's system prompt in each wire a provider speaks: where there is none, or before the one that is there."""

import json
from typing import Any

import pytest

from tollway.core.errors import BadRequest
from tollway.gateway.dialect import Dialect, close_body, open_body
from tollway.gateway.dialects.anthropic_messages import dialect as messages
from tollway.gateway.dialects.gemini import dialect as gemini
from tollway.gateway.dialects.openai_chat import dialect as chat
from tollway.gateway.dialects.openai_responses import dialect as responses

TURN = {"role": "user", "content": "hi"}
ITEM = {"role": "user", "content": "hi"}
CASES: list[tuple[Dialect, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (chat, {"messages": [TURN]}, {"messages": [{"role": "system", "content": "P"}, TURN]}, {}),
    (
        chat,
        {"messages": [{"role": "system", "content": "own"}, TURN]},
        {"messages": [{"role": "system", "content": "own"}, TURN]},
        {"messages": [{"role": "system", "content": "P\nown"}, TURN]},
    ),
    (
        chat,
        {"messages": [TURN, {"role": "developer", "content": [{"type": "text", "text": "own"}]}]},
        {"messages": [TURN, {"role": "developer", "content": [{"type": "text", "text": "own"}]}]},
        {
            "messages": [
                TURN,
                {"role": "developer", "content": [{"type": "text", "text": "P"}, {"type": "text", "text": "own"}]},
            ]
        },
    ),
    (messages, {"messages": [TURN]}, {"messages": [TURN], "system": "P"}, {}),
    (messages, {"system": "own"}, {"system": "own"}, {"system": "P\nown"}),
    (
        messages,
        {"system": [{"type": "text", "text": "own", "cache_control": {"type": "ephemeral"}}]},
        {"system": [{"type": "text", "text": "own", "cache_control": {"type": "ephemeral"}}]},
        {
            "system": [
                {"type": "text", "text": "P"},
                {"type": "text", "text": "own", "cache_control": {"type": "ephemeral"}},
            ]
        },
    ),
    (responses, {"input": "hi"}, {"input": "hi", "instructions": "P"}, {}),
    (responses, {"input": [ITEM]}, {"input": [ITEM], "instructions": "P"}, {}),
    (
        responses,
        {"input": "hi", "instructions": "own"},
        {"input": "hi", "instructions": "own"},
        {"input": "hi", "instructions": "P\nown"},
    ),
    (
        responses,
        {"input": [{"role": "developer", "content": "own"}, ITEM]},
        {"input": [{"role": "developer", "content": "own"}, ITEM]},
        {"input": [{"role": "developer", "content": "own"}, ITEM], "instructions": "P"},
    ),
    (gemini, {"contents": []}, {"contents": [], "systemInstruction": {"parts": [{"text": "P"}]}}, {}),
    (
        gemini,
        {"system_instruction": {"parts": [{"text": "own"}]}},
        {"system_instruction": {"parts": [{"text": "own"}]}},
        {"system_instruction": {"parts": [{"text": "P"}, {"text": "own"}]}},
    ),
]


@pytest.mark.parametrize(("dialect", "body", "once", "always"), CASES)
def test_a_prompt_is_said_where_there_is_none_or_before_what_there_is(dialect, body, once, always) -> None:
    assert dialect.instruct is not None
    for first, wanted in ((False, once), (True, always or once)):
        for given in (open_body(json.dumps(body).encode()), body):  # as it passes through, and as it was translated
            before = dict(given)
            assert json.loads(close_body(dialect.instruct(given, "P", first))) == wanted
            assert given == before


@pytest.mark.parametrize(("dialect", "body", "once", "always"), CASES)
def test_a_body_that_has_a_prompt_is_left_alone_to_the_byte(dialect, body, once, always) -> None:
    given = open_body(json.dumps(body).encode())
    assert (dialect.instruct(given, "P", False) is given) == (once == body)


@pytest.mark.parametrize(
    ("dialect", "body", "field"),
    [
        (chat, b'{"messages": "hi"}', "messages"),
        (chat, b'{"messages": [1]}', "messages"),
        (messages, b'{"system": 5}', "system"),
        (responses, b'{"instructions": 5}', "instructions"),
        (gemini, b'{"systemInstruction": 5}', "systemInstruction"),
    ],
)
def test_a_body_that_is_none_is_refused_by_its_field(dialect, body, field) -> None:
    with pytest.raises(BadRequest) as caught:
        dialect.instruct(open_body(body), "P", True)
    assert caught.value.field == field
