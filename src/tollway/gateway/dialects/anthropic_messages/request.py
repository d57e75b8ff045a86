"""Requests of the Messages dialect: the peek, the targeted edits, and the way to the two codecs."""

from typing import Any

import msgspec

from tollway.core.chat import Thinking
from tollway.core.errors import BadRequest
from tollway.gateway.dialect import Body, Edits, Envelope, PathArgs, plain
from tollway.gateway.dialects.anthropic_messages.held import refuse_held
from tollway.gateway.dialects.anthropic_messages.say import write_request
from tollway.gateway.dialects.anthropic_messages.seals import MARK, foreign
from tollway.gateway.dialects.anthropic_messages.suffix import split_suffix
from tollway.gateway.dialects.anthropic_messages.thinking import adaptive_config, budgeted, effort_word
from tollway.gateway.dialects.anthropic_messages.traits import traits_of
from tollway.gateway.dialects.anthropic_messages.understand import WORDS, bytes_of, read_request

__all__ = ["MEDIA_MARKERS", "WORDS", "edit_request", "envelope", "read_request", "write_request"]

_ESCAPED_LETTER = b"\\u00"
"""A letter written as an escape, behind which a word could hide."""
MEDIA_MARKERS = (b'"source"', _ESCAPED_LETTER)
"""Every picture and document has a source."""
_SERVER_TOOL = b"_20"
"""The vendor's own tools carry a date in their type."""

_string = msgspec.json.Decoder(str | None).decode
_integer = msgspec.json.Decoder(int | None).decode
_boolean = msgspec.json.Decoder(bool | None).decode
_encode = msgspec.json.Encoder().encode


def envelope(body: Body, path: PathArgs) -> Envelope:
    """Peek at what must be known before the body is understood. Raises BadRequest naming the field.

    The vendor demands a `model`; here a request without one leaves it to the auto router, as in every other dialect.
    """
    if "messages" not in body:
        raise BadRequest("messages: Field required", field="messages")
    refuse_held(body)
    limit = _peek(body, "max_tokens", _integer)
    if limit is None and path.get("action") != "count":
        raise BadRequest("max_tokens: Field required", field="max_tokens")
    if limit is not None and limit < 0:
        raise BadRequest("max_tokens: must be 0 or more", field="max_tokens")
    messages, tools = bytes_of(body["messages"]), body.get("tools")
    server = tools is not None and _may_hold(_SERVER_TOOL, bytes_of(tools))
    return Envelope(
        model=_peek(body, "model", _string) or None,
        stream=bool(_peek(body, "stream", _boolean)),
        max_output=limit,
        media=_may_hold(MEDIA_MARKERS[0], messages),
        server_tools=server,
    )


def edit_request(body: Body, envelope: Envelope, edits: Edits) -> Body:
    """The same body for another model, its output limit lowered, without seals that the vendor would refuse."""
    edited = dict(body)
    limit = envelope.max_output
    if edits.max_output is not None and (limit is None or edits.max_output < limit):
        edited["max_tokens"] = limit = edits.max_output
    edited["model"], asked = split_suffix(edits.model, limit or 0)
    if asked is not None and "thinking" not in body:
        _think(edited, asked, edits.max_output or 0)
    elif edits.max_output is not None and "thinking" in body:
        _fit_thoughts(edited, edits.max_output)
    messages = body.get("messages")
    if isinstance(messages, msgspec.Raw) and MARK.encode() in bytes(messages):
        edited["messages"] = _without_foreign_seals(plain(body, "messages"))
    return edited


def _fit_thoughts(body: Body, limit: int) -> None:
    """A budget for thoughts that stays below the lowered limit, with room for an answer; else no thoughts."""
    stated = plain(body, "thinking")
    budget = stated.get("budget_tokens") if isinstance(stated, dict) else None
    if not isinstance(budget, int) or budget < limit:
        return
    fits = budgeted(Thinking(budget=budget), limit, limit)
    body["thinking"] = {**stated, "budget_tokens": fits[0]} if fits else {"type": "disabled"}


def _think(body: Body, asked: Thinking, limit: int) -> None:
    """Add what the model's suffix asks for, and take away the dials that thinking forbids."""
    traits = traits_of(body["model"])
    for dial in ("temperature", "top_p", "top_k"):
        body.pop(dial, None)
    if traits.adaptive:
        body["thinking"] = adaptive_config(asked, traits)
        stated = plain(body, "output_config", dict[str, Any]) or {}
        body["output_config"] = {"effort": effort_word(asked, traits)} | stated
        return
    fits = budgeted(asked, plain(body, "max_tokens", int) or 0, limit)
    if fits:
        body["thinking"], body["max_tokens"] = {"type": "enabled", "budget_tokens": fits[0]}, fits[1]


def _peek(body: Body, name: str, decode: Any) -> Any:
    value = body.get(name)
    if value is None:
        return None
    try:
        return decode(value if isinstance(value, msgspec.Raw) else _encode(value))
    except ValueError as error:
        raise BadRequest(f"{name}: {error}", field=name) from error


def _may_hold(word: bytes, data: bytes) -> bool:
    return word in data or (b"\\" in data and _ESCAPED_LETTER in data)


def _without_foreign_seals(messages: Any) -> Any:
    """Turns without the thoughts another family sealed: the vendor answers 400 to them (relay.md 6.21)."""
    turns = messages if isinstance(messages, list) else []
    for turn in turns:
        content = turn.get("content") if isinstance(turn, dict) else None
        if isinstance(content, list):
            turn["content"] = [block for block in content if not foreign(block)]
    return [turn for turn in turns if not (isinstance(turn, dict) and turn.get("content") == [])] or messages
