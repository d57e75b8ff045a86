"""What only the `google-genai` package does: its chats, its automatic calls, its counts, its lists."""

from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from tests.journeys.speech import Loop
from tests.journeys.table import MODELS, Table

EACH_MODEL = pytest.mark.parametrize("model", MODELS)


def test_models_are_listed_and_found(table: Table) -> None:
    client: genai.Client = table.tongues["gemini"].client
    listed = list(client.models.list())
    assert {f"models/{model}" for model in MODELS} <= {model.name for model in listed}
    found = client.models.get(model="gemini-3-flash")
    assert (found.name, found.display_name) == ("models/gemini-3-flash", "Gemini 3 Flash")
    assert found.input_token_limit == 1_048_576
    with pytest.raises(errors.ClientError) as told:
        client.models.get(model="gemini-77")
    assert (told.value.code, told.value.status) == (404, "NOT_FOUND")


@EACH_MODEL
def test_tokens_are_counted_without_a_provider_and_for_nothing(table: Table, model: str, loop: Loop) -> None:
    client: genai.Client = table.tongues["gemini"].client
    before = table.counts()
    few = client.models.count_tokens(model=model, contents="hello")
    many = loop.run(client.aio.models.count_tokens(model=model, contents="hello " * 500))
    assert few.total_tokens is not None
    assert 0 < few.total_tokens < 100 < 450 < many.total_tokens < 2500
    assert table.counts() == before


@EACH_MODEL
def test_the_sdk_calls_functions_by_itself(table: Table, model: str) -> None:
    client: genai.Client = table.tongues["gemini"].client
    seen: list[tuple[int, int]] = []

    def add(a: int, b: int) -> str:
        """Adds two numbers."""
        seen.append((a, b))
        return str(a + b)

    config = types.GenerateContentConfig(tools=[add])
    asked = '[[tool:add {"a": 2, "b": 3}]]'
    answer = client.models.generate_content(model=model, contents=asked, config=config)
    assert seen == [(2, 3)]
    assert answer.text == "tool said: 5"
    assert answer.automatic_function_calling_history is not None


@EACH_MODEL
@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_remembers_words_calls_and_seals(table: Table, model: str, stream: bool) -> None:
    client: genai.Client = table.tongues["gemini"].client

    def noon(zone: str) -> str:
        """Tells the time."""
        return f"noon in {zone}"

    thinking = types.ThinkingConfig(include_thoughts=True)
    chat = client.chats.create(model=model, config=types.GenerateContentConfig(tools=[noon], thinking_config=thinking))

    def say(text: str) -> str:
        chunks: list[Any] = list(chat.send_message_stream(text)) if stream else [chat.send_message(text)]
        return "".join(chunk.text or "" for chunk in chunks)

    assert say("first  \n words").strip() == "You said: first words"
    assert "tool said: noon in Rome" in say('[[think]] [[tool:noon {"zone": "Rome"}]]')
    assert say("last").strip() == "You said: last"
    told = table.mock(MODELS[model]).requests[-1].body
    for words in (b"first", b"noon in Rome", b"last"):
        assert words in told


@EACH_MODEL
def test_a_shape_may_be_a_json_schema(table: Table, model: str) -> None:
    client: genai.Client = table.tongues["gemini"].client
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["cat", "dog"]}, "age": {"type": ["integer", "null"]}},
        "required": ["kind", "age"],
        "additionalProperties": False,
    }
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=schema)
    answer = client.models.generate_content(model=model, contents="which", config=config)
    assert answer.parsed == {"kind": "cat", "age": 1}
