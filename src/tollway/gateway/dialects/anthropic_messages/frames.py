"""The frames of the vendor's stream."""

from typing import Any, Protocol

import msgspec

from tollway.core.usage import Usage
from tollway.gateway.dialects.anthropic_messages.counts import write_usage

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
TAIL = b"}}\n\n"
"""What follows the words after a `text_prefix`."""
_encode = msgspec.json.Encoder().encode


def say(event: str, members: dict[str, Any]) -> bytes:
    """Any frame."""
    return b"event: %s\ndata: %s\n\n" % (event.encode(), _encode({"type": event} | members))


def text_prefix(index: int) -> bytes:
    """What stands before the words, as a JSON string, of every piece of the text block at `index`."""
    return (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
        b'"delta":{"type":"text_delta","text":' % index
    )


def message_start(message_id: str, model: str, usage: Usage) -> bytes:
    """The head of a stream, with the ping that the vendor sends after it."""
    message: dict[str, Any] = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": write_usage(usage),
    }
    return say("message_start", {"message": message}) + PING


def message_end(reason: str, stop_sequence: str | None, usage: Usage) -> bytes:
    """The last two frames of a stream that came to its end."""
    delta = {"stop_reason": reason, "stop_sequence": stop_sequence}
    said = write_usage(usage)
    said.pop("cache_creation")
    return say("message_delta", {"delta": delta, "usage": said}) + say("message_stop", {})


class Follower(Protocol):
    """Whoever has read a stream so far."""

    open_block: int | None
    """The content block that has begun and not ended."""


def limit_end(follower: Follower, usage: Usage) -> bytes:
    """The end of a stream that we cut at its limit, after the frames that `follower` has read."""
    index = follower.open_block
    told = b"" if index is None else say("content_block_stop", {"index": index})
    return told + message_end("max_tokens", None, usage)
