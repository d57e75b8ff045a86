"""One call as it came in: who asks what, in which dialect; never changed afterwards."""

from collections.abc import Mapping

import msgspec

from tollway.core.caller import Caller
from tollway.core.chat import ChatRequest
from tollway.core.ids import CallId
from tollway.gateway.dialect import Body, Dialect, Envelope, Opaque
from tollway.gateway.pipeline.seals import Seals

CHANNEL_TEST = "channel_test"
"""The surface of a call that nobody asked: an operator tests a channel."""


class Call(msgspec.Struct):
    """A question, its body opened at the top level only; the canonical form is made when somebody needs it."""

    id: CallId
    caller: Caller
    surface: str
    dialect: Dialect
    envelope: Envelope
    body: Body
    size: int
    """Length of the body in bytes."""
    headers: Mapping[bytes, bytes]
    """Those that go on to a provider of the same dialect."""
    heard: Mapping[bytes, bytes]
    """Every header of the request, its credential among them: for rules, never for logs. Shared, not to be changed."""
    options: Mapping[str, str]
    """What the path and query said, e.g. Gemini's action."""
    arrived_s: float
    """Unix seconds."""
    started_s: float
    """Monotonic seconds."""
    opaque: Opaque
    seals: Seals
    path: str = ""
    """Of the request."""
    _read: ChatRequest | None = None

    def request(self) -> ChatRequest:
        """The canonical form, read once, with the seals put back that the caller's dialect could not carry.

        Raises BadRequest naming the field.
        """
        if self._read is None:
            asked = self.dialect.read_request(self.body, self.envelope, self.opaque)
            self._read = self.seals.recall(self.caller.key, asked)
        return self._read
