"""What only the `anthropic` package does: its counts, its beta door, its runner of tools, its stream of events."""

from typing import Any

import anthropic
import pytest
from anthropic import beta_tool

from tests.journeys.table import MODELS, Table

EACH_MODEL = pytest.mark.parametrize("model", MODELS)
ADD: Any = {
    "name": "add",
    "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
}


def turns(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_models_are_listed_and_found(table: Table) -> None:
    client: anthropic.Anthropic = table.tongues["anthropic"].client
    listed = list(client.models.list())
    assert {*MODELS} <= {model.id for model in listed}
    found = client.models.retrieve("claude-haiku")
    assert (found.id, found.display_name, found.type) == ("claude-haiku", "Claude Haiku 4.5", "model")
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-77")


@EACH_MODEL
def test_tokens_are_counted_without_a_provider_and_for_nothing(table: Table, model: str) -> None:
    client: anthropic.Anthropic = table.tongues["anthropic"].client
    before = table.counts()
    few = client.messages.count_tokens(model=model, messages=turns("hello"))
    many = client.messages.count_tokens(model=model, messages=turns("hello " * 500), system="s", tools=[ADD])
    assert 0 < few.input_tokens < 500 < many.input_tokens < 2500
    assert table.counts() == before


@EACH_MODEL
def test_the_stream_tells_its_events_in_the_vendors_order(table: Table, model: str) -> None:
    client: anthropic.Anthropic = table.tongues["anthropic"].client
    asked = turns('[[tool:add {"a": 12345, "b": 3}]] [[tool:add {"a": 5, "b": 67890}]]')
    with client.messages.create(model=model, max_tokens=100, messages=asked, tools=[ADD], stream=True) as stream:
        events = [event for event in stream if event.type != "ping"]
    kinds = [event.type for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    starts = [event for event in events if event.type == "content_block_start"]
    stops = [event.index for event in events if event.type == "content_block_stop"]
    assert [event.index for event in starts] == stops == list(range(len(starts)))
    tools = [event.index for event in starts if event.content_block.type == "tool_use"]
    assert len(tools) == 2
    pieces = [event for event in events if event.type == "content_block_delta" and event.index == tools[1]]
    assert len(pieces) >= (1 if "gemini" in model else 2), "arguments come as they are said; Google says them at once"


@EACH_MODEL
def test_the_streams_own_comforts(table: Table, model: str) -> None:
    client: anthropic.Anthropic = table.tongues["anthropic"].client
    with client.messages.stream(model=model, max_tokens=100, messages=turns("one two three")) as stream:
        pieces = list(stream.text_stream)
        assert stream.get_final_text() == "You said: one two three"
    assert len(pieces) >= 4, "piece by piece, not at once"
    asked = turns('[[tool:add {"a": 12345, "b": 3}]]')
    with client.messages.stream(model=model, max_tokens=100, messages=asked, tools=[ADD]) as stream:
        snapshots = [event.snapshot for event in stream if event.type == "input_json"]
    assert snapshots[-1] == {"a": 12345, "b": 3}


@EACH_MODEL
@pytest.mark.parametrize("stream", [False, True])
def test_the_sdk_runs_tools_by_itself(table: Table, model: str, stream: bool) -> None:
    client: anthropic.Anthropic = table.tongues["anthropic"].client
    seen: list[tuple[int, int]] = []

    @beta_tool
    def add(a: int, b: int) -> str:
        """Adds two numbers.

        Args:
            a: one
            b: the other
        """
        seen.append((a, b))
        return str(a + b)

    asked = turns('[[tool:add {"a": 2, "b": 3}]]')
    runner: Any = client.beta.messages.tool_runner(
        model=model, max_tokens=100, messages=asked, tools=[add], stream=stream
    )
    final = runner.until_done()
    assert seen == [(2, 3)]
    assert final.content[0].text == "tool said: 5"


@pytest.mark.parametrize("model", ["gpt-5-mini", "claude-haiku"])
def test_the_answer_can_be_begun_for_the_model(table: Table, model: str) -> None:
    client: anthropic.Anthropic = table.tongues["anthropic"].client
    begun: Any = [*turns("hello"), {"role": "assistant", "content": "You said"}]
    answer: Any = client.messages.create(model=model, max_tokens=100, messages=begun)
    assert answer.content[0].text.endswith("hello")
    assert answer.stop_reason == "end_turn"
