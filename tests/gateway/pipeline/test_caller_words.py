"""A refusal and a dropped field are named as the caller wrote them, whoever answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import open_stage
from tests.gateway.pipeline.test_calls import claude
from tests.laws.plugins import DIALECTS
from tollway.core.errors import Unsupported
from tollway.gateway.dialect import Opaque, Target, close_body, open_body
from tollway.gateway.pipeline.caller_words import CallerWords

SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
TEXT = {"type": "text", "text": "hi"}
G_TEXT, G_SOUND = {"text": "hi"}, {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}
STORED = {"type": "image", "source": {"type": "file", "file_id": "file_1"}}
ODD = {"type": "container_upload", "file_id": "file_1"}
G_RESULT = {"functionResponse": {"name": "f", "response": {"result": "x"}, "parts": [G_SOUND]}}
G_CALL = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}
LINK = {"type": "file", "file": {"file_data": "http://x.test/a.pdf", "filename": "a.pdf"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["x.test"]}
CALL = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "c", "content": [TEXT, STORED]}
DEEP: dict[str, Any] = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(20_000)}}


def openai(*content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": [*content]}], **more}


def anthropic(*content: Any, **more: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": [TEXT]}, {"role": "assistant", "content": [CALL]}]
    return {"system": "s", "max_tokens": 9, "messages": [*turns, {"role": "user", "content": [*content]}], **more}


def gemini(*parts: Any, **more: Any) -> dict[str, Any]:
    contents = [{"role": "user", "parts": [G_TEXT]}, G_CALL, {"role": "user", "parts": [*parts]}]
    return {"systemInstruction": {"parts": [G_TEXT]}, "contents": contents, **more}


def g_tools(**function: Any) -> list[dict[str, Any]]:
    return [{"googleSearch": {}}, {"functionDeclarations": [{"name": "a"}, {"name": "b", **function}]}]


def asked(caller: str, body: dict[str, Any]) -> CallerWords:
    """The words of a caller, and his question understood."""
    dialect = DIALECTS[caller]
    opened = open_body(json.dumps({"model": "m", **body}).encode())
    request = dialect.read_request(opened, dialect.envelope(opened, {"model": "m"}), Opaque(b"key"))
    return CallerWords(dialect, opened, request)


REFUSED = [
    ("openai_chat", openai(TEXT, SOUND), "anthropic_messages", "messages[1].content[1]"),
    ("openai_chat", openai(TEXT, LINK), "gemini", "messages[1].content[1]"),
    ("openai_chat", openai(TEXT, n=2), "anthropic_messages", "n"),
    ("openai_chat", openai(TEXT, modalities=["audio"]), "anthropic_messages", "modalities"),
    (
        "openai_chat",
        openai(TEXT, tools=[{"type": "function", "function": {"name": "f", "parameters": DEEP}}]),
        "gemini",
        "tools[0].function.parameters",
    ),
    ("anthropic_messages", anthropic(ODD), "openai_chat", "messages[2].content[0]"),
    ("anthropic_messages", anthropic(TEXT, STORED), "gemini", "messages[2].content[1]"),
    ("anthropic_messages", anthropic(RESULT, TEXT), "openai_chat", "messages[2].content[0].content[1]"),
    ("anthropic_messages", anthropic(RESULT, TEXT), "gemini", "messages[2].content[0].content[1]"),
    ("anthropic_messages", anthropic(TEXT, tools=[SEARCH]), "openai_chat", "tools[0].allowed_domains"),
    ("anthropic_messages", anthropic(TEXT, tools=[SEARCH]), "gemini", "tools[0].allowed_domains"),
    ("anthropic_messages", anthropic(TEXT, tools=[{"name": "f", "input_schema": DEEP}]), "gemini",
     "tools[0].input_schema"),
    ("gemini", gemini(G_TEXT, G_SOUND), "anthropic_messages", "contents[2].parts[1]"),
    ("gemini", gemini(G_RESULT), "anthropic_messages", "contents[2].parts[0].functionResponse.parts[0]"),
    ("gemini", gemini({"executableCode": {"code": "1"}}), "openai_chat", "contents[2].parts[0]"),
    ("gemini", gemini(G_TEXT, tools=[{"googleSearch": {}}, {"codeExecution": {}}]), "openai_chat",
     "tools[1].codeExecution"),
    ("gemini", gemini(G_TEXT, generationConfig={"candidateCount": 2}), "anthropic_messages",
     "generationConfig.candidateCount"),
    ("gemini", gemini(G_TEXT, generationConfig={"responseModalities": ["IMAGE"]}), "openai_chat",
     "generationConfig.responseModalities"),
    ("hub", {"system": "s", "messages": [{"role": "user", "content": "hi"}],
             "tools": [{"name": "f", "input_schema": DEEP}]}, "gemini", "tools[0].input_schema"),
]  # fmt: skip


@pytest.mark.parametrize(("caller", "body", "spoken", "field"), REFUSED)
def test_a_refusal_names_the_callers_own_place(caller: str, body: dict[str, Any], spoken: str, field: str) -> None:
    words = asked(caller, body)
    with pytest.raises(Unsupported) as told:
        DIALECTS[spoken].write_request(words.request, Target(spoken.partition("_")[0], "gemini-3-pro", 1000))
    again = words.refusal(told.value)
    assert again.field == field
    assert again.message.startswith(f"{field}: "), again.message
    assert again.code == told.value.code


HISTORY = {"role": "assistant", "content": "so", "reasoning_content": "hmm"}
DROPPED = [
    ("openai_chat", openai(TEXT, stop=list("abcdefg"), verbosity="low"), "gemini", {"stop[5:]", "verbosity"}),
    ("openai_chat", openai(TEXT, reasoning_effort="high"), "openai_chat", {"reasoning_effort"}),
    ("openai_chat", openai(TEXT, reasoning={"effort": "high"}), "gemini-2.0", {"reasoning"}),
    ("openai_chat", openai(TEXT, prompt_cache_key="k", tomorrow=1), "gemini", {"prompt_cache_key", "tomorrow"}),
    ("openai_chat", {"messages": [HISTORY]}, "anthropic_messages", {"messages.reasoning_content"}),
    ("anthropic_messages", anthropic(TEXT, stop_sequences=list("abcde")), "openai_chat", {"stop_sequences[4:]"}),
    ("anthropic_messages", anthropic(TEXT, metadata={"user_id": "u"}, seed=7), "gemini", {"metadata.user_id", "seed"}),
    ("gemini", gemini(G_TEXT, generationConfig={"topK": 5}, safetySettings=[{}]), "openai_chat",
     {"generationConfig.topK", "safetySettings"}),
    ("gemini", gemini(G_TEXT, generationConfig={"seed": 5}, safetySettings=[{}], labels={}), "anthropic_messages",
     {"generationConfig.seed", "safetySettings", "labels"}),
    ("gemini", gemini(G_TEXT, generationConfig={"thinkingConfig": {"thinkingBudget": 5000}}), "openai_chat",
     {"generationConfig.thinkingConfig"}),
]  # fmt: skip


@pytest.mark.parametrize(("caller", "body", "spoken", "names"), DROPPED)
def test_dropped_fields_are_named_in_the_callers_words(
    caller: str, body: dict[str, Any], spoken: str, names: set[str]
) -> None:
    words = asked(caller, body)
    dialect = DIALECTS[spoken.partition("-")[0]]
    target = Target(spoken.partition("_")[0], "gemini-2.0-flash" if "gemini" in spoken else "m", 1000)
    assert set(words.dropped(dialect.write_request(words.request, target).dropped)) == names


def test_what_an_accent_removes_is_named_in_the_callers_words() -> None:
    words = asked("gemini", gemini(G_TEXT))
    removed = words.removed(("presence_penalty", "prompt_cache_key", "odd"), DIALECTS["openai_chat"])
    assert removed == ("generationConfig.presencePenalty", "cache_key", "odd")


def test_equal_questions_are_equal_wherever_their_pieces_stood() -> None:
    dialect = DIALECTS["openai_chat"]
    request = asked("openai_chat", openai(TEXT)).request
    body = open_body(close_body(dialect.write_request(request, Target("openai", "m", 100)).body))
    again = dialect.read_request(body, dialect.envelope(body, {}), Opaque(b"key"))
    assert again.places is not request.places and again.places == request.places
    assert [message.role for message in again.messages] == [message.role for message in request.messages]


async def test_gemini_callers_hear_their_own_words_over_the_wire(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        key = await stage.another_key(models=("claude-haiku",))
        body = gemini(G_TEXT, G_SOUND)
        refused = await stage.ask("/v1beta/models/claude-haiku:generateContent", body, key=key)
        assert refused.status == 400
        assert refused.json["error"]["message"].startswith("contents[2].parts[1]: Claude models take no audio")
        asked_more = gemini(G_TEXT, generationConfig={"seed": 5})
        heard = await stage.ask("/v1beta/models/claude-haiku:generateContent", asked_more, claude(), key=key)
        assert (heard.status, heard.headers["x-tollway-dropped"]) == (200, "generationConfig.seed")
