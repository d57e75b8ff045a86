"""How a canonical question is said to Gemini: relay.md 6.8, row by row."""

from typing import Any

import pytest

from tests.gateway.dialects.gemini.asking import FLASH, GOLDEN, THREE, ask, read, says, write
from tollway.core.chat import (
    ChoiceMode,
    Effort,
    Message,
    OutputFormat,
    Part,
    Raw,
    Reasoning,
    Role,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
)
from tollway.core.errors import Unsupported
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialect import Target, close_body
from tollway.gateway.dialects.gemini import dialect
from tollway.gateway.dialects.gemini.write_contents import BYPASS

PNG = Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA")


def model(*parts: Part) -> Message:
    return Message(Role.ASSISTANT, parts)


def tool(*parts: Part) -> Message:
    return Message(Role.TOOL, parts)


def config(target: Target = FLASH, **more: Any) -> Any:
    return write(ask(**more), target).get("generationConfig")


def test_a_whole_agents_question_is_said_as_the_golden_bytes() -> None:
    request = read((GOLDEN / "question_agent.json").read_bytes())
    written = dialect.write_request(request, FLASH)
    assert close_body(written.body) + b"\n" == (GOLDEN / "question_agent.written.json").read_bytes()
    assert written.dropped == ("labels",)


def test_every_dial_is_said_and_seed_zero_is_a_value() -> None:
    sampling = Sampling(
        temperature=0.0, top_p=0.5, top_k=3, seed=0, presence_penalty=1.0, frequency_penalty=-1.0, logprobs=True
    )
    said = config(sampling=sampling, answers=2, max_output=10)
    assert said == {
        "temperature": 0.0,
        "topP": 0.5,
        "topK": 3,
        "seed": 0,
        "presencePenalty": 1.0,
        "frequencyPenalty": -1.0,
        "responseLogprobs": True,
        "candidateCount": 2,
        "maxOutputTokens": 10,
    }


def test_what_cannot_be_said_is_dropped_aloud() -> None:
    request = ask(
        Message(Role.USER, (Text("x", cache="5m"),), name="bob"),
        sampling=Sampling(stop=tuple("abcdefg"), logit_bias={"1": 1.0}, min_p=0.1),
        user="u",
        metadata={"a": 1},
        store=True,
        parallel_tools=False,
        verbosity="low",
        leftover=("prediction",),
    )
    written = dialect.write_request(request, FLASH)
    assert written.body["generationConfig"]["stopSequences"] == list("abcde")
    expected = {"messages.name", "cache_control", "stop[5:]", "min_p", "logit_bias"}
    expected |= {"verbosity", "user", "metadata", "store", "parallel_tools", "prediction"}
    assert set(written.dropped) == expected


def test_the_limit_never_exceeds_the_models() -> None:
    assert config(max_output=10**9) == {"maxOutputTokens": 65536}


def test_system_and_developer_words_are_joined_and_their_pictures_kept() -> None:
    system = Message(Role.SYSTEM, (Text("a"), PNG))
    body = write(ask(system, says("b", Role.DEVELOPER), says("hi")))
    assert body["systemInstruction"] == {"parts": [{"text": "a\nb"}]}
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    assert body["contents"] == [{"role": "user", "parts": [picture, {"text": "hi"}]}]


def test_a_system_turn_alone_is_asked_as_the_users() -> None:
    body = write(ask(says("only", Role.SYSTEM)))
    assert body["contents"] == [{"role": "user", "parts": [{"text": "only"}]}]
    assert "systemInstruction" not in body


def test_turns_of_one_speaker_are_merged() -> None:
    body = write(ask(says("a"), says("b"), says("c", Role.ASSISTANT), says("d", Role.ASSISTANT)))
    assert [(turn["role"], len(turn["parts"])) for turn in body["contents"]] == [("user", 2), ("model", 2)]


def test_calls_stay_behind_the_text_they_follow_and_keep_their_ids() -> None:
    body = write(ask(says("q"), model(Text("first"), ToolCall("id-1", "f", '{"a":1.50}'))))
    call = {"functionCall": {"id": "id-1", "name": "f", "args": {"a": 1.5}}}
    assert body["contents"][1]["parts"] == [{"text": "first"}, call]


@pytest.mark.parametrize(("told", "args"), [("", {}), ("nonsense", {"_raw": "nonsense"}), ("[1]", {"_raw": "[1]"})])
def test_arguments_that_are_no_object_are_not_lost(told: str, args: Any) -> None:
    body = write(ask(model(ToolCall("1", "f", told))))
    assert body["contents"][0]["parts"][0]["functionCall"]["args"] == args


@pytest.mark.parametrize(
    ("told", "response"),
    [
        ('{"a":1}', {"a": 1}),
        ("[1,2]", {"result": [1, 2]}),
        ("words", {"content": "words"}),
        ("{broken", {"content": "{broken"}),
        ("3", {"content": "3"}),
        ("", {"content": ""}),
    ],
)
def test_a_tools_words_become_an_object(told: str, response: Any) -> None:
    body = write(ask(model(ToolCall("1", "f", "{}")), tool(ToolResult("1", (Text(told),)))))
    answer = {"functionResponse": {"id": "1", "name": "f", "response": response}}
    assert body["contents"][1] == {"role": "user", "parts": [answer]}


def test_an_error_of_a_tool_is_said_as_one() -> None:
    body = write(ask(model(ToolCall("1", "f", "{}")), tool(ToolResult("1", (Text("no"),), is_error=True))))
    assert body["contents"][1]["parts"][0]["functionResponse"]["response"] == {"error": "no"}


def test_pictures_of_a_tool_go_next_to_its_answer_or_inside_it() -> None:
    messages = (model(ToolCall("1", "f", "{}")), tool(ToolResult("1", (Text("see"), PNG))), says("go on"))
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    before = write(ask(*messages))["contents"][1]["parts"]
    assert before[1:] == [picture, {"text": "go on"}]
    after = write(ask(*messages), THREE)["contents"][1]["parts"]
    assert after[0]["functionResponse"]["parts"] == [picture] and after[1:] == [{"text": "go on"}]


def test_an_answer_to_no_call_is_refused() -> None:
    with pytest.raises(Unsupported) as caught:
        write(ask(tool(ToolResult("9", (Text("x"),)))))
    assert caught.value.field == "messages[0].content[0]"


def test_googles_own_seals_go_back_and_foreign_ones_do_not() -> None:
    parts = (
        Reasoning("t", "sig", family="gemini"),
        Reasoning("a", "sig-a", family="anthropic"),
        Reasoning(redacted="x", family="openai"),
        Reasoning("", "tail", family="gemini"),
        ToolCall("1", "f", "{}", signature="s1", family="gemini"),
    )
    said = write(ask(model(*parts)), THREE)["contents"][0]["parts"]
    assert said[0] == {"text": "t", "thought": True, "thoughtSignature": "sig"}
    assert said[1] == {"text": "", "thoughtSignature": "tail"}
    assert said[2]["thoughtSignature"] == "s1" and len(said) == 3


def test_gemini_3_gets_the_bypass_where_a_signature_was_lost() -> None:
    calls = (ToolCall("1", "f", "{}"), ToolCall("2", "f", "{}"))
    said = write(ask(model(Text("x"), *calls)), THREE)["contents"][0]["parts"]
    assert [part.get("thoughtSignature") for part in said] == [None, BYPASS, None]
    said = write(ask(model(Reasoning("t", "s", family="anthropic"), Text("x"))), THREE)["contents"][0]["parts"]
    assert said == [{"text": "x", "thoughtSignature": BYPASS}]
    assert "thoughtSignature" not in str(write(ask(model(*calls)), FLASH))
    assert "thoughtSignature" not in str(write(ask(model(Text("x"))), THREE))


def test_a_signature_elsewhere_in_the_turn_does_not_stand_in_for_the_first_calls() -> None:
    parts = (Text("x", signature="s", family="gemini"), ToolCall("1", "f", "{}"))
    said = write(ask(model(*parts)), THREE)["contents"][0]["parts"]
    assert [part["thoughtSignature"] for part in said] == ["s", BYPASS]


def test_each_step_of_one_turn_gets_its_own_bypass() -> None:
    steps = [step for n in "12" for step in (model(ToolCall(n, "f", "{}")), tool(ToolResult(n, (Text("x"),))))]
    contents = write(ask(*steps), THREE)["contents"]
    assert [turn["parts"][0].get("thoughtSignature") for turn in contents] == [BYPASS, None, BYPASS, None]


def test_media_are_said_by_kind_of_source() -> None:
    parts = (
        PNG,
        Media(kind=MediaKind.FILE, text="words", mime="text/plain"),
        Media(kind=MediaKind.IMAGE, url="https://x.org/a.jpg"),
        Media(kind=MediaKind.VIDEO, url="https://youtu.be/1"),
        Media(kind=MediaKind.FILE, file_id="gs://b/a.pdf", file_family="gemini"),
    )
    said = write(ask(Message(Role.USER, parts)))["contents"][0]["parts"]
    assert said == [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"inlineData": {"mimeType": "text/plain", "data": "d29yZHM="}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.org/a.jpg"}},
        {"fileData": {"fileUri": "https://youtu.be/1"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/a.pdf"}},
    ]


@pytest.mark.parametrize(
    "media",
    [
        Media(kind=MediaKind.IMAGE, mime="image/gif", data="AAAA"),
        Media(kind=MediaKind.IMAGE, data="AAAA"),
        Media(kind=MediaKind.IMAGE, url="http://x.org/a.png"),
        Media(kind=MediaKind.FILE, file_id="file-1", file_family="openai"),
    ],
)
def test_media_gemini_does_not_take_are_refused_by_name(media: Media) -> None:
    with pytest.raises(Unsupported) as caught:
        write(ask(Message(Role.USER, (Text("x"), media))))
    assert caught.value.field == "messages[0].content[1]"


def test_a_part_only_another_family_understands_is_refused() -> None:
    own = {"executableCode": {"code": "1", "language": "PYTHON"}}
    assert write(ask(model(Raw("gemini", own))))["contents"][0]["parts"] == [own]
    with pytest.raises(Unsupported):
        write(ask(model(Raw("anthropic", {}))))


def test_functions_share_one_entry_and_the_parameterless_ones_have_no_parameters() -> None:
    empty = {"type": "object", "properties": {}}
    tools = (Tool(name="a", description="A"), Tool(name="b", schema=empty), Tool(name="c", kind=ToolKind.CUSTOM))
    (entry,) = write(ask(tools=tools))["tools"]
    first, second, third = entry["functionDeclarations"]
    assert (first, second) == ({"name": "a", "description": "A"}, {"name": "b"})
    assert third["parameters"]["required"] == ["input"]


def test_built_in_tools_are_entries_of_their_own() -> None:
    search = Tool(name="web_search", kind=ToolKind.SERVER, settings={"max_uses": 3, "blocked_domains": ["x.org"]})
    maps = Tool(name="googleMaps", kind=ToolKind.SERVER, family="gemini", settings={"enableWidget": True})
    request = ask(tools=(Tool(name="codeExecution"), search, maps))
    written = dialect.write_request(request, FLASH)
    assert written.body["tools"] == [
        {"codeExecution": {}},
        {"googleSearch": {"excludeDomains": ["x.org"]}},
        {"googleMaps": {"enableWidget": True}},
    ]
    assert written.dropped == ("web_search.max_uses",)


@pytest.mark.parametrize(
    "foreign",
    [
        Tool(name="bash", kind=ToolKind.SERVER, family="anthropic"),
        Tool(name="web_search", kind=ToolKind.SERVER, settings={"allowed_domains": ["a.org"]}),
    ],
)
def test_server_tools_gemini_lacks_are_refused(foreign: Tool) -> None:
    with pytest.raises(Unsupported):
        write(ask(tools=(foreign,)))


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (ToolChoice(ChoiceMode.AUTO), {"mode": "AUTO"}),
        (ToolChoice(ChoiceMode.NONE), {"mode": "NONE"}),
        (ToolChoice(ChoiceMode.REQUIRED), {"mode": "ANY"}),
        (ToolChoice(ChoiceMode.NAMED, ("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_the_rule_for_tools(choice: ToolChoice, said: Any) -> None:
    body = write(ask(tools=(Tool(name="f"),), tool_choice=choice))
    assert body["toolConfig"] == {"functionCallingConfig": said}


def test_names_gemini_would_refuse_are_shortened_everywhere_and_remembered() -> None:
    long = "mcp/" + "x" * 80
    request = ask(
        says("q"),
        model(ToolCall("1", long, "{}")),
        tool(ToolResult("1", (Text("r"),))),
        tools=(Tool(name=long),),
        tool_choice=ToolChoice(ChoiceMode.NAMED, (long,)),
    )
    written = dialect.write_request(request, FLASH)
    ((short, name),) = written.renamed.items()
    assert name == long and len(short) <= 64
    assert close_body(written.body).count(short.encode()) == 4 and long.encode() not in close_body(written.body)


def test_json_is_demanded_with_a_clean_schema() -> None:
    schema = {"$schema": "x", "type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    assert config(output_format=OutputFormat(schema=schema)) == {
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
    }
    assert config(output_format=OutputFormat()) == {"responseMimeType": "application/json"}


def test_modalities_pictures_and_voices() -> None:
    said = config(modalities=("text", "image"), image_config={"aspect_ratio": "1:1"}, audio_voice="Kore")
    assert said["responseModalities"] == ["TEXT", "IMAGE"] and said["imageConfig"] == {"aspectRatio": "1:1"}
    assert said["speechConfig"] == {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}


def test_safety_is_off_unless_the_caller_says_otherwise() -> None:
    assert {entry["threshold"] for entry in write(ask())["safetySettings"]} == {"OFF"}
    own = {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}
    assert write(ask(safety=(own,)))["safetySettings"] == [own]


@pytest.mark.parametrize(
    ("name", "thinking", "said"),
    [
        ("gemini-2.5-flash", Thinking(effort=Effort.LOW), {"thinkingBudget": 2048, "includeThoughts": True}),
        ("gemini-2.5-flash", Thinking(effort=Effort.NONE), {"thinkingBudget": 0}),
        (
            "gemini-2.5-flash",
            Thinking(budget=99999, visible=False),
            {"thinkingBudget": 24576, "includeThoughts": False},
        ),
        ("gemini-2.5-flash", Thinking(budget=-1), {"thinkingBudget": -1, "includeThoughts": True}),
        ("gemini-2.5-flash", Thinking(adaptive=True), {"thinkingBudget": -1, "includeThoughts": True}),
        ("gemini-2.5-flash-lite", Thinking(budget=5), {"thinkingBudget": 512, "includeThoughts": True}),
        ("gemini-2.5-pro", Thinking(effort=Effort.NONE), {"thinkingBudget": 128}),
        ("gemini-2.5-pro", Thinking(effort=Effort.MAX), {"thinkingBudget": 32768, "includeThoughts": True}),
        ("gemini-2.5-pro-preview-03-25", Thinking(budget=1), {"thinkingBudget": 1, "includeThoughts": True}),
        ("gemini-3-flash", Thinking(effort=Effort.NONE), {"thinkingLevel": "minimal"}),
        ("gemini-3-pro", Thinking(effort=Effort.MINIMAL), {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-3.1-pro", Thinking(effort=Effort.XHIGH), {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-3-flash", Thinking(budget=8192), {"thinkingLevel": "medium", "includeThoughts": True}),
        ("gemini-3-flash", Thinking(visible=True), {"includeThoughts": True}),
    ],
)
def test_thinking_is_budgets_for_2_5_and_levels_from_3_on(name: str, thinking: Thinking, said: Any) -> None:
    found = config(Target(provider="gemini", model=name, max_output=0), thinking=thinking)
    assert found["thinkingConfig"] == said


def test_thinking_is_dropped_aloud_for_a_model_that_cannot() -> None:
    old = Target(provider="gemini", model="gemini-2.0-flash", max_output=0)
    written = dialect.write_request(ask(thinking=Thinking(effort=Effort.HIGH)), old)
    assert "generationConfig" not in written.body and written.dropped == ("thinking",)
