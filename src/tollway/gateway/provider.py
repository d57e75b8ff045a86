"""A provider: a dialect at a distance, with an accent."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from tollway.core.model import CHAT, Model
from tollway.gateway.dialect import Body, Dialect, Target
from tollway.gateway.engine import Engine

HeaderLines = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Aim:
    """What an address may depend on."""

    model: str
    stream: bool


@dataclass(frozen=True, slots=True)
class Disconnect:
    """What a provider does when the connection of a streamed answer is closed before its end."""

    stops_billing: bool
    """It stops, and bills what it has said; False: it goes on in silence and bills the whole answer."""
    source: str
    """Where that is written."""
    except_for: tuple[str, ...] = ()
    """Upstream models, by how their names begin, of which the contrary holds."""

    def stops(self, upstream_model: str) -> bool:
        """Whether closing the connection stops the billing of this model's answer."""
        return self.stops_billing != upstream_model.startswith(self.except_for)


@dataclass(frozen=True, slots=True)
class Loan:
    """What an account lends to one call."""

    account: str
    """Our own name for it: on the receipt, never upstream and never to the caller."""
    token: str
    generation: int
    """Which of the account's tokens this is."""
    account_id: str
    """What the vendor calls the account, where its requests must name it; may be empty."""
    session: str
    """What the conversation is called."""


@dataclass(frozen=True, slots=True)
class Embeds:
    """How a provider is asked for vectors: another dialect at another path, the same door."""

    dialect: Dialect
    path: Callable[[Aim], str]
    accent: Callable[[Body, Target], Body] = lambda body, target: body
    """As `Provider.accent`."""
    drops: Callable[[Body, Target], tuple[str, ...]] = lambda body, target: ()
    """As `Provider.drops`."""


class Gatherer(Protocol):
    """Makes the body of a whole answer from a stream."""

    def feed(self, data: bytes) -> bool:
        """Whether all is there. Raises Fault for an error that the stream tells, ValueError for what is no stream."""

    def body(self) -> bytes:
        """The whole answer. Raises ValueError when the stream ended without one."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """How a provider whose credentials are accounts is let in: its calls borrow one from a pool."""

    authorize: Callable[[Loan], HeaderLines]
    margin_s: float
    """A token that ends within this is renewed first, unless the operator says otherwise."""
    paid: str
    """The provider that answers with the operator's paid key when no account is left."""
    paid_url: str = ""
    """Where it is asked; empty: at the pool's own address."""
    paid_patience_s: float = 0.0
    """How long its first byte may take at least."""
    fields: Callable[[Body, Loan], Body] = lambda body, loan: body
    """What else the body says of the conversation; must not change its argument."""
    passes: tuple[bytes, ...] = ()
    """How the names of a genuine client's own headers begin that go on when it speaks the provider's dialect."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a dialect is spoken, how to be let in, and what must be said differently there."""

    name: str
    dialect: Dialect
    base_url: str
    """Default base, without a trailing slash; a channel may move it. Empty: the operator must state one."""
    path: Callable[[Aim], str]
    """Appended to the base, e.g. `/chat/completions`."""
    authorize: Callable[[str], HeaderLines]
    """Headers that carry the channel's key."""
    accent: Callable[[Body, Target], Body]
    """Last edits to the body, in the provider's own version of the dialect; must not change its argument."""
    disconnect: Disconnect
    """Decides what becomes of an answer whose caller has left."""
    key_env: str = ""
    """Environment variable that holds the key, as in the vendor's own SDK; settings reads it."""
    base_env: str = ""
    """Environment variable that moves the base URL."""
    bare_path: str = ""
    """What a base URL that is stated without a path gets, e.g. `/v1`."""
    host_env: str = ""
    """Environment variable that holds `host[:port]` where the base URL is not stated."""
    host_port: int = 0
    """The port of such an address when it names none."""
    models_path: str = ""
    """Where it lists its models, appended to the base: costs nothing to ask, and tells whether the key is good."""
    headers: HeaderLines = ()
    drops: Callable[[Body, Target], tuple[str, ...]] = lambda body, target: ()
    """Names of fields the accent is about to remove, for `x-tollway-dropped`."""
    needs_key: bool = True
    inside: bool = False
    """Answers inside the process, without a network (echo)."""
    local_price: bool = False
    """A model without a row in the catalog is sold at the operator's declared local price."""
    engine: Engine | None = None
    """How a local engine is asked about itself; None: it is a service, and is not asked."""
    subscription: Subscription | None = None
    """Its credentials are accounts that the operator states as `[accounts.<name>]`."""
    gather: Callable[[], Gatherer] | None = None
    """It always streams: makes whole answers of streams."""
    embeds: Embeds | None = None
    """How it is asked for vectors; None: it makes none."""

    def asked_for(self, model: Model) -> "Provider | None":
        """Itself as it is asked for what this model makes: words or vectors; None: it cannot be."""
        if model.type == CHAT:
            return self
        if self.embeds is None:
            return None
        way = self.embeds
        return replace(
            self, dialect=way.dialect, path=way.path, accent=way.accent, drops=way.drops, gather=None, embeds=None
        )


def bearer(key: str) -> HeaderLines:
    """`Authorization: Bearer`, or nothing when the channel has no key (a local engine)."""
    return (("authorization", f"Bearer {key}"),) if key else ()


def same(body: Body, target: Target) -> Body:
    """No accent."""
    return body


def at(path: str) -> Callable[[Aim], str]:
    """A path that depends on nothing."""
    return lambda aim: path
