"""Hypothesis strategies for what the Messages dialect can say without loss."""

from hypothesis import strategies as st

from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Effort,
    Message,
    OutputFormat,
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
from tollway.core.media import Media, MediaKind
from tollway.core.stream import Answer, Choice, Finish
from tollway.core.usage import Usage

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda text: text.strip() == text)
names = st.text("abcXYZ019_-", min_size=1, max_size=12)
caches = st.sampled_from([None, "5m", "1h"])
texts = st.builds(Text, words, cache=caches)
pictures = st.one_of(
    st.builds(
        Media, kind=st.just(MediaKind.IMAGE), mime=st.just("image/png"), data=st.just("iVBORw0KGgo="), cache=caches
    ),
    st.builds(Media, kind=st.just(MediaKind.IMAGE), url=st.just("https://example.com/a.png")),
    st.builds(Media, kind=st.just(MediaKind.IMAGE), file_id=names, file_family=st.just("anthropic")),
)
documents = st.one_of(
    st.builds(
        Media,
        kind=st.just(MediaKind.FILE),
        mime=st.just("application/pdf"),
        data=st.just("JVBERi0="),
        name=st.none() | words,
        context=st.none() | words,
        citations=st.sampled_from([None, True, False]),
    ),
    st.builds(Media, kind=st.just(MediaKind.FILE), mime=st.just("text/plain"), text=words, name=st.none() | words),
    st.builds(
        Media, kind=st.just(MediaKind.FILE), mime=st.just("application/pdf"), url=st.just("https://example.com/a")
    ),
)
arguments = st.sampled_from(["{}", '{"a":1}', '{"city":"Rome","days":[1,2.5,null]}', '{"ü":"\\"x\\""}'])
thoughts = st.one_of(
    st.builds(Reasoning, words, signature=names, family=st.just("anthropic")),
    st.builds(Reasoning, redacted=names, family=st.just("anthropic")),
)
functions = st.builds(
    Tool,
    name=names,
    description=st.none() | words,
    schema=st.just({"type": "object", "properties": {"a": {"type": "integer"}}}),
    strict=st.sampled_from([None, True]),
    cache=caches,
)
searches = st.builds(
    Tool,
    name=st.just("web_search"),
    kind=st.just(ToolKind.SERVER),
    settings=st.fixed_dictionaries(
        {}, optional={"max_uses": st.integers(1, 9), "user_location": st.just({"city": "Rome", "country": "IT"})}
    ),
)


@st.composite
def tool_turns(draw: st.DrawFn) -> list[Message]:
    """The assistant calls tools, each answered by a message of its own."""
    ids = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    calls = [ToolCall(call_id, draw(names), draw(arguments)) for call_id in ids]
    said = draw(st.lists(thoughts, max_size=1)) + draw(st.lists(texts, max_size=1))
    results = [
        Message(Role.TOOL, (ToolResult(call_id, tuple(draw(st.lists(texts | pictures, max_size=2))), is_error=failed),))
        for call_id, failed in [(call_id, draw(st.booleans())) for call_id in ids]
    ]
    return [Message(Role.ASSISTANT, (*said, *calls)), *results]


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Alternating turns, from the user's first to the user's last."""
    system = draw(st.lists(texts, max_size=2))
    turns = [Message(Role.SYSTEM, tuple(system))] if system else []
    asked = st.lists(texts | pictures | documents, min_size=1, max_size=3)
    turns.append(Message(Role.USER, tuple(draw(asked))))
    for _ in range(draw(st.integers(0, 2))):
        if draw(st.booleans()):
            turns += draw(tool_turns())
        else:
            turns.append(Message(Role.ASSISTANT, tuple(draw(st.lists(texts, min_size=1, max_size=2)))))
            turns.append(Message(Role.USER, tuple(draw(asked))))
    return tuple(turns)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    """A question for an adaptive, structured model that still takes sampling (the 4.6 line)."""
    tools = tuple(draw(st.lists(functions | searches, max_size=3, unique_by=lambda tool: tool.name)))
    function = next((tool.name for tool in tools if tool.kind is ToolKind.FUNCTION), None)
    choices = [None, ToolChoice(ChoiceMode.AUTO), ToolChoice(ChoiceMode.NONE)]
    choice = draw(st.sampled_from([*choices, *([ToolChoice(ChoiceMode.NAMED, (function,))] if function else [])]))
    choice = choice if tools else None
    efforts = st.sampled_from([None, Effort.LOW, Effort.MEDIUM, Effort.HIGH, Effort.MAX])
    adaptive = st.builds(Thinking, effort=efforts, adaptive=st.just(True), visible=st.sampled_from([None, True, False]))
    forced = choice is not None and choice.mode is ChoiceMode.NAMED
    thinking = None if forced else draw(st.none() | adaptive)
    dials = Sampling(
        temperature=None if thinking else draw(st.none() | st.sampled_from([0.0, 0.5, 1.0])),
        top_k=None if thinking else draw(st.none() | st.integers(1, 40)),
        stop=tuple(draw(st.lists(words, max_size=2))),
    )
    closed = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    parallel = draw(st.sampled_from([None, True, False]))
    if choice is None or choice.mode is ChoiceMode.NONE:
        parallel = None
    return ChatRequest(
        model="claude-sonnet-4-6",
        messages=draw(conversations()),
        tools=tools,
        tool_choice=choice,
        parallel_tools=parallel,
        sampling=dials,
        max_output=draw(st.integers(1, 60_000)),
        stream=draw(st.booleans()),
        output_format=draw(st.sampled_from([None, OutputFormat(schema=closed)])),
        thinking=thinking,
        user=draw(st.none() | words),
        service_tier=draw(st.sampled_from([None, "auto", "standard_only"])),
    )


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """A count that the vendor's arithmetic can hold."""
    read, five, hour = draw(st.tuples(*[st.integers(0, 900)] * 3))
    out = draw(st.integers(0, 900))
    return Usage(
        input_total=draw(st.integers(0, 900)) + read + five + hour,
        cache_read=read,
        cache_write_5m=five,
        cache_write_1h=hour,
        output_total=out,
        reasoning=draw(st.integers(0, out)),
        tool_calls=draw(st.sampled_from([(), (("web_search", 2),), (("web_search", 1), ("web_fetch", 3))])),
    )


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """A whole answer, thoughts first."""
    calls = draw(st.lists(st.builds(ToolCall, names, names, arguments), max_size=2))
    parts = draw(st.lists(thoughts, max_size=2)) + draw(st.lists(st.builds(Text, words), max_size=2)) + calls
    if not parts:
        parts = [Text("x")]
    plain = [
        Finish.STOP,
        Finish.LENGTH,
        Finish.CONTEXT_WINDOW,
        Finish.CONTENT_FILTER,
        Finish.PAUSE,
        Finish.STOP_SEQUENCE,
    ]
    finish = Finish.TOOL_CALLS if calls else draw(st.sampled_from(plain))
    stop = "END" if finish is Finish.STOP_SEQUENCE else None
    return Answer("msg_1", "claude", (Choice(tuple(parts), finish, stop),), draw(usages()))
