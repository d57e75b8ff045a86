"""Advanced custom channels: candidates only where a route matches path and model, asked as the route says."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import SSE, Played, Stage, claude, open_stage, spoken, whole
from tollway.gateway.pipeline.trial import Trial
from tollway.gateway.stock import known_providers

ROUTES = """
[[channels]]
id = "custom"
provider = "advanced_custom"
base_url = "https://custom.example/top"
key = "k-custom"
models = { "gpt-5-mini" = "mini-up", "claude-haiku" = "haiku-up", "gemini-3-flash" = "flash-up" }

[[channels.advanced_routes]]
incoming_path = "/v1/chat/completions"
upstream_path = "/talk/{model}"
models = ["gpt-5-mini"]

[[channels.advanced_routes]]
incoming_path = "/v1/chat/completions"
upstream_path = "/claude"
models = ["re:^claude-"]
converter = "openai_chat_completions_to_anthropic_messages"
auth = { type = "header", name = "X-Key", value = "k {api_key}" }

[[channels.advanced_routes]]
incoming_path = "/v1/messages"
upstream_path = "https://other.example/v9/say?x=1"
models = ["gpt-5-mini"]
converter = "anthropic_messages_to_openai_chat_completions"
auth = { type = "query", name = "key", value = "{api_key}" }

[[channels.advanced_routes]]
incoming_path = "/v1beta/models/{model}:generateContent"
upstream_path = "/g/{model}:generateContent"
auth = { type = "none" }

"""
PLAIN = '[[channels]]\nid = "plain"\nprovider = "openai"\nkey = "k-plain"\npriority = -1\n'
TURN = [{"role": "user", "content": "hi"}]


def last(stage: Stage) -> tuple[str, str, dict[str, str], dict[str, Any]]:
    """Where the last question went: origin, target, headers, body."""
    out = stage.outside.asked[-1]
    headers = {name.decode(): value.decode() for name, value in out.headers}
    return out.origin, out.target.decode(), headers, json.loads(out.body)


async def test_each_route_is_asked_in_its_format_at_its_path_with_its_credential(tmp_path: Path) -> None:
    async with open_stage(tmp_path, ROUTES, {}) as stage:
        ear = await stage.chat(whole())
        origin, target, headers, body = last(stage)
        assert (ear.status, origin, target) == (200, "https://custom.example", "/top/talk/mini-up")
        assert (headers["authorization"], body["model"]) == ("Bearer k-custom", "mini-up")
        (attempt,) = (await stage.receipt(ear.call)).attempts
        assert (attempt.channel, attempt.provider) == ("custom", "advanced_custom")

        ear = await stage.chat(claude(), model="claude-haiku")
        _, target, headers, body = last(stage)
        assert (ear.status, target, headers["x-key"]) == (200, "/top/claude", "k k-custom")
        assert "x-api-key" not in headers and body["model"] == "haiku-up" and body["max_tokens"]

        ear = await stage.ask("/v1/messages", {"model": "gpt-5-mini", "max_tokens": 9, "messages": TURN}, whole())
        origin, target, headers, _ = last(stage)
        assert (ear.status, origin, target) == (200, "https://other.example", "/v9/say?x=1&key=k-custom")
        assert "authorization" not in headers
        await stage.quiet()


async def test_a_gemini_route_serves_both_actions(tmp_path: Path) -> None:
    answer = {"candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}]}
    answer["usageMetadata"] = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}  # type: ignore[assignment]
    told = b"data: " + json.dumps(answer).encode() + b"\n\n"
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    async with open_stage(tmp_path, ROUTES, {}) as stage:
        path = "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"
        assert (await stage.ask(path, body, Played([told], headers=SSE))).status == 200
        _, target, headers, _ = last(stage)
        assert target == "/top/g/flash-up:streamGenerateContent?alt=sse" and "x-goog-api-key" not in headers


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"model": "gpt-5-mini", "input": "hi"}),
        ("/v1/messages", {"model": "claude-haiku", "max_tokens": 9, "messages": TURN}),
        ("/v1/chat/completions", {"model": "gemini-3-flash", "messages": TURN}),
    ],
)
async def test_a_channel_without_a_matching_route_is_no_candidate(tmp_path: Path, path: str, body: Any) -> None:
    async with open_stage(tmp_path, ROUTES, {}) as stage:
        ear = await stage.ask(path, body)
        assert ear.status == 503 and stage.outside.asked == []
        await stage.quiet()


async def test_other_channels_stand_beside_it_and_take_its_place(tmp_path: Path) -> None:
    async with open_stage(tmp_path, ROUTES + PLAIN, {}) as stage:
        ear = await stage.chat(Played([b"{}"], 500), Played([spoken()], headers=SSE), stream=True)
        attempts = (await stage.receipt(ear.call)).attempts
        assert [one.channel for one in attempts] == ["custom", "plain"]
        ear = await stage.ask("/v1/responses", {"model": "gpt-5-mini", "input": "hi"}, whole())
        assert [one.channel for one in (await stage.receipt(ear.call)).attempts] == ["plain"]
        assert {one.channel.id for one in stage.hub._ways()} == {"custom", "plain", "echo"}


async def test_it_is_tested_by_its_first_route_for_the_model(tmp_path: Path) -> None:
    async with open_stage(tmp_path, ROUTES, {}) as stage:
        stage.outside.script.append(claude())
        model = stage.hub.catalog.find("claude-haiku")
        channel = next(one for one in stage.hub.channels if one.id == "custom")
        assert model is not None
        (tried,) = await Trial(known_providers(), lambda _: stage.outside)(channel, model, "haiku-up")
        assert (tried.problem, last(stage)[1]) == ("", "/top/claude")
