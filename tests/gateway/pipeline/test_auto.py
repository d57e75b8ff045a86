"""The auto router through a whole gateway: plans, credits, tools, pictures, and models that are not to be had."""

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import KEYS, Stage, open_stage
from tests.gateway.pipeline.test_calls import claude, whole
from tollway.core.caller import KeyLimits
from tollway.gateway.admin.users import Users
from tollway.gateway.auth.api_keys import ApiKeys, KeyRules

CHAT = "/v1/chat/completions"
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
PROOF = "Prove the theorem step by step"


def body(text: str, **stated: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **stated}


async def free_key(stage: Stage) -> str:
    """The key of a user of the free plan."""
    hub = stage.hub
    keys = ApiKeys(hub.database, hub.clock, KeyRules(90))
    users = Users(hub.database, hub.clock, keys, hub.subscriptions)
    return (await users.create("free@example.com", plan="free"))[1].api_key


async def test_users_of_the_free_plan_get_the_fast_model_of_the_kind_and_no_pictures(stage: Stage) -> None:
    key = await free_key(stage)
    ear = await stage.ask(CHAT, body("Fix this bug please. " * 40), whole(), key=key)
    assert (ear.status, ear.headers["x-tollway-model"]) == (200, "gpt-5-mini"), ear.data
    ear = await stage.ask(CHAT, body("Draw a fox in the snow"), key=key)
    assert ear.status == 403 and "upgrade" in ear.json["error"]["message"]


async def test_a_key_of_few_models_gets_the_nearest_of_them(stage: Stage) -> None:
    keys = ApiKeys(stage.hub.database, stage.hub.clock, KeyRules(90))
    made = await keys.create(stage.user, "narrow", KeyLimits(models=("claude-*",)))
    ear = await stage.ask(CHAT, body("Fix this bug please"), claude(), key=made.api_key)
    assert (ear.status, ear.headers["x-tollway-model"]) == (200, "claude-haiku"), ear.data


async def test_a_model_that_no_channel_serves_is_passed_over(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={"OPENAI_API_KEY": KEYS["OPENAI_API_KEY"]}) as stage:
        ear = await stage.ask(CHAT, body("Tell me of the sea. " * 250), whole())
        assert ear.status == 200 and ear.headers["x-tollway-model"].startswith("gpt-5"), ear.data


async def test_tools_go_to_a_model_that_can_use_them(stage: Stage) -> None:
    ear = await stage.ask(CHAT, body("What is the weather?", tools=[TOOL]), whole())
    assert (ear.status, ear.headers["x-tollway-model"]) == (200, "gpt-5-mini"), ear.data


async def test_a_model_that_the_credits_cannot_pay_is_passed_over(tmp_path: Path) -> None:
    async with open_stage(tmp_path, credits=4.0) as stage:
        ear = await stage.ask(CHAT, body(PROOF, max_tokens=16), whole())
        assert ear.status == 200 and ear.headers["x-tollway-model"] != "gpt-5.2", ear.data


async def test_the_hubs_own_dialect_says_that_the_model_was_chosen(stage: Stage) -> None:
    ear = await stage.ask("/chat", body("Fix this bug please", stream=False), whole())
    assert ear.status == 200 and ear.json["routed"] is True and ear.json["model"] == "gpt-5-mini", ear.data


@pytest.mark.parametrize("named", [{}, {"model": None}, {"model": "auto"}], ids=["omitted", "null", "auto"])
@pytest.mark.parametrize(
    ("path", "question"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "Tell me of the sea. " * 250}]}),
        ("/v1/responses", {"input": "Tell me of the sea. " * 250}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "Tell me of the sea. " * 250}], "max_tokens": 99}),
    ],
    ids=["chat", "responses", "messages"],
)
async def test_every_surface_routes_and_says_which_model_answered(
    stage: Stage, path: str, question: dict[str, Any], named: dict[str, Any]
) -> None:
    ear = await stage.ask(path, question | named, claude())
    assert ear.status == 200 and ear.headers["x-tollway-model"] == "claude-haiku", ear.data
    own_word = "up"  # the provider's, where its answer passes through
    assert ear.json["model"] == (own_word if path == "/v1/messages" else "claude-haiku"), ear.json


async def test_gemini_says_which_model_answered_for_auto(stage: Stage) -> None:
    turns = {"contents": [{"role": "user", "parts": [{"text": "Tell me of the sea. " * 250}]}]}
    ear = await stage.ask("/v1beta/models/auto:generateContent", turns, claude())
    assert (ear.status, ear.json["modelVersion"]) == (200, "claude-haiku"), ear.data


async def test_tokens_are_counted_for_the_model_that_would_answer(stage: Stage) -> None:
    body = {"messages": [{"role": "user", "content": "Fix this bug please"}]}
    for named in ({}, {"model": "auto"}):
        ear = await stage.ask("/v1/messages/count_tokens", body | named)
        assert ear.status == 200 and ear.json["input_tokens"] > 3, ear.data


async def test_where_the_operator_states_a_default_model_only_auto_is_routed(tmp_path: Path) -> None:
    async with open_stage(tmp_path, '[server]\ndefault_model = "claude-haiku"\n') as stage:
        ear = await stage.ask(CHAT, body(PROOF), claude())
        assert ear.headers["x-tollway-model"] == "claude-haiku"
        ear = await stage.ask(CHAT, body(PROOF, model="auto"), whole())
        assert ear.headers["x-tollway-model"] == "gpt-5.2"


async def test_an_operators_own_table_decides(tmp_path: Path) -> None:
    own = '[routing.auto]\nreasoning = ["gpt-5-mini", "gpt-5-mini, gpt-5.2", "gpt-5.2"]\n'
    async with open_stage(tmp_path, own) as stage:
        ear = await stage.ask(CHAT, body(PROOF), whole())
        assert ear.headers["x-tollway-model"] == "gpt-5-mini", ear.data
