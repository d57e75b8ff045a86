"""A provider that reports less than nothing used is understood as reporting nothing used, in every dialect."""

import json
from typing import Any

import pytest

from tollway.gateway.dialect import Dialect
from tollway.gateway.dialects.anthropic_messages import dialect as anthropic
from tollway.gateway.dialects.gemini import dialect as gemini
from tollway.gateway.dialects.openai_chat import dialect as openai

OPENAI = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": -7, "completion_tokens": -3, "total_tokens": -10},
}  # fmt: skip
ANTHROPIC = {
    "id": "m", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": -7, "output_tokens": -3, "cache_read_input_tokens": -2},
}  # fmt: skip
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": -7, "candidatesTokenCount": -3, "cachedContentTokenCount": -2},
}  # fmt: skip


@pytest.mark.parametrize(("dialect", "said"), [(openai, OPENAI), (anthropic, ANTHROPIC), (gemini, GEMINI)])
def test_less_than_nothing_is_nothing(dialect: Dialect, said: dict[str, Any]) -> None:
    body = json.dumps(said).encode()
    for usage in (dialect.read_reply(body).usage, dialect.glance(body).usage):
        assert usage is not None
        assert (usage.input_total, usage.cache_read, usage.output_total, usage.reasoning) == (0, 0, 0, 0)
