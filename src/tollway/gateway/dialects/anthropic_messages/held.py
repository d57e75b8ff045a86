"""Refuses conversations that the provider would hold between calls, in the words by which the vendor's SDK goes on."""

import msgspec

from tollway.core.errors import BadRequest
from tollway.gateway.dialect import Body

FIELD = "thread"


class HeldElsewhere(BadRequest):
    """What a held conversation costs cannot be known before the call, and no other channel could continue it."""

    code = "unsupported_parameter"

    @property
    def details(self) -> dict[str, object]:
        """The vendor's own code: its SDK sends the whole conversation instead."""
        return {"details": {"error_code": "thread_unsupported_request", "unsupported": [FIELD]}}


def refuse_held(body: Body) -> None:
    """Raises HeldElsewhere when the body asks for, or leans on, a conversation held by the provider."""
    held = body.get(FIELD)
    if held is not None and not (isinstance(held, msgspec.Raw) and bytes(held) == b"null"):
        raise HeldElsewhere("thread: conversations are not held here; send all messages", field=FIELD)
