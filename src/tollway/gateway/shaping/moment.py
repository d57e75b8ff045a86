"""The call around a body, as conditions of an override may ask about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tollway.core.errors import Fault


@dataclass(slots=True)
class Moment:
    """One attempt of one call."""

    asked_model: str
    """As the caller named it."""
    upstream_model: str
    path: str
    """Of the caller's request."""
    said: Mapping[bytes, bytes]
    """The caller's request headers."""
    attempt: int = 0
    """How many channels were tried before this one."""
    last: Fault | None = None
    """Why the last one was not the answer."""
    headers: dict[str, str] = field(default_factory=dict)
    """What overrides have put into the headers so far, by lower-case name."""
    is_test: bool = False
    """An operator tests the channel; nobody asked."""

    def facts(self) -> dict[str, Any]:
        """All that may be asked about, by name."""
        facts: dict[str, Any] = {
            "model": self.upstream_model,
            "upstream_model": self.upstream_model,
            "original_model": self.asked_model,
            "request_path": self.path,
            "request_headers": _Headers(
                {name.decode("latin-1"): value.decode("latin-1") for name, value in self.said.items()}
            ),
            "header_override": _Headers(self.headers),
            "retry_index": self.attempt,
            "is_retry": self.attempt > 0,
            "retry": {"index": self.attempt, "is_retry": self.attempt > 0},
            "is_channel_test": self.is_test,
        }
        if self.last is not None:
            error = {"status_code": self.last.status, "message": self.last.message}
            error |= {"code": self.last.code, "type": self.last.kind}
            facts["last_error"] = error
            facts |= {f"last_error_{name}": value for name, value in error.items()}
        return facts


class _Headers(dict[str, str]):
    """Headers by name, however the name is written."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())
