"""Channels that change what goes through them: what the provider gets, what the caller hears, what the receipt says."""

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import SSE, Played, Stage, chat_body, claude, open_stage, refused, spoken, whole
from tollway.core.receipt import Reason
from tollway.gateway.channels.roster import Source
from tollway.gateway.channels.show import show_channel
from tollway.kit.http1.tunnel import through
from tollway.kit.http1.wire import UpstreamError


def staged(folder: Path, *channels: str) -> AbstractAsyncContextManager[Stage]:
    """A stage with these channels to OpenAI and nothing else."""
    head = '[[channels]]\nid = "{}"\nprovider = "openai"\nkey = "k-{}"\npriority = {}\n'
    rows = [head.format(name, name, -at) + text for at, (name, text) in enumerate(zip("abc", channels, strict=False))]
    return open_stage(folder, "\n".join(rows), {})


def asked(stage: Stage, at: int = -1) -> dict[str, Any]:
    """The body a provider got."""
    body: dict[str, Any] = json.loads(stage.outside.asked[at].body)
    return body


def heard(stage: Stage, at: int = -1) -> dict[str, str]:
    """The headers a provider got."""
    return {name.decode(): value.decode() for name, value in stage.outside.asked[at].headers}


# ------------------------------------------------------------------ bodies


async def test_an_override_changes_what_the_provider_gets_and_the_receipt_names_what_matters(tmp_path: Path) -> None:
    rules = """
    [channels.param_override]
    seed = 7
    [[channels.param_override.operations]]
    mode = "prepend"
    path = "messages"
    value = [{ role = "system", content = "Be kind." }]
    conditions = [{ path = "messages.0.role", value = "system", invert = true }]
    [[channels.param_override.operations]]
    mode = "delete"
    path = "frequency_penalty"
    """
    async with staged(tmp_path, rules) as stage:
        ear = await stage.chat(whole(), frequency_penalty=1)
        assert ear.status == 200
        sent = asked(stage)
        assert [message["role"] for message in sent["messages"]] == ["system", "user"]
        assert (sent["seed"], "frequency_penalty" in sent) == (7, False)
        assert (await stage.receipt(ear.call)).overridden == ("messages",)
        await stage.quiet()


async def test_an_override_holds_for_other_dialects_too(tmp_path: Path) -> None:
    async with staged(tmp_path, "[channels.param_override]\nseed = 7\n") as stage:
        body = {"model": "gpt-5-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
        assert (await stage.ask("/v1/messages", body, whole())).status == 200
        assert asked(stage)["seed"] == 7
        await stage.quiet()


async def test_a_rule_can_look_at_why_the_channel_before_failed(tmp_path: Path) -> None:
    rules = """
    [[channels.param_override.operations]]
    mode = "set"
    path = "user"
    value = "after-429"
    logic = "AND"
    conditions = [{ path = "last_error_status_code", value = 429 }, { path = "retry_index", value = 1 }]
    """
    async with staged(tmp_path, "", rules) as stage:
        assert (await stage.chat(refused(429), whole())).status == 200
        assert ("user" in asked(stage, 0), asked(stage, 1)["user"]) == (False, "after-429")
        await stage.quiet()


async def test_a_rule_that_refuses_answers_in_the_callers_dialect_and_is_free(tmp_path: Path) -> None:
    rules = """
    [[channels.param_override.operations]]
    mode = "return_error"
    value = { message = "not for you", status_code = 422, code = "not_you" }
    conditions = [{ path = "user", value = "mallory" }]
    """
    async with staged(tmp_path, rules, "") as stage:
        ear = await stage.chat(user="mallory")
        assert (ear.status, ear.json["error"]["code"]) == (422, "not_you")
        assert ear.json["error"]["message"].startswith("not for you")
        assert stage.outside.asked == []
        assert (await stage.receipt(ear.call)).charge_nano_usd == 0
        assert (await stage.chat(whole())).status == 200
        await stage.quiet()


async def test_a_rule_that_lets_others_try_sends_the_call_to_the_next_channel(tmp_path: Path) -> None:
    rules = """
    [[channels.param_override.operations]]
    mode = "return_error"
    value = { message = "not here", status_code = 503, skip_retry = false }
    """
    async with staged(tmp_path, rules, "") as stage:
        for _ in range(20):  # and the first channel is never blamed for what it never heard
            ear = await stage.chat(whole())
            receipt = await stage.receipt(ear.call)
            assert [one.channel for one in receipt.attempts] == ["a", "b"]
        await stage.quiet()


@pytest.mark.parametrize(("more", "sent"), [({"max_tokens": 30}, 30), ({}, 5000), ({"max_tokens": 9000}, 5000)])
async def test_an_override_never_raises_the_limit_above_what_the_caller_asked_for(
    tmp_path: Path, more: dict[str, int], sent: int
) -> None:
    async with staged(tmp_path, "[channels.param_override]\nmax_completion_tokens = 5000\n") as stage:
        assert (await stage.chat(whole(), **more)).status == 200
        assert asked(stage)["max_completion_tokens"] == sent
        await stage.quiet()


async def test_a_stream_goes_through_an_override_as_well(tmp_path: Path) -> None:
    async with staged(tmp_path, "[channels.param_override]\nseed = 7\n") as stage:
        ear = await stage.chat(Played([spoken()], headers=SSE), stream=True)
        assert (ear.status, asked(stage)["seed"], asked(stage)["stream"]) == (200, 7, True)
        await stage.quiet()


# ------------------------------------------------------------------ what is stripped


COSTLY = {"service_tier": "priority", "safety_identifier": "u1"}


async def test_fields_that_change_the_price_are_stripped_and_the_caller_is_told(tmp_path: Path) -> None:
    async with staged(tmp_path, "") as stage:
        ear = await stage.chat(whole(), **COSTLY, store=True)
        assert set(asked(stage)) == {"model", "messages", "store"}
        assert ear.headers["x-tollway-dropped"] == "service_tier, safety_identifier"
        options = {"include_obfuscation": False, "include_usage": True}
        await stage.chat(Played([spoken()]), stream=True, stream_options=options)
        assert asked(stage)["stream_options"] == {"include_usage": True}
        await stage.quiet()


async def test_a_channel_may_allow_what_is_stripped_and_strip_what_is_kept(tmp_path: Path) -> None:
    row = 'allow = ["service_tier", "safety_identifier", "include_obfuscation"]\ndisable_store = true\n'
    async with staged(tmp_path, row) as stage:
        ear = await stage.chat(whole(), **COSTLY, store=True)
        assert set(asked(stage)) == {"model", "messages", *COSTLY}
        assert ear.headers["x-tollway-dropped"] == "store"
        await stage.quiet()


async def test_a_claude_body_keeps_no_speed_and_no_geography(tmp_path: Path) -> None:
    file = '[[channels]]\nid = "a"\nprovider = "anthropic"\nkey = "k"\n'
    async with open_stage(tmp_path, file, {}) as stage:
        body = {"model": "claude-haiku", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
        ear = await stage.ask("/v1/messages", body | {"speed": "fast", "inference_geo": "us"}, claude())
        assert ear.status == 200
        assert set(asked(stage)) == {"model", "max_tokens", "messages"}
        assert ear.headers["x-tollway-dropped"] == "speed, inference_geo"
        await stage.quiet()


async def test_pass_through_leaves_the_body_alone_but_for_name_and_limit(tmp_path: Path) -> None:
    row = 'pass_through = true\nmodel_mapping = { gpt-5-mini = "mine" }\n[channels.param_override]\nseed = 7\n'
    async with staged(tmp_path, row) as stage:
        ear = await stage.chat(whole(), **COSTLY, max_tokens=40, strange={"deep": [1]})
        assert asked(stage) == chat_body("mine") | COSTLY | {"max_tokens": 40, "strange": {"deep": [1]}}
        assert "x-tollway-dropped" not in ear.headers
        await stage.quiet()


# ------------------------------------------------------------------ names, headers, statuses


async def test_a_mapped_model_is_said_upstream_and_sold_under_its_own_name(tmp_path: Path) -> None:
    async with staged(tmp_path, 'model_mapping = { gpt-5-mini = "middle", middle = "end" }\n') as stage:
        ear = await stage.chat(whole())
        assert asked(stage)["model"] == "end"
        receipt = await stage.receipt(ear.call)
        assert (receipt.model, receipt.asked, receipt.attempts[0].model) == ("gpt-5-mini", "gpt-5-mini", "end")
        await stage.quiet()


async def test_headers_are_put_filled_and_passed_but_never_a_callers_credentials(tmp_path: Path) -> None:
    row = """
    [channels.header_override]
    "x-fixed" = "f"
    "x-key" = "{api_key}"
    "x-team" = "{client_header:X-Group}"
    "x-gone" = "{client_header:X-Not-There}"
    "re:^x-trace" = ""
    "*" = ""
    """
    async with staged(tmp_path, row) as stage:
        his = {"x_group": "red", "x_trace_id": "t", "cookie": "c", "x_api_key": stage.key, "user_agent": "codex/1"}
        await stage.ask("/v1/chat/completions", chat_body(), whole(), **his)
        sent = heard(stage)
        assert {name: sent.get(name) for name in ("x-fixed", "x-key", "x-team", "x-gone", "x-trace-id")} == {
            "x-fixed": "f", "x-key": "k-a", "x-team": "red", "x-gone": None, "x-trace-id": "t",
        }  # fmt: skip
        assert (sent["authorization"], sent["user-agent"]) == ("Bearer k-a", "codex/1")
        assert stage.key not in str(stage.outside.asked[-1].headers)
        assert "cookie" not in sent
        await stage.quiet()


async def test_a_status_is_mapped_before_its_remedy_is_chosen(tmp_path: Path) -> None:
    async with staged(tmp_path, "status_code_mapping = { 400 = 503 }\n", "") as stage:
        ear = await stage.chat(refused(400, "strange"), whole())
        receipt = await stage.receipt(ear.call)
        assert [(one.channel, one.status) for one in receipt.attempts] == [("a", 400), ("b", 200)]
        await stage.quiet()


async def test_a_status_that_is_mapped_to_a_callers_mistake_ends_the_call(tmp_path: Path) -> None:
    async with staged(tmp_path, 'status_code_mapping = { 500 = "422" }\n', "") as stage:
        ear = await stage.chat(refused(500, "your mistake"))
        assert (ear.status, len(stage.outside.asked)) == (422, 1)
        assert (await stage.receipt(ear.call)).reason is Reason.FAILED
        await stage.quiet()


async def test_a_channel_with_a_proxy_is_reached_through_it_and_its_password_is_shown_nowhere(tmp_path: Path) -> None:
    async with staged(tmp_path, 'proxy = "socks5://me:s3cret@proxy.example:1080"') as stage:
        failed = UpstreamError("connect", "no connection to api.openai.com:443: the proxy answered 407 to CONNECT")
        ear = await stage.chat(failed)
        assert stage.outside.asked[0].origin == through(
            "https://api.openai.com", "socks5://me:s3cret@proxy.example:1080"
        )
        assert ear.status == 502 and b"s3cret" not in ear.data
        assert "s3cret" not in repr(stage.hub.channels)
        shown = show_channel(stage.hub.channels[0], Source.FILE)
        assert shown["proxy"] == "socks5://proxy.example:1080" and "s3cret" not in repr(shown)
