"""Mends the seals of a conversation that goes to Google as it came, when other providers have answered in it.

A caller of this dialect may have been answered by any model: by his own choice, or because a channel fell back. The
seals we wrapped for other families, and calls that other models left without a signature, Google would refuse.
"""

from typing import Any

import msgspec

from tollway.gateway.dialects.gemini.seals import WRAPPED
from tollway.gateway.dialects.gemini.thinking import seals_calls
from tollway.gateway.dialects.gemini.write_contents import BYPASS

_Span = dict[str, msgspec.Raw]
_read_spans = msgspec.json.Decoder(list[_Span]).decode
_MODEL = b'"model"'
_BYPASS = msgspec.Raw(b'"%b"' % BYPASS.encode())
_SEAL = ("thoughtSignature", "thought_signature")
_CALL = ("functionCall", "function_call")
_WRAPPED = WRAPPED.encode()


def mended(contents: Any, model: str) -> Any:
    """`contents` as Google will take it; the very same object when there is nothing to mend, or no way to read it."""
    if not isinstance(contents, msgspec.Raw):
        return contents
    data, sealed = bytes(contents), seals_calls(model)
    if _WRAPPED not in data and not (sealed and any(name.encode() in data for name in _CALL)):
        return contents
    try:
        turns: list[dict[str, Any]] = list(_read_spans(data))
        changed = _without_foreign(turns)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return contents
    if sealed:
        changed = _with_bypasses(turns) or changed
    return [turn for turn in turns if turn.get("parts") != []] if changed else contents


def _without_foreign(turns: list[dict[str, Any]]) -> bool:
    """Open the parts of the model's turns and take other families' seals out; whether there were any."""
    changed = False
    for turn in turns:
        if bytes(turn.get("role", b"")) == _MODEL and "parts" in turn:
            given = _read_spans(turn["parts"])
            turn["parts"] = [own for part in given if (own := _own(part)) is not None]
            changed = changed or turn["parts"] != given
    return changed


def _own(part: _Span) -> _Span | None:
    """The part without a seal that is not Google's; None for a thought that only carried it."""
    if not any(_foreign(part.get(name)) for name in _SEAL):
        return part
    rest = {name: value for name, value in part.items() if name not in _SEAL}
    hollow = bytes(rest.get("thought", b"")) == b"true" or bytes(rest.get("text", b"")) == b'""'
    return None if hollow else rest


def _foreign(seal: msgspec.Raw | None) -> bool:
    return seal is not None and bytes(seal)[1:].startswith(_WRAPPED)


def _with_bypasses(turns: list[dict[str, Any]]) -> bool:
    """Put the bypass value on the first call of each of the model's turns that has no signature at all."""
    changed = False
    calls: list[_Span] = []
    for turn in [*turns, {}]:
        if bytes(turn.get("role", b"")) == _MODEL:
            calls += [part for part in turn.get("parts", ()) if any(name in part for name in _CALL)]
            continue
        if calls and not any(name in call for call in calls for name in _SEAL):
            calls[0][_SEAL[0]] = _BYPASS
            changed = True
        calls = []
    return changed
