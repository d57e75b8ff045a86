"""Reading what was written gives the same question, for all this dialect can say."""

import base64

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.dialects.gemini.asking import FLASH, THREE, read
from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Effort,
    Message,
    OutputFormat,
    Part,
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
from tollway.gateway.dialect import Target, close_body
from tollway.gateway.dialects.gemini import dialect
from tollway.gateway.dialects.gemini.joined import joined
from tollway.gateway.dialects.gemini.seals import Seal, read_seal, write_seal
from tollway.gateway.dialects.gemini.write_contents import BYPASS

from .asking import OPAQUE

words = st.text(min_size=1, max_size=12)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.:-]{0,20}", fullmatch=True).filter(
    lambda name: name not in {"googleSearch", "codeExecution", "urlContext"}
)
objects = st.dictionaries(words, st.one_of(st.integers(-9, 9), words, st.none()), max_size=2)
media = st.builds(
    Media,
    kind=st.just(MediaKind.IMAGE),
    mime=st.sampled_from(["image/png", "image/webp"]),
    data=st.binary(min_size=1, max_size=9).map(lambda data: base64.b64encode(data).decode()),
)
said = st.one_of(st.builds(Text, words), media)
thoughts = st.builds(Reasoning, st.text(max_size=9), words, st.none(), st.just("gemini"))
signed = st.builds(Text, words, signature=words, family=st.just("gemini"))
results = st.one_of(
    st.lists(words, min_size=1, max_size=3).map(lambda told: msgspec.json.encode(told).decode()),
    words.filter(lambda told: not told.lstrip().startswith(("{", "["))),
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Turns as Gemini can say them: speakers alternate, each call is answered at once, no words are cut in two."""
    turns: list[Message] = []
    if draw(st.booleans()):
        turns.append(Message(Role.SYSTEM, (Text(draw(words)),)))
    counted = 0
    for _ in range(draw(st.integers(1, 3))):
        turns.append(Message(Role.USER, tuple(draw(st.lists(said, min_size=1, max_size=3)))))
        answered: list[Part] = draw(st.lists(st.one_of(said, thoughts, signed), min_size=1, max_size=3))
        calls = []
        for _ in range(draw(st.integers(0, 2))):
            args = msgspec.json.encode(draw(objects)).decode()
            signature = draw(st.none() | words)
            family = "gemini" if signature else None
            calls.append(ToolCall(f"id{counted}", draw(names), args, signature=signature, family=family))
            counted += 1
        turns.append(Message(Role.ASSISTANT, (*answered, *calls)))
        if calls:
            told = [ToolResult(call.id, (Text(draw(results)),), name=call.name, is_error=False) for call in calls]
            turns.append(Message(Role.TOOL, tuple(told)))
            turns.append(Message(Role.ASSISTANT, (Text(draw(words)),)))
    return joined(turns)


schemas = st.dictionaries(names, st.sampled_from([{"type": "string"}, {"type": ["integer", "null"]}]), min_size=1).map(
    lambda properties: {"type": "object", "properties": properties}
)
tools = st.one_of(
    st.builds(Tool, name=names, description=st.none() | words, schema=st.none() | schemas),
    st.just(Tool(name="web_search", kind=ToolKind.SERVER)),
    st.just(Tool(name="codeExecution", kind=ToolKind.SERVER, family="gemini")),
)
numbers = st.none() | st.integers(0, 20).map(lambda number: number / 10)
samplings = st.builds(
    Sampling,
    temperature=numbers,
    top_p=numbers,
    top_k=st.none() | st.integers(1, 40),
    seed=st.none() | st.integers(0, 9),
    presence_penalty=numbers,
    frequency_penalty=numbers,
    stop=st.lists(words, max_size=5).map(tuple),
    logprobs=st.none() | st.booleans(),
    top_logprobs=st.none() | st.integers(0, 5),
)
thinkings = st.one_of(
    st.none(),
    st.builds(Thinking, budget=st.sampled_from([-1, 0, 512, 24576]), visible=st.just(False)),
    st.just(Thinking(budget=2048, visible=True)),
)


@st.composite
def questions(draw: st.DrawFn) -> ChatRequest:
    """Whole questions that generateContent can say."""
    declared = draw(st.lists(tools, max_size=3, unique_by=lambda tool: tool.name))
    declared.sort(key=lambda tool: tool.kind is ToolKind.SERVER)
    functions = [tool.name for tool in declared if tool.kind is ToolKind.FUNCTION]
    modes = [ToolChoice(ChoiceMode.AUTO), ToolChoice(ChoiceMode.REQUIRED), ToolChoice(ChoiceMode.NONE)]
    choices = [None, *modes, ToolChoice(ChoiceMode.NAMED, tuple(functions))] if functions else [None]
    return ChatRequest(
        model="gemini-2.5-flash",
        messages=draw(conversations()),
        tools=tuple(declared),
        tool_choice=draw(st.sampled_from(choices)),
        sampling=draw(samplings),
        answers=draw(st.none() | st.integers(1, 4)),
        max_output=draw(st.none() | st.integers(1, 65536)),
        output_format=draw(st.none() | st.just(OutputFormat()) | st.builds(OutputFormat, schema=schemas)),
        thinking=draw(thinkings),
        modalities=draw(st.sampled_from([None, ("text",), ("text", "image")])),
        audio_voice=draw(st.none() | words),
        image_config=draw(st.none() | st.just({"aspect_ratio": "1:1"})),
        safety=({"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"},),
    )


def again(request: ChatRequest, target: Target) -> ChatRequest:
    written = dialect.write_request(request, target)
    assert written.dropped == () and written.renamed == {}
    return read(close_body(written.body))


@given(questions())
def test_what_is_written_reads_as_the_same_question(request: ChatRequest) -> None:
    assert again(request, FLASH) == request


@given(conversations())
def test_for_gemini_3_only_the_bypass_is_added(messages: tuple[Message, ...]) -> None:
    written = dialect.write_request(ChatRequest(model="m", messages=messages), THREE)
    wire = close_body(written.body).replace(f',"thoughtSignature":"{BYPASS}"'.encode(), b"")
    assert read(wire).messages == messages


def test_levels_are_read_as_they_were_written() -> None:
    for effort in (Effort.LOW, Effort.MEDIUM, Effort.HIGH):
        request = ChatRequest(
            model="gemini-2.5-flash",
            messages=(Message(Role.USER, (Text("x"),)),),
            thinking=Thinking(effort=effort, visible=True),
        )
        assert again(request, THREE).thinking == request.thinking


@given(st.sampled_from(["anthropic", "openai", "gemini"]), words, st.none() | words)
def test_every_seal_survives_the_slot(family: str, signature: str, redacted: str | None) -> None:
    seal = Seal(family, signature, redacted if family != "gemini" else None)
    slot = write_seal(seal, OPAQUE)
    assert slot is not None and read_seal(slot, "here", OPAQUE) == seal
    urlsafe = slot.replace("+", "-").replace("/", "_").rstrip("=") if family != "gemini" else slot
    assert read_seal(urlsafe, "here", OPAQUE) == seal  # google-genai writes the other alphabet


def test_a_seal_somebody_tampered_with_is_nobodys() -> None:
    slot = write_seal(Seal("anthropic", "sig"), OPAQUE)
    assert slot is not None
    spoilt = base64.b64encode(base64.b64decode(slot)[:-1] + b"!").decode()
    assert read_seal(spoilt, "here", OPAQUE) == Seal("gemini", spoilt)
