"""The end we put to a stream that passed through and was cut at its limit, well-formed after all that has passed."""

from typing import Any, Protocol

import msgspec

from tollway.core.usage import Usage
from tollway.gateway.dialects.openai_responses.events import Fields, Line
from tollway.gateway.dialects.openai_responses.heard import Heard, Item
from tollway.gateway.dialects.openai_responses.parts import output_text
from tollway.gateway.dialects.openai_responses.usage import write_usage


class Follower(Protocol):
    """Whoever has read the stream so far."""

    heard: Heard
    sequence: int
    opening: msgspec.Raw | None


def limit_end(follower: Follower, usage: Usage) -> bytes:
    """The last events: open items end as they are, the response is incomplete."""
    line = Line(follower.sequence + 1)
    told, output = b"", []
    for place, item in enumerate(follower.heard.items):
        index = place if item.index is None else item.index
        if not item.done:
            told += _ended(line, index, item)
        output.append(item.wire)
    said: Fields = _opening(follower.opening) | {
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "output": output,
        "usage": write_usage(usage),
    }
    return told + line.say("response.incomplete", {"response": said})


def _opening(raw: msgspec.Raw | None) -> Fields:
    try:
        return dict(msgspec.json.decode(raw, type=dict[str, msgspec.Raw])) if raw is not None else {}
    except msgspec.DecodeError:
        return {}


def _ended(line: Line, index: int, item: Item) -> bytes:
    """The closing events of one item; the item itself is changed to how it stands now."""
    place: Fields = {"item_id": item.id, "output_index": index}
    told = b""
    if item.kind == "message":
        told = _end_message(line, place, item)
    elif item.kind == "reasoning":
        told = _end_thought(line, place, item)
    elif item.slot >= 0:
        told = _end_call(line, place, item)
    item.wire = item.wire | {"status": "incomplete"}
    return told + line.say("response.output_item.done", {"output_index": index, "item": item.wire})


def _end_message(line: Line, place: Fields, item: Item) -> bytes:
    places = sorted((at, name) for name, at in item.told if name in ("text", "refusal"))
    content = [_part(item, name, at) for at, name in places]
    item.wire = item.wire | {"content": content}
    told = b""
    for (at, name), part in zip(places, content, strict=True):
        here = place | {"content_index": at}
        if (name, at) not in item.whole | item.shut:
            ending = {"refusal": part["refusal"]} if name == "refusal" else {"text": part["text"], "logprobs": []}
            told += line.say(
                "response.refusal.done" if name == "refusal" else "response.output_text.done", here | ending
            )
        if (name, at) not in item.shut:
            told += line.say("response.content_part.done", here | {"part": part})
    return told


def _part(item: Item, name: str, at: int) -> dict[str, Any]:
    words = item.said((name, at))
    return {"type": "refusal", "refusal": words} if name == "refusal" else output_text(words, item.sources.get(at, []))


def _end_thought(line: Line, place: Fields, item: Item) -> bytes:
    places = sorted(one for one in item.told if one[0] == "summary")
    summary = [{"type": "summary_text", "text": item.said(one)} for one in places]
    item.wire = item.wire | {"summary": summary}
    told = b""
    for one, part in zip(places, summary, strict=True):
        here = place | {"summary_index": one[1]}
        if one not in item.whole | item.shut:
            told += line.say("response.reasoning_summary_text.done", here | {"text": part["text"]})
        if one not in item.shut:
            told += line.say("response.reasoning_summary_part.done", here | {"part": part})
    return told


def _end_call(line: Line, place: Fields, item: Item) -> bytes:
    words, custom = item.said(("args", 0)), item.kind == "custom_tool_call"
    field = "input" if custom else "arguments"
    item.wire = item.wire | {field: words}
    if ("args", 0) in item.whole:
        return b""
    kind = "response.custom_tool_call_input.done" if custom else "response.function_call_arguments.done"
    return line.say(kind, place | {field: words})
