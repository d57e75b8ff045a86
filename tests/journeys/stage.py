"""A gateway before vendors that fail on demand, and somebody who pays: the stage of the stories of faults."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.journeys.breaking import breaking_providers
from tests.journeys.callers import Caller, Heard, newcomer
from tests.journeys.hub import Hub, Providers
from tests.mocks.server import MockServer

IMPATIENT = """
[upstream]
first_byte_timeout_s = 0.3
idle_timeout_s = 0.4
"""
FALLBACK = {"openai": "gemini", "anthropic": "openai", "gemini": "openai"}
"""Who answers for whom (the catalog's first fallback that has a channel here)."""


@dataclass
class Stage:
    """A gateway before vendors that fail, and somebody who pays."""

    vendors: Providers
    hub: Hub
    key: str

    def mock(self, caller: Caller) -> MockServer:
        """The vendor whose dialect this caller speaks."""
        found: MockServer = getattr(self.vendors, caller.name)
        return found

    def asked(self) -> int:
        """Requests that any vendor has seen so far."""
        return sum(len(mock.requests) for mock in (self.vendors.openai, self.vendors.anthropic, self.vendors.gemini))

    def receipt(self, heard: Heard) -> Any:
        """The receipt of this call."""
        return self.hub.receipt(heard.id, self.key)

    def mend(self) -> None:
        """Nothing is broken any more."""
        self.vendors.mend()


@contextmanager
def staged(folder: Path, environ: dict[str, str], toml: str = IMPATIENT) -> Iterator[Stage]:
    """A stage of one's own, `environ` besides what leads to its vendors; its books must be exact at the end."""
    with breaking_providers() as vendors:
        hub = Hub(folder, vendors.environ | environ, toml).start()
        try:
            yield Stage(vendors, hub, newcomer(hub, 1000)[1])
            assert hub.audit() == []
        finally:
            if hub.process is not None:
                hub.stop()
