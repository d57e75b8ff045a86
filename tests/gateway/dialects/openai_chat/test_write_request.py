"""Foreign questions said in chat completions: every row of relay.md 6.5 and 6.10 that ends here."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Effort,
    Message,
    OutputFormat,
    Part,
    Raw,
    Reasoning,
    Refusal,
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
from tollway.gateway.dialect import Opaque, Target, Written, close_body, open_body
from tollway.gateway.dialects.openai_chat import dialect

PLAIN = Target("openai", "gpt-4o", 0)
THINKER = Target("openai", "gpt-5", 0, frozenset({"reasoning"}))
HI = Message(Role.USER, (Text("hi"),))
PNG = Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA")


def write(*messages: Message, to: Target = PLAIN, **fields: Any) -> Written:
    return dialect.write_request(ChatRequest(model="m", messages=messages or (HI,), **fields), to)


def said(*parts: Part, role: Role = Role.USER, to: Target = PLAIN) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = write(Message(role, parts), to=to).body["messages"]
    return turns


def test_system_blocks_are_joined_by_a_blank_line() -> None:
    assert said(Text("a"), Text("b"), role=Role.SYSTEM) == [{"role": "system", "content": "a\n\nb"}]


def test_text_is_kept_beside_tool_calls_with_compact_arguments() -> None:
    turn = said(Text("look"), ToolCall("c", "f", '{ "a": 1 }'), role=Role.ASSISTANT)[0]
    assert turn["content"] == "look"
    assert turn["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}


def test_a_call_alone_has_null_content_and_no_arguments_are_an_empty_object() -> None:
    turn = said(ToolCall("c", "f", ""), role=Role.ASSISTANT)[0]
    assert (turn["content"], turn["tool_calls"][0]["function"]["arguments"]) == (None, "{}")


def test_results_come_first_then_their_pictures_then_the_users_words() -> None:
    result = ToolResult("c", (Text("done"), PNG), is_error=True)
    turns = said(Text("and now?"), result, ToolResult("d", (Text("two"),)))
    assert turns == [
        {"role": "tool", "tool_call_id": "c", "content": "Error: done\nsee attached image 1"},
        {"role": "tool", "tool_call_id": "d", "content": "two"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "text", "text": "and now?"},
            ],
        },
    ]


def test_pictures_of_results_wait_until_the_last_result() -> None:
    first, second = (Message(Role.TOOL, (ToolResult(i, (PNG,)),)) for i in "ab")
    answer = Message(Role.ASSISTANT, (Text("ok"),))
    assert [turn["role"] for turn in write(first, second, answer).body["messages"]] == [
        "tool",
        "tool",
        "user",
        "assistant",
    ]


def test_long_ids_and_names_are_shortened_alike_everywhere() -> None:
    name, call_id = "mcp.server/" + "x" * 80, "i" * 60
    call = Message(Role.ASSISTANT, (ToolCall(call_id, name, "{}"),))
    result = Message(Role.TOOL, (ToolResult(call_id, (Text("r"),)),))
    choice = ToolChoice(ChoiceMode.NAMED, (name,))
    written = write(HI, call, result, tools=(Tool(name=name),), tool_choice=choice)
    _, called, told = written.body["messages"]
    short = written.body["tools"][0]["function"]["name"]
    assert written.renamed == {short: name}
    assert called["tool_calls"][0]["function"]["name"] == short == written.body["tool_choice"]["function"]["name"]
    assert called["tool_calls"][0]["id"] == told["tool_call_id"]
    assert len(short) <= 64 and len(told["tool_call_id"]) <= 40


def test_stop_is_cut_to_four_and_unknown_dials_are_named() -> None:
    written = write(sampling=Sampling(stop=tuple("abcde"), top_k=4, temperature=0.5))
    assert written.body["stop"] == ["a", "b", "c", "d"]
    assert "top_k" not in written.body
    assert written.dropped == ("top_k", "stop[4:]")
    assert write(sampling=Sampling(top_k=4), to=Target("vllm", "x", 0)).body["top_k"] == 4


@pytest.mark.parametrize(
    ("thinking", "target", "fields"),
    [
        (Thinking(Effort.LOW), THINKER, {"reasoning_effort": "low"}),
        (Thinking(budget=1024), THINKER, {"reasoning_effort": "minimal"}),
        (Thinking(budget=8192), THINKER, {"reasoning_effort": "medium"}),
        (Thinking(budget=32000), THINKER, {"reasoning_effort": "high"}),
        (Thinking(adaptive=True), THINKER, {}),
        (Thinking(Effort.NONE), THINKER, {"reasoning_effort": "minimal"}),
        (Thinking(Effort.NONE), Target("openai", "gpt-5.1", 0, THINKER.abilities), {"reasoning_effort": "none"}),
        (Thinking(Effort.MAX), Target("openai", "o3", 0, THINKER.abilities), {"reasoning_effort": "high"}),
        (
            Thinking(budget=2000),
            Target("openrouter", "a/b", 0, THINKER.abilities),
            {"reasoning": {"enabled": True, "max_tokens": 2000}},
        ),
        (Thinking(Effort.NONE), Target("deepseek", "d", 0, THINKER.abilities), {"thinking": {"type": "disabled"}}),
        (
            Thinking(Effort.LOW),
            Target("deepseek", "d", 0, THINKER.abilities),
            {"thinking": {"type": "enabled"}, "reasoning_effort": "low"},
        ),
    ],
)
def test_thinking_is_asked_for_in_the_upstreams_way(thinking: Thinking, target: Target, fields: dict[str, Any]) -> None:
    body = write(thinking=thinking, to=target).body
    assert {name: body[name] for name in body if name in ("reasoning_effort", "reasoning", "thinking")} == fields


def test_a_model_that_cannot_think_is_not_asked_to() -> None:
    written = write(thinking=Thinking(Effort.HIGH))
    assert ("reasoning_effort" in written.body, written.dropped) == (False, ("thinking",))


def test_thoughts_go_back_only_where_they_are_wanted() -> None:
    turn = Message(Role.ASSISTANT, (Reasoning("why", "sig", family="anthropic"), Text("x")))
    assert write(turn, to=Target("deepseek", "d", 0)).body["messages"][0]["reasoning_content"] == "why"
    written = write(turn)
    assert written.body["messages"] == [{"role": "assistant", "content": "x"}]
    assert written.dropped == ("reasoning",)
    back = write(turn, to=Target("openrouter", "a/b", 0)).body["messages"][0]
    assert ("reasoning_details" in back, back["reasoning"]) == (False, "why")


def test_the_users_name_is_short_and_keys_the_cache() -> None:
    body = write(user="u" * 100).body
    assert len(body["user"]) == 64
    assert body["prompt_cache_key"] == body["user"]


def test_output_limit_format_answers_and_stream() -> None:
    wanted = OutputFormat({"type": "object"}, "my schema", None, True)
    body = write(max_output=50, output_format=wanted, answers=2, stream=True, to=Target("openai", "m", 20)).body
    assert (body["max_tokens"], body["n"], body["stream_options"]) == (20, 2, {"include_usage": True})
    assert body["response_format"]["json_schema"]["strict"] is True
    assert write(output_format=OutputFormat()).body["response_format"] == {"type": "json_object"}


def test_choices_need_tools() -> None:
    body = write(tool_choice=ToolChoice(ChoiceMode.REQUIRED), parallel_tools=False).body
    assert not {"tool_choice", "parallel_tool_calls"} & set(body)
    body = write(tools=(Tool(name="f"),), tool_choice=ToolChoice(ChoiceMode.REQUIRED), parallel_tools=False).body
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)


def test_a_web_search_becomes_an_option() -> None:
    tool = Tool(name="web_search", kind=ToolKind.SERVER, settings={"context_size": "low", "max_uses": 2})
    assert write(tools=(tool,)).body["web_search_options"] == {"search_context_size": "low"}


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"tools": (Tool(name="bash", kind=ToolKind.SERVER, family="anthropic"),)}, "tools[0]"),
        (
            {"tools": (Tool(name="web_search", kind=ToolKind.SERVER, settings={"allowed_domains": ["a"]}),)},
            "tools[0].allowed_domains",
        ),
        ({"modalities": ("text", "image")}, "modalities"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(Unsupported) as refused:
        write(**fields)
    assert refused.value.field == place


@pytest.mark.parametrize(
    "part",
    [
        Raw("anthropic", {"type": "server_tool_use"}),
        Media(kind=MediaKind.FILE, file_id="f", file_family="anthropic"),
        Media(kind=MediaKind.FILE, url="https://x.test/a.pdf"),
        Media(kind=MediaKind.AUDIO, url="https://x.test/a.mp3"),
    ],
)
def test_parts_of_other_worlds_are_refused_by_place(part: Part) -> None:
    with pytest.raises(Unsupported) as refused:
        said(Text("x"), part)
    assert refused.value.field == "messages[0].content[1]"


words = st.text("abc é\n", min_size=1, max_size=8)
media = st.sampled_from(
    [
        PNG,
        Media(kind=MediaKind.IMAGE, url="https://x.test/a.png", detail="low"),
        Media(kind=MediaKind.AUDIO, mime="audio/mpeg", data="AAAA"),
        Media(kind=MediaKind.FILE, mime="application/pdf", data="AAAA", name="a.pdf"),
        Media(kind=MediaKind.FILE, file_id="f", file_family="openai"),
        Media(kind=MediaKind.VIDEO, url="https://x.test/v.mp4"),
    ]
)
users = st.lists(st.one_of(words.map(Text), media), max_size=3).map(lambda parts: (Message(Role.USER, tuple(parts)),))
systems = st.builds(
    lambda role, text: (Message(role, (Text(text),)),), st.sampled_from([Role.SYSTEM, Role.DEVELOPER]), words
)


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[Message, ...]:
    text: list[Part] = [Text(draw(words))] if draw(st.booleans()) else []
    refusal: list[Part] = [Refusal(draw(words))] if draw(st.booleans()) else []
    ids = draw(st.lists(st.text("abc", min_size=1, max_size=4), max_size=2, unique=True))
    calls = [ToolCall(call_id, "f_" + call_id, draw(st.sampled_from(["{}", '{"a":[1]}']))) for call_id in ids]
    results = [Message(Role.TOOL, (ToolResult(call.id, (Text(draw(words)),), call.name),)) for call in calls]
    return (Message(Role.ASSISTANT, (*text, *refusal, *calls)), *results)


requests = st.builds(
    lambda turns, sampling, limit, tools, choice, form, effort, stream: ChatRequest(
        model="gpt-5.1",
        messages=tuple(message for turn in turns for message in turn),
        sampling=sampling,
        max_output=limit,
        tools=tools,
        tool_choice=choice if tools else None,
        output_format=form,
        thinking=effort and Thinking(effort),
        stream=stream,
        verbosity="low",
        cache_key="k",
        store=True,
        metadata={"a": "b"},
        service_tier="flex",
    ),
    st.lists(st.one_of(users, systems, exchanges()), min_size=1, max_size=4),
    st.builds(
        Sampling, temperature=st.sampled_from([None, 0.5]), seed=st.sampled_from([None, 0]), stop=st.just(("a",))
    ),
    st.sampled_from([None, 7]),
    st.sampled_from(
        [(), (Tool(name="f", schema={"type": "object"}, strict=True), Tool(name="g", kind=ToolKind.CUSTOM))]
    ),
    st.sampled_from(
        [
            None,
            ToolChoice(ChoiceMode.AUTO),
            ToolChoice(ChoiceMode.NAMED, ("g",)),
            ToolChoice(ChoiceMode.NAMED, ("f", "g")),
        ]
    ),
    st.sampled_from([None, OutputFormat(), OutputFormat({"type": "object"}, "s", "d", True)]),
    st.sampled_from([None, *Effort][:-1]),
    st.booleans(),
)


@given(requests)
def test_what_is_written_reads_back_the_same(request: ChatRequest) -> None:
    written = dialect.write_request(request, Target("openai", request.model, 0, frozenset({"reasoning"})))
    body = open_body(close_body(written.body))
    again = dialect.read_request(body, dialect.envelope(body, {}), Opaque(b"key"))
    assert written.dropped == ()
    assert again == ChatRequest(
        **{name: getattr(request, name) for name in request.__struct_fields__ if name != "include_usage"},
        include_usage=request.stream,
    )
