"""A request of the Responses API: peeked at, edited in place, and understood."""

from typing import Any

import msgspec

from tollway.core.chat import ChatRequest, Effort, Message, OutputFormat, Role, Sampling, Text, Thinking
from tollway.core.errors import BadRequest
from tollway.core.places import Noted, Places
from tollway.gateway.dialect import Body, Edits, Envelope, Opaque, PathArgs, Words, plain
from tollway.gateway.dialects.openai_responses.echoed import echo_of
from tollway.gateway.dialects.openai_responses.namespaces import NAMESPACE
from tollway.gateway.dialects.openai_responses.seals import MARK
from tollway.gateway.dialects.openai_responses.tools import read_choice, read_tools
from tollway.gateway.dialects.openai_responses.turns_read import ItemReader
from tollway.gateway.dialects.openai_responses.write import ENCRYPTED, LEAST_OUTPUT
from tollway.gateway.openai_family.effort import EFFORTS
from tollway.gateway.openai_family.fields import (
    a_list,
    flag_or_none,
    integer_or_none,
    number_or_none,
    object_or_none,
    text,
    text_or_none,
    wrong,
)

_ESCAPED_LETTER = b"\\u00"
"""A letter written as an escape, behind which a word could hide."""
MEDIA_MARKERS = (b"input_image", b"input_file", b"input_audio", _ESCAPED_LETTER)
WORDS: Words = {
    "max_output": "max_output_tokens",
    "messages": "input",
    "output_format": "text.format",
    "output_format.schema": "text.format.schema",
    "verbosity": "text.verbosity",
    "thinking": "reasoning",
    "reasoning": "input.reasoning",
    "cache_control": "input.content.prompt_cache_breakpoint",
    "parallel_tools": "parallel_tool_calls",
    "schema": "parameters",
    "web_search.context_size": "tools.search_context_size",
    "web_search.user_location": "tools.user_location",
    "web_search.allowed_domains": "tools.filters.allowed_domains",
    "user": ("user", "safety_identifier"),
    "cache_key": "prompt_cache_key",
}
_HELD = {
    "previous_response_id": "answers are not stored here; send the whole conversation as `input`",
    "conversation": "conversations are not stored here; send the whole conversation as `input`",
    "prompt": "prompt templates are not stored here; send `instructions` and `input`",
}
"""What leans on a store that we do not have."""
_KNOWN = frozenset(
    (
        *("model", "input", "instructions", "stream", "stream_options", "max_output_tokens", "temperature", "top_p"),
        *("top_logprobs", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "include", "metadata"),
        *("store", "service_tier", "prompt_cache_key", "safety_identifier", "user", "background", "truncation"),
        *_HELD,
    )
)
_string = msgspec.json.Decoder(str | None).decode
_flag = msgspec.json.Decoder(bool | None).decode
_whole = msgspec.json.Decoder(int | None).decode
_NULL = b"null"
_CALLERS_OWN = ("function", "custom", NAMESPACE)
"""Kinds of tools that the caller runs himself."""


class _Kind(msgspec.Struct, gc=False):
    type: str = ""


_kinds = msgspec.json.Decoder(list[_Kind]).decode


def envelope(body: Body, path: PathArgs) -> Envelope:
    """What must be known before the request is understood. Raises BadRequest naming the field."""
    for name, why in _HELD.items():
        if name in body and _bytes(body[name]) != _NULL:
            raise BadRequest(f"{name}: {why}", field=name)
    if _peek(body, "background", _flag, "a boolean"):
        raise BadRequest("background: answers are not stored here; wait for them, or stream", field="background")
    limit = _peek(body, "max_output_tokens", _whole, "an integer")
    if limit is not None and limit < 1:
        raise BadRequest("max_output_tokens: at least 1", field="max_output_tokens")
    asked = body.get("input")
    return Envelope(
        _peek(body, "model", _string, "a string"),
        bool(_peek(body, "stream", _flag, "a boolean")),
        limit,
        media=asked is not None and _may_hold(_bytes(asked), *MEDIA_MARKERS),
        server_tools=_runs_tools(body.get("tools")),
        options=echo_of(body),
    )


def _peek(body: Body, name: str, decode: Any, wanted: str) -> Any:
    value = body.get(name)
    if not isinstance(value, msgspec.Raw):
        return value
    try:
        return decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise wrong(name, wanted) from None


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)


def _may_hold(data: bytes, *words: bytes) -> bool:
    return any(word in data for word in words)


def _runs_tools(tools: Any) -> bool:
    """Whether the provider may run tools of its own for this body."""
    if tools is None:
        return False
    try:
        return any(tool.type not in _CALLERS_OWN for tool in _kinds(_bytes(tools)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True


def edit_request(body: Body, seen: Envelope, edits: Edits) -> Body:
    """The same body for another model and limit, without thoughts that another family sealed; the rest as it came."""
    edited = dict(body)
    edited["model"] = edits.model
    if edits.max_output is not None and (seen.max_output is None or seen.max_output > edits.max_output):
        edited["max_output_tokens"] = max(LEAST_OUTPUT, edits.max_output)
    asked = body.get("input")
    if isinstance(asked, msgspec.Raw) and _may_hold(bytes(asked), MARK.encode()):
        edited["input"] = _without_foreign_seals(asked)
    return edited


def _without_foreign_seals(asked: msgspec.Raw) -> Any:
    """Items without the thoughts we wrapped for others: the vendor answers 400 to them (relay.md 6.21)."""
    try:
        items = msgspec.json.decode(asked, type=list[dict[str, msgspec.Raw]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return asked
    mark = b'"' + MARK.encode()
    return [item for item in items if not bytes(item.get("encrypted_content", b"")).startswith(mark)] or asked


def read_request(body: Body, seen: Envelope, opaque: Opaque) -> ChatRequest:
    """The canonical question. Raises BadRequest naming the place of whatever is wrong."""
    noted: list[Noted] = []
    tools = read_tools(plain(body, "tools"), noted)
    choice, allowed = read_choice(plain(body, "tool_choice"))
    offered = {tool.name for tool in tools}
    if choice is not None and not offered.issuperset(choice.names):
        raise BadRequest("tool_choice: names a tool that is not among `tools`", field="tool_choice")
    if allowed is not None:
        tools = tuple(tool for tool in tools if tool.name in allowed)
    reader = ItemReader(opaque, noted)
    messages = _instructions(plain(body, "instructions"), noted) + reader.read(plain(body, "input"))
    wanted = object_or_none(plain(body, "text"), "text") or {}
    identifier = text_or_none(plain(body, "safety_identifier"), "safety_identifier")
    return ChatRequest(
        model=seen.model or "",
        messages=messages,
        tools=tools,
        tool_choice=choice,
        parallel_tools=flag_or_none(plain(body, "parallel_tool_calls"), "parallel_tool_calls"),
        sampling=_sampling(body),
        max_output=seen.max_output,
        stream=seen.stream,
        output_format=_format(object_or_none(wanted.get("format"), "text.format")),
        thinking=_thinking(object_or_none(plain(body, "reasoning"), "reasoning")),
        verbosity=text_or_none(wanted.get("verbosity"), "text.verbosity"),
        user=text_or_none(plain(body, "user"), "user") or identifier,
        metadata=object_or_none(plain(body, "metadata"), "metadata"),
        store=None if plain(body, "store") is None else False,
        service_tier=text_or_none(plain(body, "service_tier"), "service_tier"),
        cache_key=text_or_none(plain(body, "prompt_cache_key"), "prompt_cache_key"),
        leftover=(*_leftover(body), *reader.skipped),
        places=Places(noted),
    )


def _instructions(value: Any, noted: list[Noted]) -> tuple[Message, ...]:
    words = text_or_none(value, "instructions")
    if not words:
        return ()
    part = Text(words)
    message = Message(Role.SYSTEM, (part,))
    noted += [(part, "instructions"), (message, "instructions")]
    return (message,)


def _sampling(body: Body) -> Sampling:
    return Sampling(
        temperature=number_or_none(plain(body, "temperature"), "temperature"),
        top_p=number_or_none(plain(body, "top_p"), "top_p"),
        top_logprobs=integer_or_none(plain(body, "top_logprobs"), "top_logprobs"),
    )


def _format(wanted: dict[str, Any] | None) -> OutputFormat | None:
    kind = text(wanted.get("type"), "text.format.type") if wanted is not None else "text"
    if wanted is None or kind == "text":
        return None
    if kind == "json_object":
        return OutputFormat()
    if kind != "json_schema":
        raise BadRequest(f"text.format.type: unknown {kind!r}", field="text.format.type")
    return OutputFormat(
        schema=object_or_none(wanted.get("schema"), "text.format.schema") or {},
        name=text(wanted.get("name"), "text.format.name"),
        description=text_or_none(wanted.get("description"), "text.format.description"),
        strict=flag_or_none(wanted.get("strict"), "text.format.strict"),
    )


def _thinking(wanted: dict[str, Any] | None) -> Thinking | None:
    if wanted is None:
        return None
    word = text_or_none(wanted.get("effort"), "reasoning.effort")
    if word is not None and word not in EFFORTS:
        raise wrong("reasoning.effort", "one of " + ", ".join(EFFORTS))
    summary = wanted.get("summary", wanted.get("generate_summary"))
    shown = True if text_or_none(summary, "reasoning.summary") else None
    effort: Effort | None = EFFORTS[word] if word else None
    return Thinking(effort, visible=shown) if effort or shown else None


def _leftover(body: Body) -> tuple[str, ...]:
    """Fields without a counterpart, and values of known fields that have none."""
    left = [name for name in body if name not in _KNOWN and plain(body, name) is not None]
    if flag_or_none(plain(body, "store"), "store"):  # another wire would keep it where no caller of ours can find it
        left.append("store")
    included = plain(body, "include")
    for at, one in enumerate(a_list(included, "include") if included is not None else ()):
        if text(one, f"include[{at}]") != ENCRYPTED:
            left.append(f"include[{at}]")
    if text_or_none(plain(body, "truncation"), "truncation") not in (None, "disabled"):
        left.append("truncation")
    object_or_none(plain(body, "stream_options"), "stream_options")
    return tuple(left)
