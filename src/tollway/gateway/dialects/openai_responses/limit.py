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
    content = [_part(item, name, at) for name, at in sorted(item.told, key=lambda told: told[1])]
    item.wire = item.wire | {"content": content}
    if not content:
        return b""
    last, at = content[-1], place | {"content_index": len(content) - 1}
    if last["type"] == "refusal":
        told = line.say("response.refusal.done", at | {"refusal": last["refusal"]})
    else:
        told = line.say("response.output_text.done", at | {"text": last["text"], "logprobs": []})
    return told + line.say("response.content_part.done", at | {"part": last})


def _part(item: Item, name: str, at: int) -> dict[str, Any]:
    words = item.said((name, at))
    return {"type": "refusal", "refusal": words} if name == "refusal" else output_text(words, [])


def _end_thought(line: Line, place: Fields, item: Item) -> bytes:
    texts = [item.said((name, at)) for name, at in sorted(item.told) if name == "summary"]
    summary = [{"type": "summary_text", "text": words} for words in texts]
    item.wire = item.wire | {"summary": summary}
    if not summary:
        return b""
    at = place | {"summary_index": len(summary) - 1}
    told = line.say("response.reasoning_summary_text.done", at | {"text": texts[-1]})
    return told + line.say("response.reasoning_summary_part.done", at | {"part": summary[-1]})


def _end_call(line: Line, place: Fields, item: Item) -> bytes:
    words = item.said(("args", 0))
    if item.kind == "custom_tool_call":
        item.wire = item.wire | {"input": words}
        return line.say("response.custom_tool_call_input.done", place | {"input": words})
    item.wire = item.wire | {"arguments": words}
    return line.say("response.function_call_arguments.done", place | {"arguments": words})
