"""Says an operator's system prompt in a request of the Responses API."""

from typing import Any

import msgspec

from tollway.core.errors import BadRequest
from tollway.gateway.dialect import Body, plain

_SYSTEM = ("system", "developer")


class _Item(msgspec.Struct):
    role: Any = None


_read_items = msgspec.json.Decoder(list[_Item]).decode


def instructed(body: Body, prompt: str, first: bool) -> Body:
    """See Dialect.instruct: as `instructions`, which come before all of the input."""
    said = plain(body, "instructions")
    if said is not None and not isinstance(said, str):
        raise BadRequest("instructions: must be a text", field="instructions")
    if not said:
        return body if not first and _speaks_as_system(body.get("input")) else {**body, "instructions": prompt}
    return {**body, "instructions": f"{prompt}\n{said}"} if first else body


def _speaks_as_system(items: Any) -> bool:
    """Whether some item of the input is a system or developer message."""
    if isinstance(items, msgspec.Raw):
        try:
            return any(item.role in _SYSTEM for item in _read_items(items))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # a plain text, or what is refused elsewhere
            return False
    return isinstance(items, list) and any(isinstance(one, dict) and one.get("role") in _SYSTEM for one in items)
