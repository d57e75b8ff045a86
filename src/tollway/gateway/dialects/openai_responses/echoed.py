"""What a response repeats of its question."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tollway.gateway.dialect import Body

OPTION = "echo"
"""Under which name the repeated fields go from the envelope to whoever writes the answer."""
_NAMES = (
    *("instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "prompt_cache_key"),
    *("reasoning", "safety_identifier", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p"),
    *("truncation", "user"),
)
_DEFAULTS: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_encode = msgspec.json.Encoder().encode
_NULL = msgspec.Raw(b"null")
_NO_TEXT = msgspec.Raw(_encode(_DEFAULTS["text"]))
_UNSAID = {name: msgspec.Raw(_encode(value)) for name, value in _DEFAULTS.items()}
_spans = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def echo_of(body: Body) -> Mapping[str, str]:
    """The fields to repeat, as one option for the writer."""
    said = {name: body[name] for name in _NAMES if name in body and body[name] != _NULL}
    return {OPTION: _encode(said).decode("utf-8", "replace")} if said else {}


def echoed(options: Mapping[str, str]) -> dict[str, msgspec.Raw]:
    """All fields of a response that repeat the question; what it left open as the vendor states it."""
    said = options.get(OPTION)
    fields = _UNSAID | (_spans(said) if said else {})
    if b'"format"' not in bytes(fields["text"]):
        fields["text"] = _with_format(fields["text"])
    return fields


def _with_format(text: msgspec.Raw) -> msgspec.Raw:
    try:
        return msgspec.Raw(_encode(_DEFAULTS["text"] | msgspec.json.decode(text, type=dict[str, Any])))
    except msgspec.DecodeError:
        return _NO_TEXT
