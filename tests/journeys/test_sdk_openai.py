"""What only the `openai` package does: its model list, its typed tools, its event stream, its audio of one delta."""

from typing import Any

import openai
import pytest
from openai import pydantic_function_tool
from pydantic import BaseModel, Field

from tests.journeys.table import MODELS, Table

EACH_MODEL = pytest.mark.parametrize("model", MODELS)


class AddNumbers(BaseModel):
    """Adds."""

    a: int
    b: int = Field(description="the other")


def turns(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_models_are_listed_and_found(table: Table) -> None:
    client: openai.OpenAI = table.tongues["openai"].client
    listed = list(client.models.list())
    assert len(listed) >= 18
    assert {*MODELS} <= {model.id for model in listed}
    for model in MODELS:
        assert client.models.retrieve(model).id == model
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-77")


@EACH_MODEL
def test_a_typed_tool_is_parsed(table: Table, model: str) -> None:
    client: openai.OpenAI = table.tongues["openai"].client
    tools = [pydantic_function_tool(AddNumbers)]
    asked = turns('[[tool:AddNumbers {"a": 2, "b": 3}]]')
    answer = client.chat.completions.parse(model=model, messages=asked, tools=tools)
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].function.parsed_arguments == AddNumbers(a=2, b=3)


@EACH_MODEL
def test_a_stream_tells_each_thing_once_and_in_order(table: Table, model: str) -> None:
    client: openai.OpenAI = table.tongues["openai"].client
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=turns('[[tool:AddNumbers {"a": 2, "b": 3}]] [[tool:AddNumbers {"a": 20, "b": 30}]]'),
            tools=[pydantic_function_tool(AddNumbers)],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    *spoken, counted = chunks
    assert counted.choices == []
    assert counted.usage is not None
    assert all(chunk.usage is None for chunk in spoken)
    deltas = [chunk.choices[0].delta for chunk in spoken]
    assert [delta.role for delta in deltas if delta.role] == ["assistant"]
    assert deltas[0].role == "assistant"
    finishes = [chunk.choices[0].finish_reason for chunk in spoken]
    assert [finish for finish in finishes if finish] == ["tool_calls"]
    assert finishes[-1] == "tool_calls"
    pieces = [call for delta in deltas for call in delta.tool_calls or []]
    for index in (0, 1):
        mine = [piece for piece in pieces if piece.index == index]
        assert [bool(piece.id) for piece in mine] == [True] + [False] * (len(mine) - 1)
        assert mine[0].function is not None
        assert mine[0].function.name == "AddNumbers"
        assert len(mine) >= 2
    assert [piece.index for piece in pieces] == sorted(piece.index for piece in pieces)


@EACH_MODEL
def test_the_event_stream_tells_text_as_it_grows(table: Table, model: str) -> None:
    client: openai.OpenAI = table.tongues["openai"].client
    with client.chat.completions.stream(model=model, messages=turns("one two three")) as stream:
        events = list(stream)
    grown = [event.delta for event in events if event.type == "content.delta"]
    assert "".join(grown) == "You said: one two three"
    assert len(grown) >= 4, "piece by piece, not at once"
    assert [event.content for event in events if event.type == "content.done"] == ["You said: one two three"]


@EACH_MODEL
def test_the_raw_answer_has_its_headers(table: Table, model: str) -> None:
    client: openai.OpenAI = table.tongues["openai"].client
    raw = client.chat.completions.with_raw_response.create(model=model, messages=turns("hi"))
    assert raw.request_id == raw.headers["x-request-id"]
    assert raw.headers["x-tollway-model"] == model
    assert raw.parse().model
    receipt = table.hub.receipt(raw.headers["x-request-id"], table.key)
    assert float(raw.headers["x-tollway-cost"]) == pytest.approx(receipt["charge"]["credits"], abs=1e-6)
