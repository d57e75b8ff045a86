"""Says an operator's system prompt to Gemini."""

from tollway.core.errors import BadRequest
from tollway.gateway.dialect import Body, plain

_NAMES = ("systemInstruction", "system_instruction")


def instructed(body: Body, prompt: str, first: bool) -> Body:
    """See Dialect.instruct: the first part of `systemInstruction`, in either spelling."""
    name = next((one for one in _NAMES if one in body), _NAMES[0])
    said = plain(body, name)
    part = {"text": prompt}
    if isinstance(said, str) and said:
        said = {"parts": [{"text": said}]}
    if said and not isinstance(said, dict):
        raise BadRequest(f"{name}: must be an object with parts", field=name)
    parts = said.get("parts") if said else None
    there = parts if isinstance(parts, list) else [parts] if parts else []
    if not there:
        return {**body, name: {**(said or {}), "parts": [part]}}
    return {**body, name: {**said, "parts": [part, *there]}} if first else body
