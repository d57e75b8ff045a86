"""What a mock was asked, and what it answers."""

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs


@dataclass
class MockRequest:
    """One request as it came, and what became of its connection."""

    method: str
    path: str
    """Without the query."""
    query: str
    headers: dict[str, str]
    """Lower-case names."""
    body: bytes
    connection: int
    """Number of the connection it came on, from 1."""
    received_at: float = field(default_factory=time.monotonic)
    demand: int = 0
    """Status the app must answer with, in its own error body; 0 for a normal answer."""
    aborted_at: float | None = None
    """`time.monotonic()` when the client closed before the answer ended."""
    answered_at: float | None = None
    """`time.monotonic()` when the last byte of the answer was handed to the socket."""
    pieces_sent: int = 0
    ended: threading.Event = field(default_factory=threading.Event, repr=False)
    """Set when the answer ended, or the client left."""

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def args(self) -> dict[str, str]:
        """The query's fields; the last of each name."""
        return {name: values[-1] for name, values in parse_qs(self.query, keep_blank_values=True).items()}

    def wait_aborted(self, timeout_s: float = 5.0) -> float:
        """When the client closed early (monotonic seconds). Raises AssertionError when it did not."""
        self.ended.wait(timeout_s)
        assert self.aborted_at is not None, "the client never closed this connection early"
        return self.aborted_at


@dataclass
class MockAnswer:
    """One answer: a body (sized), or pieces of a stream (chunked), each after `delay_s`."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | list[bytes] = b""
    delay_s: float = 0.0

    @classmethod
    def of_json(cls, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> "MockAnswer":
        """A JSON body."""
        return cls(status, {"content-type": "application/json", **(headers or {})}, json.dumps(value).encode())

    @classmethod
    def of_stream(cls, pieces: list[bytes], delay_s: float = 0.0, kind: str = "text/event-stream") -> "MockAnswer":
        """A stream of pieces, usually one SSE event each."""
        return cls(200, {"content-type": kind, "cache-control": "no-cache"}, pieces, delay_s)
