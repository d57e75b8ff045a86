"""Thinking toward each generation of Claude (relay.md 6.17)."""

from typing import Any

import pytest

from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Effort,
    Message,
    Role,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tollway.gateway.dialect import Edits, Target, Written
from tollway.gateway.dialects.anthropic_messages import dialect
from tollway.gateway.dialects.anthropic_messages.traits import traits_of

HI = Message(Role.USER, (Text("hi"),))


def write(model: str, thinking: Thinking, most: int = 64_000, **fields: Any) -> Written:
    request = ChatRequest(model="m", thinking=thinking, **{"messages": (HI,)} | fields)
    return dialect.write_request(request, Target("anthropic", model, most))


@pytest.mark.parametrize(
    ("effort", "budget"),
    [("minimal", 1024), ("low", 2048), ("medium", 8192), ("high", 16384), ("xhigh", 32000), ("max", 32000)],
)
def test_effort_is_a_budget_with_room_for_the_answer(effort: str, budget: int) -> None:
    body = write("claude-haiku-4-5", Thinking(effort=Effort(effort)), max_output=100).body
    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert body["max_tokens"] == budget + 1024


def test_a_budget_never_outgrows_the_models_limit() -> None:
    body = write("claude-haiku-4-5", Thinking(budget=50_000), most=10_000).body
    assert (body["thinking"]["budget_tokens"], body["max_tokens"]) == (8976, 10_000)
    cramped = write("claude-haiku-4-5", Thinking(budget=50_000), most=1500)
    assert "thinking" not in cramped.body and cramped.dropped == ("thinking",)


@pytest.mark.parametrize(
    ("model", "thinking", "config", "effort"),
    [
        ("claude-opus-4-6", Thinking(effort=Effort.XHIGH), {"type": "adaptive"}, "max"),
        ("claude-opus-4-7", Thinking(effort=Effort.XHIGH), {"type": "adaptive", "display": "summarized"}, "xhigh"),
        ("claude-opus-4-8", Thinking(effort=Effort.MINIMAL), {"type": "adaptive", "display": "summarized"}, "low"),
        ("claude-sonnet-4-6", Thinking(budget=8000), {"type": "adaptive"}, "medium"),
        ("claude-sonnet-4-6", Thinking(budget=-1), {"type": "adaptive"}, None),
        ("claude-opus-5", Thinking(adaptive=True, visible=False), {"type": "adaptive", "display": "omitted"}, None),
    ],
)
def test_adaptive_models_are_steered_by_effort(
    model: str, thinking: Thinking, config: dict[str, str], effort: str | None
) -> None:
    body = write(model, thinking, max_output=100).body
    assert body["thinking"] == config
    assert body.get("output_config", {}).get("effort") == effort
    assert body["max_tokens"] == 100


@pytest.mark.parametrize(
    ("model", "config", "dropped"),
    [
        ("claude-haiku-4-5", None, ()),
        ("claude-opus-4-7", None, ()),
        ("claude-opus-5", {"type": "disabled"}, ()),
        ("claude-opus-5-5", None, ("thinking",)),
        ("claude-fable-5", None, ("thinking",)),
    ],
)
def test_no_thinking_is_said_where_it_must_be_and_can_be(
    model: str, config: dict[str, str] | None, dropped: tuple[str, ...]
) -> None:
    written = write(model, Thinking(effort=Effort.NONE))
    assert written.body.get("thinking") == config
    assert written.dropped == dropped


def test_dials_that_thinking_forbids_are_dropped_also_when_it_came_from_an_effort() -> None:
    dials = Sampling(temperature=0.2, top_p=0.5, top_k=3)
    written = write("claude-haiku-4-5", Thinking(effort=Effort.LOW), sampling=dials)
    assert not {"temperature", "top_p", "top_k"} & set(written.body)
    assert written.dropped == ("temperature", "top_k", "top_p")
    assert write("claude-haiku-4-5", Thinking(effort=Effort.LOW), sampling=Sampling(top_p=0.97)).body["top_p"] == 0.97


def test_a_forced_tool_wins_over_thinking() -> None:
    choice = ToolChoice(ChoiceMode.REQUIRED)
    written = write("claude-haiku-4-5", Thinking(effort=Effort.LOW), tools=(Tool(name="f"),), tool_choice=choice)
    assert "thinking" not in written.body and written.dropped == ("thinking",)


def test_a_loop_whose_thoughts_were_lost_goes_on_without() -> None:
    turns = (
        HI,
        Message(Role.ASSISTANT, (ToolCall("c", "f", "{}"),)),
        Message(Role.TOOL, (ToolResult("c", (Text("r"),)),)),
    )
    assert write("claude-haiku-4-5", Thinking(effort=Effort.LOW), messages=turns).dropped == ("thinking",)
    assert "thinking" in write("claude-opus-4-7", Thinking(effort=Effort.LOW), messages=turns).body


def test_a_model_that_cannot_think_is_not_asked_to() -> None:
    request = ChatRequest(model="m", messages=(HI,), thinking=Thinking(effort=Effort.LOW))
    written = dialect.write_request(request, Target("anthropic", "claude-3-haiku", 4096, frozenset({"tools"})))
    assert "thinking" not in written.body and written.dropped == ("thinking",)


@pytest.mark.parametrize(
    "name", ["claude-opus-4-20250514", "claude-3-5-sonnet-20241022", "anthropic.claude-sonnet-4-v1:0"]
)
def test_dates_are_not_taken_for_versions(name: str) -> None:
    traits = traits_of(name)
    assert (traits.adaptive, traits.sampling, traits.prefill, traits.both_dials) == (False, True, True, True)


@pytest.mark.parametrize(
    ("name", "model", "config"),
    [
        ("claude-opus-4-7-high", "claude-opus-4-7", {"type": "adaptive", "display": "summarized"}),
        ("claude-opus-4-6-thinking", "claude-opus-4-6", {"type": "adaptive"}),
        ("claude-haiku-4-5-thinking", "claude-haiku-4-5", {"type": "enabled", "budget_tokens": 8000}),
    ],
)
def test_the_end_of_a_models_name_may_ask_for_thinking(name: str, model: str, config: dict[str, Any]) -> None:
    request = ChatRequest(model="m", messages=(HI,), max_output=10_000)
    body = dialect.write_request(request, Target("anthropic", name, 64_000)).body
    assert (body["model"], body["thinking"]) == (model, config)
    native: dict[str, Any] = {"model": "m", "max_tokens": 10_000, "messages": [], "temperature": 0.3}
    edited = dialect.edit_request(native, dialect.envelope(native, {}), Edits(name))
    assert (edited["model"], edited["thinking"]) == (model, config)
    assert "temperature" not in edited


def test_an_explicit_thinking_wins_over_the_name() -> None:
    native = {"model": "m", "max_tokens": 10_000, "messages": [], "thinking": {"type": "disabled"}}
    edited = dialect.edit_request(native, dialect.envelope(native, {}), Edits("claude-opus-4-7-high"))
    assert (edited["model"], edited["thinking"]) == ("claude-opus-4-7", {"type": "disabled"})
