"""What a generateContent body means."""

import re
from typing import Any

import pytest

from tests.gateway.dialects.gemini.asking import GOLDEN, OPAQUE, read
from tollway.core.chat import (
    ChoiceMode,
    OutputFormat,
    Raw,
    Reasoning,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolKind,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialect import Edits, close_body, open_body
from tollway.gateway.dialects.gemini import dialect
from tollway.gateway.dialects.gemini.seals import Seal, write_seal

USER_HI = {"role": "user", "parts": [{"text": "hi"}]}


def peek(wire: bytes, **path: str) -> Any:
    return dialect.envelope(open_body(wire), {"model": "m", "action": "generateContent"} | path)


def test_a_whole_agents_question_is_understood() -> None:
    request = read((GOLDEN / "question_agent.json").read_bytes())
    system, user, model, tools, more = request.messages
    assert system.role is Role.SYSTEM and system.parts == (Text("Be brief.\nBe kind."),)
    assert user.parts[1] == Media(kind=MediaKind.IMAGE, mime="image/png", data="iVBORw0KGgo=")
    assert model.parts[:2] == (Reasoning("let me see"), Text("Looking."))
    assert model.parts[2] == ToolCall("call_0", "look", '{"at":"image"}', signature="c2ln", family="gemini")
    assert [result.call_id for result in tools.parts if isinstance(result, ToolResult)] == ["call_0", "call_1"]
    assert tools.role is Role.TOOL and tools.parts[1] == ToolResult("call_1", (Text('{"width":3}'),), name="look")
    assert more.parts == (Text("and now?"),)
    assert request.tools[0].schema == {
        "type": "object",
        "properties": {"at": {"type": ["string", "null"]}, "zoom": {"type": "integer"}},
        "required": ["at"],
    }
    assert (request.tools[1].name, request.tools[1].kind, request.tools[1].family) == (
        "web_search",
        ToolKind.SERVER,
        None,
    )
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.names) == (ChoiceMode.NAMED, ("look",))
    assert request.thinking == Thinking(budget=1024, visible=True)
    assert request.leftover == ("labels",)


def test_seed_penalties_and_logprobs_are_kept() -> None:
    sampling = read((GOLDEN / "question_agent.json").read_bytes()).sampling
    assert (sampling.seed, sampling.top_k, sampling.logprobs, sampling.top_logprobs) == (0, 40, True, 3)
    assert (sampling.presence_penalty, sampling.frequency_penalty, sampling.stop) == (0.1, 0.2, ("END",))


def test_text_beside_a_function_call_is_kept() -> None:
    request = read({"contents": [{"role": "model", "parts": [{"text": "a"}, {"functionCall": {"name": "f"}}]}]})
    assert request.messages[0].parts == (Text("a"), ToolCall("call_0", "f", "{}"))


def test_call_ids_are_counted_over_the_whole_conversation_and_answers_find_their_call() -> None:
    turn = [
        {"role": "model", "parts": [{"functionCall": {"name": "f"}}, {"functionCall": {"name": "g"}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": name, "response": {}}} for name in ("g", "f")]},
    ]
    parts = [part for message in read({"contents": turn + turn}).messages for part in message.parts]
    calls = {part.id: part.name for part in parts if isinstance(part, ToolCall)}
    assert calls == {"call_0": "f", "call_1": "g", "call_2": "f", "call_3": "g"}
    answers = [part.call_id for part in parts if isinstance(part, ToolResult)]
    assert answers == ["call_1", "call_0", "call_3", "call_2"]


def test_given_ids_win_and_made_ids_keep_clear_of_them() -> None:
    calls = [{"functionCall": {"name": "f", "id": "call_0"}}, {"functionCall": {"name": "f"}}]
    answer = {"functionResponse": {"name": "other", "id": "call_1", "response": {"output": "x"}}}
    request = read({"contents": [{"role": "model", "parts": calls}, {"role": "function", "parts": [answer]}]})
    assert [part.id for part in request.messages[0].parts if isinstance(part, ToolCall)] == ["call_0", "call_1"]
    assert request.messages[1].parts == (ToolResult("call_1", (Text("x"),), name="other"),)


def test_thoughts_are_thoughts_and_not_text() -> None:
    request = read({"contents": [{"role": "model", "parts": [{"text": "t", "thought": True}, {"text": "a"}]}]})
    assert request.messages[0].parts == (Reasoning("t"), Text("a"))


def test_media_are_told_apart_by_mime_type() -> None:
    mimes = ["image/png", "audio/wav", "video/mp4", "application/pdf"]
    parts = [{"inlineData": {"mimeType": mime, "data": "AAAA"}} for mime in mimes]
    found = read({"contents": [{"parts": parts}]}).messages[0].parts
    kinds = [part.kind for part in found if isinstance(part, Media)]
    assert kinds == [MediaKind.IMAGE, MediaKind.AUDIO, MediaKind.VIDEO, MediaKind.FILE]


def test_file_addresses_are_urls_unless_google_keeps_the_file() -> None:
    uris = ["https://x.org/a.png?b", "gs://bucket/a", "https://generativelanguage.googleapis.com/v1beta/files/a"]
    parts = [{"fileData": {"fileUri": uri}} for uri in [*uris, "https://youtu.be/abc"]]
    image, bucket, kept, tube = read({"contents": [{"parts": parts}]}).messages[0].parts
    assert image == Media(kind=MediaKind.IMAGE, mime="image/png", url=uris[0])
    assert isinstance(bucket, Media) and isinstance(kept, Media) and isinstance(tube, Media)
    assert (bucket.file_id, kept.file_id, kept.file_family) == (uris[1], uris[2], "gemini")
    assert (tube.kind, tube.url) == (MediaKind.VIDEO, "https://youtu.be/abc")


def test_pictures_in_a_function_response_belong_to_the_result() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    answer = {"name": "f", "response": {"error": "bad"}, "parts": [picture]}
    contents = [
        {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
        {"parts": [{"functionResponse": answer}]},
    ]
    (result,) = read({"contents": contents}).messages[1].parts
    assert isinstance(result, ToolResult) and result.is_error
    assert result.parts == (Text("bad"), Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA"))


def test_code_google_ran_stays_googles() -> None:
    part = {"executableCode": {"language": "PYTHON", "code": "1"}}
    assert read({"contents": [{"role": "model", "parts": [part]}]}).messages[0].parts == (Raw("gemini", part),)


@pytest.mark.parametrize("contents", ["hi", USER_HI, [USER_HI], [{"parts": {"text": "hi"}}], ["hi"]])
def test_short_forms_of_contents_are_understood(contents: Any) -> None:
    (message,) = read({"contents": contents}).messages
    assert message.role is Role.USER and message.parts == (Text("hi"),)


def test_foreign_seals_come_back_as_what_they_were() -> None:
    wrapped = write_seal(Seal("anthropic", redacted="secret"), OPAQUE)
    signed = write_seal(Seal("anthropic", signature="sig"), OPAQUE)
    parts = [{"text": "", "thoughtSignature": wrapped}, {"text": "t", "thought": True, "thought_signature": signed}]
    assert read({"contents": [{"role": "model", "parts": parts}]}).messages[0].parts == (
        Reasoning("", redacted="secret", family="anthropic"),
        Reasoning("t", "sig", family="anthropic"),
    )


def test_json_may_be_demanded_in_three_ways() -> None:
    lower = {"type": "object", "properties": {"a": {"type": "integer"}}}
    upper = {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}}
    for config in (
        {"responseMimeType": "application/json", "responseSchema": upper},
        {"responseMimeType": "application/json", "responseJsonSchema": lower},
        {"response_mime_type": "application/json", "_responseJsonSchema": lower},
        {"responseFormat": [{"text": {"mimeType": "APPLICATION_JSON", "jsonSchema": lower}}]},
    ):
        assert read({"contents": "x", "generationConfig": config}).output_format == OutputFormat(schema=lower)
    assert read({"contents": "x", "generationConfig": {"responseMimeType": "application/json"}}).output_format == (
        OutputFormat()
    )


def test_what_has_no_word_is_named() -> None:
    request = read(
        {
            "contents": [{"parts": [{"text": "x", "videoMetadata": {"fps": 1}}]}],
            "cachedContent": "cachedContents/1",
            "generationConfig": {"mediaResolution": "LOW", "responseMimeType": "text/x.enum"},
        }
    )
    told = {"cachedContent", "generationConfig.mediaResolution", "generationConfig.responseMimeType", "videoMetadata"}
    assert set(request.leftover) == told


@pytest.mark.parametrize(
    ("wire", "place"),
    [
        ({}, "contents"),
        ({"contents": 3}, "contents"),
        ({"contents": [USER_HI, {"role": "user", "parts": []}]}, "contents[1].parts"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"text": 3}]}]}, "contents[0].parts[0].text"),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "%"}}]}]},
            "contents[0].parts[0].inlineData.data",
        ),
        ({"contents": [{"parts": [{"inlineData": {"data": "AAAA"}}]}]}, "contents[0].parts[0].inlineData.mimeType"),
        ({"contents": [{"parts": [{}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"functionResponse": {"name": "f"}}]}]}, "contents[0].parts[0].functionResponse"),
        ({"contents": [{"parts": [{"functionCall": {"args": {}}}]}]}, "contents[0].parts[0].functionCall.name"),
        ({"contents": "x", "tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        ({"contents": "x", "generationConfig": {"topK": "many"}}, "generationConfig.topK"),
        ({"contents": "x", "generationConfig": {"stopSequences": [1]}}, "generationConfig.stopSequences[0]"),
        (
            {"contents": "x", "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
        ({"contents": "x", "systemInstruction": {"parts": [{"inlineData": {}}]}}, "systemInstruction.parts[0]"),
    ],
)
def test_a_bad_request_names_the_place(wire: dict[str, Any], place: str) -> None:
    with pytest.raises(BadRequest, match="^" + re.escape(place)) as caught:
        read(wire)
    assert caught.value.field == place


def test_the_envelope_takes_model_and_stream_from_the_path() -> None:
    envelope = peek(b'{"contents":[]}', model="models/gemini-x", action="streamGenerateContent")
    assert (envelope.model, envelope.stream) == ("gemini-x", True)


@pytest.mark.parametrize("name", ["maxOutputTokens", "max_output_tokens"])
@pytest.mark.parametrize("config", ["generationConfig", "generation_config"])
@pytest.mark.parametrize("value", ["7", '"7"', "7.0"])
def test_the_envelope_sees_the_limit_in_every_spelling(config: str, name: str, value: str) -> None:
    assert peek(f'{{"{config}":{{"{name}":{value},"candidateCount":2}}}}'.encode()).max_output == 7


@pytest.mark.parametrize("config", ['{"maxOutputTokens":true}', '{"maxOutputTokens":0}', "[]", '{"candidateCount":-1}'])
def test_a_wrong_limit_is_refused_at_once(config: str) -> None:
    with pytest.raises(BadRequest, match="generationConfig"):
        peek(f'{{"generationConfig":{config}}}'.encode())


def test_the_envelope_never_overlooks_media_or_server_tools() -> None:
    for key in ("inlineData", "inline_data", "fileData", "file_data", "inlineDat\\u0061"):
        assert peek(f'{{"contents":[{{"parts":[{{"{key}":{{}}}}]}}]}}'.encode()).media, key
    assert not peek(b'{"contents":[{"parts":[{"text":"a picture"}]}]}').media
    assert peek(b'{"tools":[{"functionDeclarations":[]},{"google_search":{}}]}').server_tools
    assert not peek(b'{"tools":[{"functionDeclarations":[{"name":"googleSearch"}]}]}').server_tools


def test_a_body_that_passes_through_changes_in_its_limit_only() -> None:
    wire = b'{"contents":[{"parts":[{"text":"\\u00e9","new":1.50}]}],'
    wire += b'"generationConfig":{"a":{"b" :1},"topK":1e2},"z":[1, 2]}'
    body = open_body(wire)
    edited = dialect.edit_request(body, peek(wire), Edits(model="up", max_output=9))
    expected = wire.replace(b"1e2}", b'1e2,"maxOutputTokens":9}')
    assert close_body(edited) == expected
    assert close_body(body) == wire
    assert close_body(dialect.edit_request(body, peek(wire), Edits(model="up"))) == wire


def test_a_lower_limit_of_the_callers_stays() -> None:
    wire = b'{"generation_config":{"max_output_tokens":5}}'
    assert close_body(dialect.edit_request(open_body(wire), peek(wire), Edits("up", 9))) == wire
    lowered = dialect.edit_request(open_body(wire), peek(wire), Edits("up", 4))
    assert close_body(lowered) == b'{"generation_config":{"maxOutputTokens":4}}'


def test_a_count_may_wrap_the_question() -> None:
    request = read({"generateContentRequest": {"model": "models/x", "contents": "hi"}}, action="countTokens")
    assert request.messages[0].parts == (Text("hi"),)
    assert dialect.write_count is not None and b'"totalTokens":31' in dialect.write_count(31)
