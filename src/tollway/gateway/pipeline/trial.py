"""A tiny question through one lane of a channel, to hear whether it works; billed to nobody, counted nowhere."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from tollway.core.caller import Caller
from tollway.core.chat import ChatRequest, Message, Role, Text
from tollway.core.embedding import Embedding
from tollway.core.errors import TollwayError
from tollway.core.ids import CallId, KeyId, LaneId, ModelId, UserId
from tollway.core.model import CHAT, EMBEDDING, Channel, Lane, Model
from tollway.gateway.catalog import Catalog
from tollway.gateway.dialect import Opaque, close_body, open_body
from tollway.gateway.pipeline.call import CHANNEL_TEST, Call
from tollway.gateway.pipeline.prepare import prepare
from tollway.gateway.pipeline.seals import Seals
from tollway.gateway.provider import Provider
from tollway.gateway.routing.advanced import first_way
from tollway.gateway.routing.candidate import candidate_of
from tollway.gateway.routing.plan import Candidate
from tollway.kit.http1.wire import Inbound, Outbound, UpstreamError
from tollway.ports import Upstream

QUESTION = ChatRequest(model="", messages=(Message(Role.USER, (Text("hi"),)),), max_output=16)
QUESTIONS = {CHAT: QUESTION, EMBEDDING: ChatRequest(model="", messages=(), embedding=Embedding(inputs=("hi",)))}
"""The smallest that a model of each type can be asked."""
LIMIT_S = 30.0
"""The longest that a test waits, whatever the channel's own patience."""
MOST_BODY = 1 << 20
MOST_SAID = 500
LENT = "it is a pool of accounts, which lend their tokens to calls only: see `tollway accounts list`"
ACTION = {"action": "generateContent"}


class Proven(NamedTuple):
    """A lane that has shown that it can answer for a model."""

    lane: LaneId
    model: Model


class Tried(NamedTuple):
    """How one lane answered."""

    lane: str
    model: str
    """As said to the provider."""
    status: int
    """0: there was no answer at all."""
    ms: float
    problem: str
    """Empty: it works."""


def model_for_test(channel: Channel, catalog: Catalog, asked: str | None = None) -> tuple[Model, str] | None:
    """A model to ask through this channel, and what it is called there: the one that is asked for, else the channel's
    own choice, else the cheapest. None when the channel serves none."""
    wanted = asked or channel.test_model
    if wanted:
        found = catalog.find(wanted)
        name = channel.name_of(found) if found is not None else None
        return (found, name) if found is not None and name else (_unlisted(channel, catalog, wanted), wanted)
    served = ((model, name) for model in catalog if (name := channel.name_of(model)))
    cheapest = min(served, key=lambda one: (one[0].type != CHAT, one[0].price.output), default=None)
    if cheapest is None and channel.models:
        name, upstream = next(iter(channel.models.items()))
        return _unlisted(channel, catalog, name), upstream
    return cheapest


def _unlisted(channel: Channel, catalog: Catalog, name: str) -> Model:
    """A model that is not on sale can be tested all the same."""
    like = next(iter(catalog))
    return msgspec.structs.replace(
        like, id=ModelId(name), name=name, provider=channel.provider, family="other", aliases=(), max_output=4096
    )


class Trial:
    """`await trial(channel, model, upstream_name)`: how each of its keys answers."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        reach: Callable[[Provider], Upstream],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`reach` gives what leads to a provider."""
        self._providers, self._reach, self._now_s = providers, reach, now_s

    async def __call__(
        self, channel: Channel, model: Model, upstream: str, lanes: Iterable[Lane] | None = None
    ) -> list[Tried]:
        """One question through each of the lanes, all unless stated, one after another."""
        channel = first_way(channel, model.id, upstream)
        provider = self._providers[channel.provider]
        if provider.asked_for(model) is None:
            return [Tried(lane.id, upstream, 0, 0.0, f"{provider.name} makes no vectors") for lane in channel.lanes]
        tried = []
        for lane in channel.lanes if lanes is None else lanes:
            tried.append(await self._ask(candidate_of(channel, provider, model, upstream, lane)))
        return tried

    async def _ask(self, candidate: Candidate) -> Tried:
        started_s, status, problem = self._now_s(), 0, ""
        if candidate.provider.subscription is not None and not candidate.channel.keys:
            return Tried(candidate.lane, candidate.upstream_model, 0, 0.0, LENT)
        try:
            inbound = await self._reach(candidate.provider).send(self._outbound(candidate))
            try:
                status = inbound.status
                problem = await _heard(candidate, inbound)
            finally:
                inbound.close()
        except UpstreamError as error:
            problem = f"the provider could not be reached: {error}"
        except TollwayError as error:
            problem = error.message
        took_ms = (self._now_s() - started_s) * 1000
        return Tried(candidate.lane, candidate.upstream_model, status, round(took_ms, 1), problem[:MOST_SAID])

    def _outbound(self, candidate: Candidate) -> Outbound:
        """The question in the provider's own words, with all that the channel changes in calls."""
        dialect = candidate.provider.dialect
        asked = msgspec.structs.replace(QUESTIONS[dialect.type], model=candidate.upstream_model)
        body = open_body(close_body(dialect.write_request(asked, candidate.target).body))
        call = Call(
            id=CallId("req_test"),
            caller=Caller(UserId("channel test"), KeyId("")),
            surface=CHANNEL_TEST,
            dialect=dialect,
            envelope=dialect.envelope(body, ACTION | {"model": candidate.upstream_model}),
            body=body,
            size=0,
            headers={},
            heard={},
            options=ACTION,
            arrived_s=0.0,
            started_s=self._now_s(),
            opaque=Opaque(b""),
            seals=Seals(self._now_s),
        )
        outbound = prepare(call, candidate, None)[1]
        patience = ("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s", "total_timeout_s")
        bounds = {name: min(getattr(outbound, name), LIMIT_S) for name in patience}
        return msgspec.structs.replace(outbound, max_body=MOST_BODY, **bounds)


async def _heard(candidate: Candidate, inbound: Inbound) -> str:
    """What is wrong with the answer; empty when nothing is."""
    data = await inbound.read()
    dialect = candidate.provider.dialect
    if inbound.status != 200:
        return dialect.read_error(inbound.status, dict(inbound.headers), data).message
    try:
        dialect.read_reply(data)
    except ValueError:
        return "the answer could not be read: is this address the right one for this provider?"
    return ""
