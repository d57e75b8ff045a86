"""Canonical questions and answers that every dialect must be able to say, and what must survive of them."""

import json
from collections.abc import Iterable
from typing import Any

from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Message,
    Part,
    Reasoning,
    Refusal,
    Role,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tollway.core.media import Media, MediaKind
from tollway.core.stream import (
    Answer,
    Choice,
    Completed,
    Cut,
    Failed,
    Finish,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolArgs,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from tollway.core.usage import Usage

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mN4BQAAAQABGqQbAgAAAABJRU5ErkJggg=="
WEATHER = Tool(
    name="get_weather",
    description="The weather of a city",
    schema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
ADD = Tool(name="add", description="Adds", schema={"type": "object", "properties": {"a": {"type": "integer"}}})


def user(*parts: Part) -> Message:
    """A user's turn."""
    return Message(Role.USER, parts)


def question(*messages: Message, **more: Any) -> ChatRequest:
    """A request with what every dialect demands."""
    return ChatRequest(model="m", messages=messages, max_output=more.pop("max_output", 100), **more)


QUESTIONS = {
    "one word": question(user(Text("hi"))),
    "unicode": question(user(Text('für "alle" 🚂\n\ttabs\\ and \u2028 lines'))),
    "a system prompt": question(Message(Role.SYSTEM, (Text("be brief"),)), user(Text("hi"))),
    "several turns": question(
        user(Text("a")), Message(Role.ASSISTANT, (Text("b"),)), user(Text("c")), sampling=Sampling(temperature=0.5)
    ),
    "a picture": question(user(Text("what is it?"), Media(kind=MediaKind.IMAGE, mime="image/png", data=PIXEL))),
    "tools": question(user(Text("weather?")), tools=(WEATHER, ADD), tool_choice=ToolChoice(ChoiceMode.AUTO)),
    "a forced tool": question(
        user(Text("weather?")), tools=(WEATHER,), tool_choice=ToolChoice(ChoiceMode.NAMED, ("get_weather",))
    ),
    "tool results": question(
        user(Text("weather?")),
        Message(
            Role.ASSISTANT,
            (ToolCall("call_1", "get_weather", '{"city":"Oslo"}'), ToolCall("call_2", "add", '{"a":1}')),
        ),
        Message(
            Role.TOOL,
            (
                ToolResult("call_1", (Text("cold"),), name="get_weather"),
                ToolResult("call_2", (Text("1"),), name="add"),
            ),
        ),
        user(Text("and now?")),
        tools=(WEATHER, ADD),
    ),
    "stop words": question(user(Text("count")), sampling=Sampling(temperature=0.0, top_p=0.5, stop=("ten", "11"))),
}

USAGE = Usage(input_total=12, output_total=7)
STREAMS: dict[str, list[StreamEvent]] = {
    "words": [Started("id", "m"), TextDelta("Hel"), TextDelta("lo 🚂\n"), Finished(Finish.STOP), UsageSeen(USAGE)],
    "the limit": [Started("id", "m"), TextDelta("Hel"), Finished(Finish.LENGTH), UsageSeen(USAGE)],
    "one tool": [
        Started("id", "m"),
        TextDelta("Let me see."),
        ToolStart(0, "call_1", "get_weather"),
        ToolArgs(0, '{"city":'),
        ToolArgs(0, '"Oslo"}'),
        ToolEnd(0),
        Finished(Finish.TOOL_CALLS),
        UsageSeen(USAGE),
    ],
    "two tools": [
        Started("id", "m"),
        ToolStart(0, "call_1", "get_weather"),
        ToolArgs(0, '{"city":"Oslo"}'),
        ToolEnd(0),
        ToolStart(1, "call_2", "add"),
        ToolArgs(1, '{"a":1}'),
        ToolEnd(1),
        Finished(Finish.TOOL_CALLS),
        UsageSeen(USAGE),
    ],
    "a thought": [
        Started("id", "m"),
        ReasoningDelta("hm, "),
        ReasoningDelta("yes"),
        TextDelta("Yes."),
        Finished(Finish.STOP),
        UsageSeen(USAGE),
    ],
}
ANSWERS = {
    "words": Answer("id", "m", (Choice((Text("Hello 🚂"),), Finish.STOP),), USAGE),
    "the limit": Answer("id", "m", (Choice((Text("Hel"),), Finish.LENGTH),), USAGE),
    "tools": Answer(
        "id",
        "m",
        (
            Choice(
                (
                    Text("Let me see."),
                    ToolCall("call_1", "get_weather", '{"city":"Oslo"}'),
                    ToolCall("call_2", "add", '{"a":1}'),
                ),
                Finish.TOOL_CALLS,
            ),
        ),
        USAGE,
    ),
}


def gist_of_part(part: Part) -> tuple[Any, ...]:
    """What of a part may not change on its way through any dialect."""
    if isinstance(part, ToolCall):
        return ("call", part.name, json.loads(part.args_json))
    if isinstance(part, ToolResult):
        return ("result", *(gist_of_part(inner) for inner in part.parts))
    if isinstance(part, Media):
        return (part.kind.value, part.mime, part.data)
    if isinstance(part, Text | Refusal | Reasoning):
        return (type(part).__name__, part.text)
    return (type(part).__name__,)


def gist_of_request(request: ChatRequest) -> dict[str, Any]:
    """What of a request may not change. Turns of tools and users may join, so turns are told part by part."""
    said = [
        ("user" if message.role is Role.TOOL else message.role.value, gist_of_part(part))
        for message in request.messages
        for part in message.parts
    ]
    tools = [(tool.name, tool.description, sorted((tool.schema or {}).get("properties", {}))) for tool in request.tools]
    sampling = request.sampling
    dials = (sampling.temperature, sampling.top_p, tuple(sampling.stop), request.max_output)
    choice = request.tool_choice
    forced = choice and choice.mode is not ChoiceMode.AUTO
    return {
        "said": said,
        "tools": tools,
        "dials": dials,
        "choice": (choice.mode, choice.names) if choice and forced else None,
    }


def gist_of_answer(answer: Answer) -> tuple[Any, ...]:
    """What of an answer may not change."""
    choices = [([gist_of_part(part) for part in choice.parts], choice.finish) for choice in answer.choices]
    return (choices, answer.usage and (answer.usage.input_total, answer.usage.output_total))


def gist_of_stream(events: Iterable[StreamEvent]) -> dict[str, Any]:
    """What of a stream may not change, however it is cut into pieces."""
    gist: dict[str, Any] = {
        "text": "",
        "refusal": "",
        "thought": "",
        "finish": None,
        "usage": None,
        "ended": 0,
        "terminal": [],
    }
    calls: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, TextDelta):
            gist["text"] += event.text
        elif isinstance(event, RefusalDelta):
            gist["refusal"] += event.text
        elif isinstance(event, ReasoningDelta):
            gist["thought"] += event.text
        elif isinstance(event, ToolStart):
            calls[event.slot] = [event.name, ""]
        elif isinstance(event, ToolArgs):
            calls[event.slot][1] += event.fragment
        elif isinstance(event, ToolEnd):
            gist["ended"] += 1
        elif isinstance(event, Finished):
            gist["finish"] = event.reason
        elif isinstance(event, UsageSeen):
            gist["usage"] = (event.usage.input_total, event.usage.output_total)
        elif isinstance(event, Completed | Failed | Cut):
            gist["terminal"].append(type(event))
    gist["calls"] = [(name, json.loads(args or "{}")) for _, (name, args) in sorted(calls.items())]
    return gist
