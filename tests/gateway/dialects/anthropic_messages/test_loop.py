"""A tool loop that another provider's answer began has no thoughts of Claude's to give back."""

import json
from typing import Any

import msgspec
import pytest

from tollway.gateway.dialect import Body, Target, open_body
from tollway.gateway.providers.anthropic import provider

TARGET = Target("anthropic", "claude-haiku-4-5", 64_000)
ASK = {"role": "user", "content": "hi"}
CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
TOLD = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}


def asked(*turns: Any, **more: Any) -> Body:
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    return open_body(json.dumps({"messages": turns} | thinking | more).encode())


def said(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


@pytest.mark.parametrize(
    "turns", [(ASK, said(CALL), TOLD), (ASK, said({"type": "text", "text": "a"}), said(THOUGHT, CALL), TOLD, ASK)]
)
def test_thinking_is_dropped_aloud_where_the_vendor_would_refuse_it(turns: tuple[Any, ...]) -> None:
    body = asked(*turns)
    assert "thinking" not in provider.accent(body, TARGET)
    assert provider.drops(body, TARGET) == ("thinking",)
    decoded = body | {"messages": msgspec.json.decode(body["messages"])}
    assert "thinking" not in provider.accent(decoded, TARGET)


@pytest.mark.parametrize(
    "body",
    [
        asked(ASK),
        asked(ASK, said(THOUGHT, CALL), TOLD),
        asked(ASK, said({"type": "redacted_thinking", "data": "d"}, CALL), TOLD),
        asked(ASK, said(CALL), TOLD, said({"type": "text", "text": "done"}), ASK),
        asked(ASK, said(CALL), TOLD, thinking={"type": "adaptive"}),
        asked(ASK, said(CALL), TOLD, thinking=None),
        asked(ASK, said(CALL), TOLD, thinking="rubbish"),
        asked("rubbish", said(CALL), TOLD),
    ],
)
def test_every_other_body_keeps_its_bytes(body: Body) -> None:
    assert provider.accent(body, TARGET) is body
    assert provider.drops(body, TARGET) == ()
