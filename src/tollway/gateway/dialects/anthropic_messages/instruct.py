"""Says an operator's system prompt in Messages."""

from tollway.core.errors import BadRequest
from tollway.gateway.dialect import Body, plain


def instructed(body: Body, prompt: str, first: bool) -> Body:
    """See Dialect.instruct: `system` is a text, or a list of blocks."""
    system = plain(body, "system")
    if not system:
        return {**body, "system": prompt}
    if not first:
        return body
    if isinstance(system, list):
        return {**body, "system": [{"type": "text", "text": prompt}, *system]}
    if not isinstance(system, str):
        raise BadRequest("system: must be a text or a list of blocks", field="system")
    return {**body, "system": f"{prompt}\n{system}"}
