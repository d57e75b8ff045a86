"""The same dialect on both sides: the bytes pass through, those of tomorrow's API included."""

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.journeys.speech import ASYNC, STREAM, SUGAR, WAYS, WHOLE
from tests.journeys.table import MODELS, Table, everywhere
from tests.mocks.server import App, MockAnswer, MockRequest

MODEL_OF = {vendor: model for model, vendor in MODELS.items()}
UPSTREAM = {"openai": b'"gpt-5-mini"', "anthropic": b'"claude-haiku-4-5"'}
STRANGE = b'{"b" : 1.10,  "a": [1e2, 12345678901234567890, "\\u00e9\\/"], "c":null }'
"""A field nobody knows, written as no encoder of ours would write it."""
BODIES: dict[str, dict[str, bytes]] = {
    "openai": {
        "tomorrow": STRANGE,
        "messages": b'[ {"role": "user",  "content": "hi \\u00e9 there", "tomorrow": 1.0 } ]',
        "seed": b"7",
        "stream_options": b'{"include_usage" : true, "tomorrow": 2.50}',
        "tools": b'[{"type":"function", "function": {"name":"f", "parameters": {"type": "object"}}}]',
    },
    "anthropic": {
        "tomorrow": STRANGE,
        "max_tokens": b"100",
        "messages": b'[ {"role": "user", "content": [ {"type":"text", "text": "hi \\u00e9", "tomorrow": 1.0 } ] } ]',
        "system": b'[{"type" : "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl":"1h"}}]',
    },
    "gemini": {
        "tomorrow": STRANGE,
        "contents": b'[ {"role": "user", "parts": [ {"text": "hi \\u00e9 there", "tomorrow": 1.0 } ] } ]',
        "generation_config": b'{ "max_output_tokens" : 100, "tomorrowField": 2.50 }',
        "safetySettings": b'[ {"category":"HARM_CATEGORY_HARASSMENT",  "threshold": "OFF"} ]',
    },
}  # fmt: skip
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
HEADERS = {"anthropic-version": "2023-06-01", "anthropic-beta": "tomorrow-2027-01-01"}
spans = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def body_of(vendor: str, stream: bool) -> bytes:
    fields = dict(BODIES[vendor])
    if vendor != "gemini":
        fields = {"model": b'"%b"' % MODEL_OF[vendor].encode(), **fields}
        if stream:
            fields["stream"] = b"true"
        else:
            fields.pop("stream_options", None)
    return b"{ " + b" ,\n".join(b'"%b" : %b' % (name.encode(), span) for name, span in fields.items()) + b" }"


def ask(table: Table, vendor: str, stream: bool, query: str = "?alt=sse") -> tuple[Mapping[str, str], bytes]:
    action = "streamGenerateContent" + query if stream else "generateContent"
    path = PATHS.get(vendor) or f"/v1beta/models/{MODEL_OF[vendor]}:{action}"
    headers = HEADERS | {"content-type": "application/json", "authorization": f"Bearer {table.key}"}
    request = urllib.request.Request(table.hub.url + path, body_of(vendor, stream), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(answer.headers.items()), answer.read()


def said_by(table: Table, vendor: str) -> bytes:
    """The mock's answer to what it was asked last, every byte of it."""
    server = table.mock(vendor)
    body = server.app(replace(server.requests[-1])).body
    return body if isinstance(body, bytes) else b"".join(body)


@pytest.fixture(params=["openai", "anthropic", "gemini"])
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tomorrow(table: Table) -> Iterator[None]:
    """Providers that have learnt to say more than anybody knows."""
    apps = {vendor: table.mock(vendor).app for vendor in MODEL_OF}
    for vendor, app in apps.items():
        table.mock(vendor).app = _of_tomorrow(app, vendor)
    yield
    for vendor, app in apps.items():
        table.mock(vendor).app = app


def _of_tomorrow(app: App, vendor: str) -> App:
    def answer(request: MockRequest) -> MockAnswer:
        said = app(request)
        if isinstance(said.body, bytes):
            said.body = b'{"tomorrow" : ' + STRANGE + b", " + said.body[1:]
        else:
            said.body = _pieces(said.body, vendor)
        return said

    return answer


def _pieces(pieces: list[bytes], vendor: str) -> list[bytes]:
    if vendor == "anthropic":
        event = b'event: tomorrow\ndata: {"type": "tomorrow", "x": ' + STRANGE + b"}\n\n"
        return [*pieces[:2], event, *pieces[2:]]
    head = {"openai": b'data: {"id"', "gemini": b'{"candidates"'}[vendor]
    more = head[: head.index(b"{") + 1] + b'"tomorrow" : ' + STRANGE + b"," + head[head.index(b"{") + 1 :]
    return [piece.replace(head, more, 1) for piece in pieces]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_provider_is_asked_in_the_callers_own_bytes(table: Table, vendor: str, stream: bool) -> None:
    ask(table, vendor, stream)
    sent, received = spans(body_of(vendor, stream)), spans(table.mock(vendor).requests[-1].body)
    assert list(received) == list(sent), "the same fields in the same order"
    for name, span in sent.items():
        expected = UPSTREAM[vendor] if name == "model" else bytes(span)
        assert bytes(received[name]) == expected
    if vendor == "anthropic":
        assert table.vendors.anthropic.requests[-1].headers["anthropic-beta"] == HEADERS["anthropic-beta"]


@pytest.mark.usefixtures("tomorrow")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_answer_comes_in_the_providers_own_bytes(table: Table, vendor: str, stream: bool) -> None:
    headers, told = ask(table, vendor, stream)
    assert told == said_by(table, vendor).replace(b"\r\n", b"\n")  # the lines of a stream may end either way
    assert b"12345678901234567890" in told
    assert "x-tollway-dropped" not in headers


@pytest.mark.usefixtures("tomorrow")
def test_googles_array_holds_the_very_objects_of_its_stream(table: Table) -> None:
    _, told = ask(table, "gemini", stream=True, query="")
    frames = [frame.removeprefix(b"data: ") for frame in said_by(table, "gemini").split(b"\r\n\r\n") if frame]
    assert json.loads(told) == [json.loads(frame) for frame in frames]
    assert all(frame in told for frame in frames)


@pytest.mark.usefixtures("tomorrow")
@pytest.mark.parametrize(("sdk", "model", "way"), everywhere(*WAYS))
def test_what_nobody_knows_disturbs_no_pairing(table: Table, sdk: str, model: str, way: str) -> None:
    heard = table.talk(sdk, model, way).say("hello")
    assert heard.text == "You said: hello"
    assert heard.dropped == []


EXTRA: dict[str, Callable[[], dict[str, Any]]] = {
    "openai": lambda: {"extra_body": {"tomorrow": {"x": 1}}},
    "anthropic": lambda: {"extra_body": {"tomorrow": {"x": 1}}, "extra_headers": {"anthropic-beta": "tomorrow"}},
    "gemini": lambda: {"http_options": {"extra_body": {"tomorrow": {"x": 1}}}},
}


@pytest.mark.parametrize("way", [WHOLE, STREAM, SUGAR, ASYNC + STREAM])
def test_an_sdks_extra_field_arrives(table: Table, vendor: str, way: str) -> None:
    talk = table.talk(vendor, MODEL_OF[vendor], way, extra=EXTRA[vendor]())
    talk.say("hello")
    assert talk.asked.json["tomorrow"] == {"x": 1}


@pytest.mark.usefixtures("tomorrow")
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_an_sdk_sees_tomorrows_fields_of_an_answer(table: Table, sdk: str) -> None:
    client = table.tongues[sdk].client
    turns: Any = [{"role": "user", "content": "hi"}]
    if sdk == "openai":
        answer = client.chat.completions.create(model="gpt-5-mini", messages=turns)
    else:
        answer = client.messages.create(model="claude-haiku", messages=turns, max_tokens=10)
    assert answer.model_extra["tomorrow"] == json.loads(STRANGE)


def test_usage_nobody_asked_for_is_counted_and_not_shown(table: Table) -> None:
    client = table.tongues["openai"].client
    chunks = list(
        client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "hi"}], stream=True)
    )
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert table.vendors.openai.requests[-1].json["stream_options"] == {"include_usage": True}
