"""When a stream is whole: as each vendor ends it, and as each dialect's own client would take it."""

import json
from typing import Any

from tests.gateway.pipeline.counter import Told

RESPONDED = ("response.completed", "response.incomplete")


def frames_of(data: bytes) -> list[bytes]:
    """The data of each SSE frame; half a frame at the end counts as one."""
    text = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    told = []
    for frame in text.split(b"\n\n"):
        lines = [line[5:].removeprefix(b" ") for line in frame.split(b"\n") if line.startswith(b"data:")]
        if lines:
            told.append(b"\n".join(lines))
    return told


def read(frame: bytes) -> Any:
    """The frame's JSON, or nothing."""
    try:
        return json.loads(frame)
    except ValueError:
        return None


def ended_by_vendor(origin: str, data: bytes) -> bool:
    """Whether the vendor said that this was all."""
    frames = frames_of(data)
    told = [value for value in map(read, frames) if isinstance(value, dict)]
    if "anthropic" in origin:
        return any(value.get("type") == "message_stop" for value in told)
    if any(value.get("type") in RESPONDED for value in told):
        return True
    word = "candidates" if "google" in origin else "choices"
    reasons: dict[int, Any] = {}
    for one in [one for value in told for one in value.get(word) or []]:
        index = one.get("index") or 0
        reasons[index] = one.get("finishReason") or one.get("finish_reason") or reasons.get(index)
    return b"[DONE]" in frames or (bool(reasons) and all(reasons.values()))


def whole_for_caller(dialect: str, told: Told) -> bool:
    """Whether the caller's own SDK would take the stream for a whole one."""
    if told.status != 200 or told.ending != "end":
        return False
    frames = frames_of(told.body)
    values = [value for value in map(read, frames) if isinstance(value, dict)]
    if dialect == "openai":
        return b"[DONE]" in frames
    if dialect == "responses":
        return any(value.get("type") in RESPONDED for value in values)
    if dialect == "anthropic":
        return any(value.get("type") == "message_stop" for value in values)
    if dialect == "hub":
        return any(value.get("type") == "done" for value in values)
    if told.body[:1] == b"[":
        return isinstance(read(told.body), list)
    return not any("error" in value for value in values)
