"""What routing must know of a call."""

from collections.abc import Mapping
from typing import Protocol

from tollway.core.caller import Caller
from tollway.core.chat import ChatRequest
from tollway.core.ids import CallId
from tollway.gateway.dialect import Body, Envelope


class Question(Protocol):
    """A call, as far as its way is concerned."""

    @property
    def id(self) -> CallId:
        """Decides whatever chance decides."""

    @property
    def caller(self) -> Caller:
        """Who asks."""

    @property
    def envelope(self) -> Envelope:
        """What was peeked from the body."""

    @property
    def body(self) -> Body:
        """The top-level fields."""

    @property
    def heard(self) -> Mapping[bytes, bytes]:
        """Every header of the request."""

    @property
    def path(self) -> str:
        """Of the request."""

    @property
    def size(self) -> int:
        """Bytes of the body."""

    def request(self) -> ChatRequest:
        """The canonical form. Raises BadRequest."""
