"""Hypothesis strategies for what the Responses dialect can say without loss."""

from hypothesis import strategies as st

from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Citation,
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
from tollway.core.media import Media, MediaKind
from tollway.core.stream import Answer, Choice, Finish
from tollway.core.usage import Usage
from tollway.gateway.dialects.openai_responses.seals import own_seal

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
names = st.text("abcXYZ019_-", min_size=1, max_size=12)
texts = st.builds(Text, words)
citations = st.builds(
    Citation, url=st.just("https://example.com/a"), title=words, start=st.integers(0, 9), end=st.integers(10, 99)
)
details = st.sampled_from(["auto", "low", "high"])
pictures = st.one_of(
    st.builds(Media, kind=st.just(MediaKind.IMAGE), mime=st.just("image/png"), data=st.just("AAAA"), detail=details),
    st.builds(Media, kind=st.just(MediaKind.IMAGE), url=st.just("https://example.com/a.png"), detail=details),
    st.builds(
        Media, kind=st.just(MediaKind.IMAGE), file_id=names, file_family=st.just("openai"), detail=st.just("auto")
    ),
)
files = st.one_of(
    st.builds(
        Media,
        kind=st.just(MediaKind.FILE),
        mime=st.just("application/pdf"),
        data=st.just("JVBE"),
        name=st.just("a.pdf"),
    ),
    st.builds(Media, kind=st.just(MediaKind.FILE), url=st.just("https://example.com/a.pdf"), name=st.none() | words),
    st.builds(Media, kind=st.just(MediaKind.FILE), file_id=names, file_family=st.just("openai")),
)
sounds = st.just(Media(kind=MediaKind.AUDIO, mime="audio/wav", data="AAAA"))
arguments = st.sampled_from(["{}", '{"a":1}', '{"city":"Rome","days":[1,2.5,null]}', '{"ü":"\\"x\\""}'])
thoughts = st.builds(
    lambda text, sealed, name: Reasoning(text, redacted=own_seal(sealed, f"rs_{name}"), family="openai"),
    st.just("") | words, names, names,
)  # fmt: skip
GRAMMAR = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}}
functions = st.builds(
    Tool,
    name=names,
    description=st.none() | words,
    schema=st.just({"type": "object", "properties": {"a": {"type": "integer"}}}),
    strict=st.booleans(),
)
customs = st.builds(
    Tool,
    name=names,
    description=st.none() | words,
    kind=st.just(ToolKind.CUSTOM),
    settings=st.none() | st.just(GRAMMAR),
)
searches = st.builds(
    Tool,
    name=st.just("web_search"),
    kind=st.just(ToolKind.SERVER),
    settings=st.fixed_dictionaries(
        {},
        optional={
            "context_size": st.just("low"),
            "user_location": st.just({"type": "approximate", "city": "Rome"}),
            "allowed_domains": st.just(["a.example"]),
        },
    ),
)
hosted = st.just(
    Tool(name="mcp", kind=ToolKind.SERVER, family="openai_responses", settings={"type": "mcp", "server_label": "x"})
)


@st.composite
def tool_turns(draw: st.DrawFn) -> list[Message]:
    """The assistant thinks, speaks, calls tools, and each is answered by a message of its own."""
    ids = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    kinds = [draw(st.sampled_from([ToolKind.FUNCTION, ToolKind.CUSTOM])) for _ in ids]
    calls = [
        ToolCall(call_id, draw(names), draw(arguments) if kind is ToolKind.FUNCTION else draw(words), kind)
        for call_id, kind in zip(ids, kinds, strict=True)
    ]
    said = draw(st.lists(thoughts, max_size=2)) + draw(st.lists(texts, max_size=1))
    answers = st.one_of(texts.map(lambda one: (one,)), st.tuples(texts, pictures), st.just(()))
    results = [Message(Role.TOOL, (ToolResult(call.id, draw(answers), call.name),)) for call in calls]
    return [Message(Role.ASSISTANT, (*said, *calls)), *results]


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Instructions, then turns that end with the user's."""
    system = draw(st.lists(texts, max_size=1))
    turns = [Message(Role.SYSTEM, tuple(system))] if system else []
    asked = st.lists(texts | pictures | files | sounds, min_size=1, max_size=3)
    turns.append(Message(Role.USER, tuple(draw(asked))))
    for _ in range(draw(st.integers(0, 2))):
        which = draw(st.integers(0, 2))
        if which == 0:
            turns += draw(tool_turns())
        elif which == 1:
            said = st.lists(texts | st.builds(Refusal, words), min_size=1, max_size=2)
            turns.append(Message(Role.ASSISTANT, tuple(draw(st.lists(thoughts, max_size=1)) + draw(said))))
        else:
            turns.append(Message(Role.DEVELOPER, tuple(draw(st.lists(texts, min_size=1, max_size=2)))))
        turns.append(Message(Role.USER, tuple(draw(asked))))
    return tuple(turns)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    """A question for a model that reasons."""
    tools = tuple(draw(st.lists(functions | customs | searches | hosted, max_size=3, unique_by=lambda one: one.name)))
    named = [tool.name for tool in tools if tool.kind is not ToolKind.SERVER]
    choices: list[ToolChoice | None] = [None, ToolChoice(ChoiceMode.AUTO), ToolChoice(ChoiceMode.REQUIRED)]
    choices += [ToolChoice(ChoiceMode.NAMED, tuple(named))] if named else []
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    form = OutputFormat(schema=schema, name="w", description=draw(st.none() | words), strict=draw(st.booleans()))
    efforts = st.sampled_from([Effort.NONE, Effort.LOW, Effort.MEDIUM, Effort.HIGH, Effort.XHIGH])
    user = draw(st.none() | names)
    return ChatRequest(
        model="gpt-5.2",
        messages=draw(conversations()),
        tools=tools,
        tool_choice=draw(st.sampled_from(choices)) if tools else None,
        parallel_tools=draw(st.sampled_from([None, True, False])) if tools else None,
        sampling=Sampling(temperature=draw(st.none() | st.just(0.5)), top_p=draw(st.none() | st.just(0.9))),
        max_output=draw(st.none() | st.integers(16, 60_000)),
        stream=draw(st.booleans()),
        output_format=draw(st.sampled_from([None, OutputFormat(), form])),
        thinking=draw(st.none() | st.builds(Thinking, efforts)),
        verbosity=draw(st.sampled_from([None, "low"])),
        user=user,
        cache_key=draw(names) if user else draw(st.none() | names),
        metadata=draw(st.none() | st.just({"a": "b"})),
        store=False,
        service_tier=draw(st.sampled_from([None, "auto", "flex"])),
    )


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """A count that the vendor's arithmetic can hold."""
    read, wrote = draw(st.tuples(*[st.integers(0, 900)] * 2))
    out = draw(st.integers(0, 900))
    return Usage(
        input_total=draw(st.integers(0, 900)) + read + wrote,
        cache_read=read,
        cache_write_5m=wrote,
        image_in=draw(st.integers(0, 9)),
        output_total=out,
        reasoning=draw(st.integers(0, out)),
    )


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """A whole answer."""
    calls: list[Part] = list(draw(st.lists(st.builds(ToolCall, names, names, arguments), max_size=2)))
    cited = st.builds(Text, words, citations=st.lists(citations, max_size=2).map(tuple))
    drawn = st.just(Media(kind=MediaKind.IMAGE, mime="image/webp", data="AAAA"))
    foreign = st.just(Raw("openai_responses", {"type": "mcp_list_tools", "id": "mcpl_1", "tools": []}))
    parts: list[Part] = [
        *draw(st.lists(thoughts | st.builds(Reasoning, words), max_size=2)),
        *draw(st.lists(cited | st.builds(Refusal, words) | drawn | foreign, max_size=3)),
        *calls,
    ]
    ended = Finish.TOOL_CALLS if calls else Finish.STOP
    finish = draw(st.sampled_from([ended, Finish.LENGTH, Finish.CONTENT_FILTER]))
    return Answer("resp_1", "gpt-5.2", (Choice(tuple(parts), finish),), draw(st.none() | usages()))
