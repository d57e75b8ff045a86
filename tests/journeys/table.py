"""The table all pairings sit at: one user with credit, three SDKs that speak for him, three providers that answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.journeys.hub import Hub, Providers
from tests.journeys.speech import ASYNC, SUGAR, WHOLE, Attached, Heard, Loop, Told, Tongue, Wish
from tests.journeys.till import check_receipt, reported, sold
from tests.journeys.tongue_anthropic import AnthropicTongue
from tests.journeys.tongue_gemini import GeminiTongue
from tests.journeys.tongue_openai import OpenAITongue
from tests.journeys.tongue_responses import ResponsesTongue
from tests.mocks.server import MockRequest, MockServer

SDKS = ("openai", "anthropic", "gemini")
MODELS = {"gpt-5-mini": "openai", "claude-haiku": "anthropic", "gemini-3-flash": "gemini"}
"""Whose mock serves which model."""
PAIRINGS = [(sdk, model) for sdk in SDKS for model in MODELS]
CREDITS = 1_000_000.0


@dataclass
class Table:
    """Whoever sits here may talk through any SDK to any model; every call is held against its receipt."""

    hub: Hub
    vendors: Providers
    key: str
    tongues: Mapping[str, Tongue]
    paid_nano_usd: int = 0
    """By all receipts of talks so far."""

    @classmethod
    def laid(cls, hub: Hub, vendors: Providers, loop: Loop) -> "Table":
        """For a new user."""
        return cls.of(hub, vendors, hub.user(CREDITS)[1], loop)

    @classmethod
    def of(cls, hub: Hub, vendors: Providers, key: str, loop: Loop) -> "Table":
        """For whoever holds this key."""
        makers = (OpenAITongue, ResponsesTongue, AnthropicTongue, GeminiTongue)
        return cls(hub, vendors, key, {make.name: make(hub.url, key, loop) for make in makers})

    def limited_to(self, model: str, loop: Loop) -> "Table":
        """The same for a key of a new user that may use this model only."""
        _, owner = self.hub.user(CREDITS)
        status, _, made = self.hub.ask("/api-keys", {"name": "narrow", "models": [model]}, owner)
        assert status == 200, made
        return type(self).of(self.hub, self.vendors, made["api_key"], loop)

    def mock(self, vendor: str) -> MockServer:
        """The stand-in for a vendor."""
        server: MockServer = getattr(self.vendors, vendor)
        return server

    def talk(self, sdk: str, model: str, way: str = WHOLE, **wish: Any) -> "Talk":
        """A new conversation."""
        return Talk(self, self.tongues[sdk], model, way, Wish(**wish))

    def counts(self) -> dict[str, int]:
        """Requests that reached each vendor so far."""
        return {vendor: len(self.mock(vendor).requests) for vendor in SDKS}


@dataclass
class Talk:
    """One conversation, kept as the SDK's users keep it."""

    table: Table
    tongue: Tongue
    model: str
    way: str
    wish: Wish
    forgetful: bool = False
    """Whether the client sends back only words and calls, without thoughts and seals."""
    turns: list[Any] = field(default_factory=list)

    @property
    def vendor(self) -> str:
        """Whose mock must answer."""
        return MODELS.get(self.model) or ("anthropic" if "claude" in self.model else "gemini")

    @property
    def asked(self) -> MockRequest:
        """What the provider was asked last."""
        return self.table.mock(self.vendor).requests[-1]

    def say(self, text: str, *attached: Attached, **wish: Any) -> Heard:
        """The user speaks; a wish holds from now on."""
        self.wish = replace(self.wish, **wish)
        self.turns.append(self.tongue.user(text, attached))
        return self._hear()

    def answer(self, *told: Told) -> Heard:
        """The tools answer."""
        self.turns += self.tongue.results(told)
        return self._hear()

    def _hear(self) -> Heard:
        before = self.table.counts()
        heard = self.tongue.ask(self.way, self.model, self.turns, self.wish)
        reached = {vendor: count - before[vendor] for vendor, count in self.table.counts().items()}
        assert reached == {vendor: int(vendor == self.vendor) for vendor in SDKS}, "one call is one request"
        self._account(heard)
        self.turns.append(self.tongue.bare(heard) if self.forgetful else heard.turn)
        return heard

    def _account(self, heard: Heard) -> None:
        """The receipt is there and exact, and the SDK was told the same."""
        receipt = self.table.hub.receipt(heard.id, self.table.key)
        spent = reported(self.vendor, self.table.mock(self.vendor), self.asked)
        check_receipt(receipt, spent, sold(self.model, self.vendor))
        seen = replace(spent, searches=0, drawn=0)
        if self.tongue.name == "gemini":  # it has no word for cache writes
            seen = replace(seen, cache_write=0)
        assert heard.spent == seen
        assert receipt["dropped"] == heard.dropped
        streams = SUGAR in self.way or "stream" in self.way
        assert receipt["stream"] == streams
        charge = receipt["charge"]
        self.table.paid_nano_usd += charge["nano_usd"]
        if not streams:
            assert abs(float(heard.headers["x-tollway-cost"]) - charge["credits"]) < 1e-6


def everywhere(*ways: str) -> list[tuple[str, str, str]]:
    """Each pairing in each way; in WHOLE and STREAM when none is named."""
    return [(sdk, model, way) for sdk, model in PAIRINGS for way in ways]


__all__ = ["ASYNC", "MODELS", "PAIRINGS", "SDKS", "Table", "Talk", "everywhere"]
