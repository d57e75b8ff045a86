"""Whole answers: glanced at, understood, and written for callers (relay.md 6.3, 6.9, 6.16)."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.chat import Citation, Part, Reasoning, Refusal, Text, ToolCall, ToolKind
from tollway.core.errors import Fault, Remedy
from tollway.core.media import Media, MediaKind
from tollway.core.stream import Answer, Choice, Finish
from tollway.core.usage import Usage
from tollway.gateway.dialect import Opaque, Voice
from tollway.gateway.dialects.openai_chat import dialect

GOLDEN = Path(__file__).parents[3] / "golden"
OPAQUE = Opaque(b"key")
VOICE = Voice("req", "asked", 1, opaque=OPAQUE)
PICTURE = Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA")


def wire(message: dict[str, Any], finish: str = "stop", **top: Any) -> bytes:
    return msgspec.json.encode(
        {"id": "i", "model": "m", "choices": [{"message": message, "finish_reason": finish}], **top}
    )


def message_of(*parts: Part, finish: Finish = Finish.STOP) -> dict[str, Any]:
    said = msgspec.json.decode(dialect.write_reply(Answer("i", "m", (Choice(parts, finish),)), VOICE))
    assert said["model"] == "asked"
    message: dict[str, Any] = said["choices"][0]["message"] | {"finish": said["choices"][0]["finish_reason"]}
    return message


def test_xai_thoughts_beside_the_completion_are_counted_once() -> None:
    body = (GOLDEN / "xai/reply.json").read_bytes()
    answer = dialect.read_reply(body)
    assert answer.usage == Usage(32, cache_read=6, output_total=103, reasoning=94)
    assert answer.choices[0].parts == (Reasoning("Adding"), Text("101"))
    assert dialect.glance(body).usage == answer.usage


@pytest.mark.parametrize(
    ("message", "empty"),
    [
        ({"content": None}, True),
        ({"content": "", "tool_calls": []}, True),
        ({"content": "a"}, False),
        ({"content": None, "refusal": "no"}, False),
        ({"content": None, "reasoning_content": "hm"}, False),
        ({"content": None, "tool_calls": [{"id": "c"}]}, False),
        ({"content": None, "audio": {"id": "a"}}, False),
    ],
)
def test_a_glance_sees_silence(message: dict[str, Any], empty: bool) -> None:
    assert dialect.glance(wire(message)).empty is empty


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b'{"choices":3}', b"<html>", b'{"choices":[3]}', b'{"id":"x"}'])
def test_what_is_no_answer_is_a_value_error(garbage: bytes) -> None:
    with pytest.raises(ValueError, match="not"):
        dialect.glance(garbage)
    with pytest.raises(ValueError, match="not"):
        dialect.read_reply(garbage)


def test_an_error_in_a_200_is_a_fault() -> None:
    with pytest.raises(Fault) as fault:
        dialect.read_reply(b'{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"slow down"}}}')
    assert (fault.value.status, fault.value.remedy) == (429, Remedy.NEXT_CHANNEL)
    assert fault.value.message == "Provider returned error: slow down"


def test_legacy_calls_and_calls_without_ids_are_calls() -> None:
    answer = dialect.read_reply(
        wire({"content": None, "function_call": {"name": "f", "arguments": ""}}, "function_call")
    )
    assert answer.choices[0] == Choice((ToolCall("call_0_0", "f", "{}"),), Finish.TOOL_CALLS)


def test_all_text_blocks_survive_and_thoughts_are_joined_by_a_blank_line() -> None:
    told = message_of(Reasoning("a"), Text("x\n"), Reasoning("b"), Text("y"))
    assert (told["content"], told["reasoning_content"]) == ("x\ny", "a\n\nb")


def test_calls_alone_have_null_content() -> None:
    told = message_of(ToolCall("c", "f", "{}"), finish=Finish.TOOL_CALLS)
    assert (told["content"], told["finish"]) == (None, "tool_calls")
    assert told["tool_calls"] == [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def test_seals_of_other_families_are_wrapped_and_come_back() -> None:
    told = message_of(
        Reasoning("why", "sig", family="anthropic"),
        Reasoning(redacted="secret", family="anthropic"),
        ToolCall("c", "f", "{}", signature="g", family="gemini"),
    )
    kinds = [entry["type"] for entry in told["reasoning_details"]]
    seals = [OPAQUE.unseal(entry.get("signature") or entry["data"]) for entry in told["reasoning_details"]]
    assert kinds == ["thinking", "redacted_thinking", "tool_call"]
    assert seals == [("anthropic", "sig"), ("anthropic", "secret"), ("gemini", "g")]


def test_pictures_are_in_the_text_and_beside_it() -> None:
    told = message_of(Text("see "), PICTURE)
    assert told["content"] == "see ![image](data:image/png;base64,AAAA)"
    assert told["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]


@pytest.mark.parametrize(
    ("finish", "word"),
    [
        (Finish.STOP_SEQUENCE, "stop"),
        (Finish.CONTEXT_WINDOW, "length"),
        (Finish.CONTENT_FILTER, "content_filter"),
        (Finish.PAUSE, "stop"),
        (Finish.OTHER, "stop"),
    ],
)
def test_every_end_has_a_word_of_openais(finish: Finish, word: str) -> None:
    assert message_of(Text("x"), finish=finish)["finish"] == word


words = st.text(min_size=1, max_size=10)
cited = Citation(url="http://x.test", title="t", start=0, end=1)


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    parts: list[Part] = []
    if draw(st.booleans()):
        signature = draw(st.sampled_from([None, "sig"]))
        parts.append(Reasoning(draw(words), signature, family="openai" if signature else None))
    if draw(st.booleans()):
        parts.append(Text(draw(words), citations=(cited,) if draw(st.booleans()) else ()))
    if draw(st.booleans()):
        parts.append(Refusal(draw(words)))
    if draw(st.booleans()):
        parts.append(PICTURE)
    if draw(st.booleans()):
        parts.append(Media(kind=MediaKind.AUDIO, data="AAAA", transcript=draw(words)))
    if draw(st.booleans()):
        calls = [ToolCall("c", "f", '{"a":1}'), ToolCall("d", "g", "free", ToolKind.CUSTOM)]
        return Choice((*parts, *calls), Finish.TOOL_CALLS)
    return Choice(tuple(parts), draw(st.sampled_from([Finish.STOP, Finish.LENGTH, Finish.CONTENT_FILTER])))


@given(st.lists(choices(), min_size=1, max_size=3), st.integers(0, 9))
def test_what_is_written_reads_back_the_same(said: list[Choice], count: int) -> None:
    answer = Answer(
        "i", "asked", tuple(said), Usage(20, 3, count, 0, 1, 1, 9, 4, 1, 1, tool_calls=(("web_search", 2),))
    )
    assert dialect.read_reply(dialect.write_reply(answer, VOICE)) == answer
