"""Whole answers: relay.md 6.9, 6.11 and 6.16."""

from typing import Any

import msgspec
import pytest

from tests.gateway.dialects.gemini.asking import GOLDEN, OPAQUE
from tollway.core.chat import Citation, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import Fault, Remedy
from tollway.core.media import Media, MediaKind
from tollway.core.stream import Answer, Choice, Finish
from tollway.core.usage import Usage
from tollway.gateway.dialect import Voice
from tollway.gateway.dialects.gemini import dialect

VOICE = Voice(request_id="req-1", model="the-model", created_s=1, opaque=OPAQUE)


def candidate(*parts: Any, finish: str = "STOP", index: int = 0) -> dict[str, Any]:
    return {"content": {"parts": list(parts), "role": "model"}, "finishReason": finish, "index": index}


def answer(*candidates: Any, **more: Any) -> bytes:
    return msgspec.json.encode({"candidates": list(candidates), "responseId": "r"} | more)


def test_a_grounded_answer_is_understood_whole() -> None:
    read = dialect.read_reply((GOLDEN / "reply_grounded.json").read_bytes())
    (choice,) = read.choices
    cited = Citation(url="https://example.com/a", title="A", quote="3 m", start=7, end=10)
    assert choice.parts == (
        Reasoning("thinking it over"),
        Text("Größe: 3 m.", citations=(cited,)),
        Text("\n"),
        Text("```python\nprint(3)\n```\n"),
        Text("```\n3\n```\n"),
        Media(kind=MediaKind.IMAGE, mime="image/png", data="iVBORw0KGgo="),
    )
    assert (read.id, read.model, choice.finish) == ("r-2", "gemini-2.5-flash-image", Finish.STOP)


def test_usage_is_summed_as_the_table_says() -> None:
    usage = dialect.read_reply((GOLDEN / "reply_grounded.json").read_bytes()).usage
    assert usage == Usage(
        input_total=120,
        cache_read=64,
        image_in=60,
        audio_in=10,
        output_total=1340,
        reasoning=40,
        image_out=1290,
        images=1,
        tool_calls=(("web_search", 2),),
    )
    assert dialect.glance((GOLDEN / "reply_grounded.json").read_bytes()).usage == usage


def test_texts_are_neither_joined_by_line_ends_nor_dropped() -> None:
    parts = dialect.read_reply(answer(candidate({"text": "a"}, {"text": "\n"}, {"text": "b"}))).choices[0].parts
    assert "".join(part.text for part in parts if isinstance(part, Text)) == "a\nb"


def test_one_candidates_call_does_not_change_anothers_reason() -> None:
    call = {"functionCall": {"name": "f", "args": {"a": [1, 2.5]}}, "thoughtSignature": "s"}
    first, second = dialect.read_reply(answer(candidate({"text": "b"}, index=1), candidate(call))).choices
    (made,) = first.parts
    assert isinstance(made, ToolCall) and made.id.startswith("call_") and len(made.id) == 29
    assert (made.args_json, made.signature, made.family) == ('{"a":[1,2.5]}', "s", "gemini")
    assert (first.finish, second.finish) == (Finish.TOOL_CALLS, Finish.STOP)


def test_a_given_call_id_is_kept_and_missing_arguments_are_empty() -> None:
    (choice,) = dialect.read_reply(answer(candidate({"functionCall": {"name": "f", "id": "x", "args": None}}))).choices
    assert choice.parts == (ToolCall("x", "f", "{}"),)


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("STOP", Finish.STOP),
        ("MAX_TOKENS", Finish.LENGTH),
        ("SAFETY", Finish.CONTENT_FILTER),
        ("RECITATION", Finish.CONTENT_FILTER),
        ("LANGUAGE", Finish.CONTENT_FILTER),
        ("IMAGE_SAFETY", Finish.CONTENT_FILTER),
        ("MALFORMED_FUNCTION_CALL", Finish.MALFORMED_TOOL),
        ("UNEXPECTED_TOOL_CALL", Finish.MALFORMED_TOOL),
        ("OTHER", Finish.OTHER),
        ("INVENTED_TOMORROW", Finish.OTHER),
    ],
)
def test_reasons_to_stop(word: str, finish: Finish) -> None:
    assert dialect.read_reply(answer(candidate({"text": "x"}, finish=word))).choices[0].finish is finish


def test_a_blocked_prompt_is_the_callers_fault() -> None:
    with pytest.raises(Fault, match="SAFETY") as caught:
        dialect.read_reply(b'{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}}')
    assert (caught.value.status, caught.value.code, caught.value.remedy) == (400, "prompt_blocked", Remedy.NONE)


def test_no_answer_at_all_may_be_asked_elsewhere() -> None:
    with pytest.raises(Fault) as caught:
        dialect.read_reply(b'{"usageMetadata":{"promptTokenCount":3},"responseId":"r"}')
    assert (caught.value.code, caught.value.remedy) == ("empty_response", Remedy.NEXT_CHANNEL)


def test_a_malformed_call_is_worth_one_more_try() -> None:
    with pytest.raises(Fault) as caught:
        dialect.read_reply(answer({"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "bad f("}))
    assert (caught.value.remedy, caught.value.message) == (Remedy.ONCE_MORE, "bad f(")


def test_an_error_in_a_200_is_a_fault() -> None:
    with pytest.raises(Fault) as caught:
        dialect.read_reply(b'{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}')
    assert (caught.value.status, caught.value.remedy) == (503, Remedy.NEXT_CHANNEL)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"nonsense", b'{"candidates":3}', b'{"id":"chatcmpl-1"}'])
def test_garbage_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a Gemini answer"):
        dialect.read_reply(body)
    with pytest.raises(ValueError, match="not a Gemini answer"):
        dialect.glance(body)


def test_a_glance_tells_empty_answers() -> None:
    assert dialect.glance(answer(candidate({"text": ""}))).empty
    assert dialect.glance(answer(finish="x")).empty
    seen = dialect.glance(answer(candidate({"functionCall": {"name": "f"}})))
    assert not seen.empty and seen.finish == "STOP" and seen.usage is None


def test_an_answer_is_written_as_google_would() -> None:
    cited = Citation(url="https://x.org", title="X", start=3, end=6)
    parts = (
        Reasoning("t", "sig", family="gemini"),
        Text("Zoë: yes", citations=(cited,)),
        ToolCall("c", "f", '{"a":1.50}', signature="s", family="gemini"),
        Refusal("no"),
    )
    usage = Usage(input_total=10, cache_read=4, output_total=9, reasoning=5)
    body = dialect.write_reply(Answer("r", "up", (Choice(parts, Finish.TOOL_CALLS),), usage), VOICE)
    assert b'{"a":1.50}' in body
    assert msgspec.json.decode(body) == {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"text": "t", "thought": True, "thoughtSignature": "sig"},
                        {"text": "Zoë: yes"},
                        {"functionCall": {"id": "c", "name": "f", "args": {"a": 1.5}}, "thoughtSignature": "s"},
                        {"text": "no"},
                    ],
                    "role": "model",
                },
                "finishReason": "STOP",
                "index": 0,
                "groundingMetadata": {
                    "groundingChunks": [{"web": {"uri": "https://x.org", "title": "X"}}],
                    "groundingSupports": [
                        {
                            "segment": {"partIndex": 1, "startIndex": 4, "endIndex": 7, "text": ": y"},
                            "groundingChunkIndices": [0],
                        }
                    ],
                },
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 10,
            "candidatesTokenCount": 4,
            "totalTokenCount": 19,
            "cachedContentTokenCount": 4,
            "thoughtsTokenCount": 5,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
        },
        "modelVersion": "the-model",
        "responseId": "r",
    }


@pytest.mark.parametrize(
    ("finish", "word"),
    [(Finish.STOP_SEQUENCE, "STOP"), (Finish.LENGTH, "MAX_TOKENS"), (Finish.CONTENT_FILTER, "SAFETY")],
)
def test_reasons_to_stop_in_googles_words(finish: Finish, word: str) -> None:
    body = dialect.write_reply(Answer("r", "m", (Choice((), finish),)), VOICE)
    assert msgspec.json.decode(body)["candidates"][0]["finishReason"] == word


def test_foreign_seals_travel_in_base64_that_googles_clients_can_decode() -> None:
    parts = (Reasoning("t", "sig", family="anthropic"), Reasoning(redacted="dark", family="anthropic"))
    body = dialect.write_reply(Answer("r", "m", (Choice(parts, Finish.STOP),)), VOICE)
    said = msgspec.json.decode(body)["candidates"][0]["content"]["parts"]
    assert said[0]["thought"] and said[1]["thought"]
    assert all(
        set(part["thoughtSignature"]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
        for part in said
    )


def test_an_answer_read_and_written_is_the_same_answer() -> None:
    parts = (
        Reasoning("t", "sig", family="gemini"),
        Text("words", citations=(Citation(url="https://x.org", title="X", quote="word", start=0, end=4),)),
        Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA"),
        ToolCall("c", "f", "{}", signature="s", family="gemini"),
        Reasoning("", "tail", family="gemini"),
    )
    usage = Usage(
        input_total=10, cache_read=4, image_in=2, audio_in=1, output_total=9, reasoning=5, image_out=1, images=1
    )
    whole = Answer("r", "the-model", (Choice(parts, Finish.TOOL_CALLS), Choice((Text("b"),), Finish.LENGTH)), usage)
    assert dialect.read_reply(dialect.write_reply(whole, VOICE)) == whole
