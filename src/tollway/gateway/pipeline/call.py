"""One call as it came in: who asks what, in which dialect; never changed afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tollway.core.caller import Caller
from tollway.core.chat import ChatRequest
from tollway.core.ids import CallId
from tollway.gateway.dialect import Body, Dialect, Envelope, Opaque


@dataclass(slots=True)
class Call:
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
    options: Mapping[str, str]
    """What the path and query said, e.g. Gemini's action."""
    arrived_s: float
    """Unix seconds."""
    started_s: float
    """Monotonic seconds."""
    opaque: Opaque
    recall: Callable[[ChatRequest], ChatRequest]
    """Puts back seals that the caller's dialect could not carry."""
    _read: ChatRequest | None = None

    def request(self) -> ChatRequest:
        """The canonical form, read once. Raises BadRequest naming the field."""
        if self._read is None:
            self._read = self.recall(self.dialect.read_request(self.body, self.envelope, self.opaque))
        return self._read
