"""The vendors' own SDKs for somebody with one credit: he asks for 64,000 tokens, and is answered as far as it goes."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from anthropic import Anthropic
from google import genai
from google.genai import types

from tests.journeys.callers import OPENAI, newcomer
from tests.journeys.crowd import Books, left
from tests.journeys.hub import Hub, Providers

CREDIT = 1_000_000
"""In nano-dollars."""
LIMIT = 64_000
TEXT = "[[long:2000]] tell me everything"
MODELS = ("gpt-5-mini", "claude-haiku", "gemini-3-flash")
Asking = Callable[[Hub, str, str, str], tuple[str, str]]
"""Of a gateway, with a key, a model, a text: what was said, and why it ended."""


def openai_whole(hub: Hub, key: str, model: str, text: str) -> tuple[str, str]:
    client = openai.OpenAI(base_url=f"{hub.url}/v1", api_key=key, max_retries=0)
    said: Any = client.chat.completions.create(model=model, max_tokens=LIMIT, messages=_turns(text))
    return said.choices[0].message.content, said.choices[0].finish_reason


def openai_stream(hub: Hub, key: str, model: str, text: str) -> tuple[str, str]:
    client = openai.OpenAI(base_url=f"{hub.url}/v1", api_key=key, max_retries=0)
    with client.chat.completions.stream(model=model, max_completion_tokens=LIMIT, messages=_turns(text)) as stream:
        choices = [event.chunk.choices[0] for event in stream if event.type == "chunk" and event.chunk.choices]
    ends = [choice.finish_reason for choice in choices if choice.finish_reason]
    return "".join(choice.delta.content or "" for choice in choices), str(ends[-1])


def anthropic_whole(hub: Hub, key: str, model: str, text: str) -> tuple[str, str]:
    client = Anthropic(base_url=hub.url, api_key=key, max_retries=0)
    said: Any = client.messages.create(model=model, max_tokens=LIMIT, messages=_turns(text), timeout=60)
    return said.content[0].text, said.stop_reason


def anthropic_stream(hub: Hub, key: str, model: str, text: str) -> tuple[str, str]:
    client = Anthropic(base_url=hub.url, api_key=key, max_retries=0)
    with client.messages.stream(model=model, max_tokens=LIMIT, messages=_turns(text)) as stream:
        final = stream.get_final_message()
        return stream.get_final_text(), str(final.stop_reason)


def gemini_whole(hub: Hub, key: str, model: str, text: str) -> tuple[str, str]:
    client = _google(hub, key)
    said: Any = client.models.generate_content(
        model=model, contents=text, config=types.GenerateContentConfig(max_output_tokens=LIMIT)
    )
    return said.text, said.candidates[0].finish_reason.value


def gemini_stream(hub: Hub, key: str, model: str, text: str) -> tuple[str, str]:
    client = _google(hub, key)
    said: Any = list(
        client.models.generate_content_stream(
            model=model, contents=text, config=types.GenerateContentConfig(max_output_tokens=LIMIT)
        )
    )
    ends = [one.candidates[0].finish_reason for one in said if one.candidates and one.candidates[0].finish_reason]
    return "".join(one.text or "" for one in said), ends[-1].value


def _turns(text: str) -> Any:
    return [{"role": "user", "content": text}]


def _google(hub: Hub, key: str) -> genai.Client:
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=hub.url))


WAYS = [openai_whole, openai_stream, anthropic_whole, anthropic_stream, gemini_whole, gemini_stream]
ENDS = {"openai": "length", "anthropic": "max_tokens", "gemini": "MAX_TOKENS"}


@pytest.mark.parametrize("asking", WAYS, ids=lambda way: way.__name__)
def test_a_long_answer_is_heard_as_far_as_it_is_paid_for(hub: Hub, vendors: Providers, asking: Asking) -> None:
    for model in MODELS:
        user, key = newcomer(hub, 1)
        said, end = asking(hub, key, model, TEXT)
        assert end == ENDS[asking.__name__.partition("_")[0]], model
        assert len(said.split()) > 20, model
        books = Books(hub, user) if left(hub, key) >= 0 else None
        assert books is not None and books.by_reason == {"completed": 1}
        assert 0 < books.charged <= CREDIT, model
        receipt = hub.receipt(next(iter(books.charges)), key)
        assert receipt["x-tollway-stop"] == "credits_exhausted", model


@pytest.mark.parametrize("asking", WAYS, ids=lambda way: way.__name__)
def test_a_short_answer_is_heard_whole(hub: Hub, vendors: Providers, asking: Asking) -> None:
    user, key = newcomer(hub, 1)
    said, end = asking(hub, key, "gpt-5-mini", "hello there")
    assert said == "You said: hello there"
    assert end in ("stop", "end_turn", "STOP")
    assert left(hub, key) == CREDIT - Books(hub, user).charged > 0


def strict_newcomer(hub: Hub, credits: float) -> str:
    """The key of a new user whose calls hold their worst case."""
    body = {"email": f"strict{credits}-{hub.url[-5:]}@test.example", "credits": credits, "strict": True}
    status, _, made = hub.ask("/admin/users", body, hub.keys["admin_key"])
    assert status == 200, made
    return str(made["api_key"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_who_wants_it_strict_holds_the_worst_case_or_is_refused(
    start: Callable[..., Hub], vendors: Providers, stream: bool
) -> None:
    hub = start(vendors.environ)
    poor, rich = strict_newcomer(hub, 1), strict_newcomer(hub, 100_000)
    refused = OPENAI.ask(hub, poor, "hello there", stream=stream, limit=LIMIT)
    assert refused.status == 429
    assert refused.json["error"]["code"] == "insufficient_quota"
    assert left(hub, poor) == CREDIT
    worst = LIMIT * 2 * 1400  # nano-dollars: 64,000 tokens at 2 dollars per million, times the margin
    heard = OPENAI.ask(hub, rich, "hello there", stream=stream, limit=LIMIT)
    assert OPENAI.is_whole(heard)
    receipt = hub.receipt(heard.id, rich)
    assert receipt["hold"]["nano_usd"] >= worst
    assert receipt["x-tollway-stop"] == ""
    fits = OPENAI.ask(hub, poor, "hello there", stream=stream, limit=20)
    assert OPENAI.is_whole(fits)
    assert hub.audit() == []
