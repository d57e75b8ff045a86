"""Vendors that break off in their own words: marks in the question say where."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.journeys.hub import Providers
from tests.mocks import anthropic, gemini, openai
from tests.mocks.exchange import MockAnswer, MockRequest
from tests.mocks.server import App, MockServer

_EVENT = re.compile(rb"\[\[event:(\d+)\]\]")
_HALT = re.compile(rb"\[\[halt:(\d+)\]\]")
SAID = {
    "openai": b'data: {"error":{"message":"The server had an error","type":"server_error","code":null}}\n\n',
    "anthropic": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
    "gemini": b'data: {"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}\n\n',
}
"""Each vendor's own error event in a stream."""


def breaking(app: App, vendor: str) -> App:
    """The vendor's mock that knows `[[event:N]]` (its own error after N pieces) and `[[halt:N]]` (the body simply
    ends after N pieces), when the question goes to `vendor` as first choice; and a model it has never heard of."""

    def answer(request: MockRequest) -> MockAnswer:
        if b'"model":"claude-missing"' in request.body:
            told = {"type": "not_found_error", "message": "model: claude-missing"}
            return MockAnswer.of_json({"type": "error", "error": told}, 404)
        said = app(request)
        if not isinstance(said.body, list) or f"[[{vendor}]]".encode() not in request.body:
            return said
        if found := _EVENT.search(request.body):
            said.body = [*said.body[: int(found[1])], SAID[vendor]]
        if found := _HALT.search(request.body):
            said.body = said.body[: int(found[1])]
        return said

    return answer


@contextmanager
def breaking_providers() -> Iterator[Providers]:
    """All three, with those marks."""
    apps = {"openai": openai.app, "anthropic": anthropic.app, "gemini": gemini.app}
    with ExitStack() as stack:
        yield Providers(*(stack.enter_context(MockServer(breaking(app, name))) for name, app in apps.items()))


def chat_answer(words: str, prompt: int, completion: int) -> MockAnswer:
    """A whole OpenAI answer with usage of one's own choice."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return MockAnswer.of_json(
        {
            "id": "chatcmpl-own",
            "object": "chat.completion",
            "created": 1,
            "model": "own",
            "choices": [choice],
            "usage": usage,
        }
    )
