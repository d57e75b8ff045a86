"""All local engines: looked at once a second, off the path of calls, and asked for their load on it."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from tollway.core.engines import EngineRules
from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.gateway.engine import Engine
from tollway.gateway.engines.asking import ask
from tollway.gateway.engines.load import Busy, EngineLoad
from tollway.gateway.engines.watch import Watch, Watched
from tollway.gateway.provider import Provider
from tollway.gateway.routing.candidate import address_of
from tollway.gateway.routing.plan import Candidate
from tollway.kit.http1.wire import UpstreamError
from tollway.ports import Upstream

MANY_WAIT = 4
"""Requests waiting at an engine without a fixed number of slots, when it is taken to be full."""
log = logging.getLogger("tollway.local")


class _Member(NamedTuple):
    """One engine; several channels may lead to it."""

    channel: Channel
    provider: Provider
    engine: Engine
    busy: Busy


class Engines:
    """What is known of each engine's load; it lives on when channels are replaced."""

    def __init__(
        self, providers: Mapping[str, Provider], upstream: Upstream, rules: EngineRules, now_s: Callable[[], float]
    ) -> None:
        self._providers, self._upstream, self._rules, self._now_s = providers, upstream, rules, now_s
        self.watch = Watch(upstream, now_s)
        """The Upstream that calls must go through, so that they are counted."""
        self._members: dict[tuple[str, str], _Member] = {}
        self._by_channel: dict[ChannelId, Busy] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[None]] = {}

    def take(self, channels: Sequence[Channel]) -> None:
        """These are the channels now."""
        members: dict[tuple[str, str], _Member] = {}
        by_channel: dict[ChannelId, Busy] = {}
        for channel in channels:
            provider = self._providers.get(channel.provider)
            if provider is None or provider.engine is None:
                continue
            address = address_of(channel, provider.bare_path)
            if address not in members:
                known = self._members.get(address)
                slots = channel.parallel or provider.engine.slots if provider.engine.slots is not None else None
                busy = known.busy if known is not None else Busy(self._rules.stale_s, slots)
                busy.stated_slots = slots
                members[address] = _Member(channel, provider, provider.engine, busy)
            by_channel[channel.id] = members[address].busy
        self._members, self._by_channel = members, by_channel
        watched: dict[str, Watched] = {}
        for (origin, path), member in members.items():
            watched[origin] = (*watched.get(origin, ()), (f"{path}/".encode(), member.busy))
        self.watch.over(watched)

    @property
    def behind_channels(self) -> Mapping[ChannelId, Busy]:
        """The engine behind each channel that leads to one."""
        return self._by_channel

    def __len__(self) -> int:
        return len(self._members)

    def leads_to(self, channel: Channel) -> bool:
        """Whether a local engine is behind the channel."""
        return channel.id in self._by_channel

    def busy(self, candidate: Candidate) -> Busy | None:
        """The engine behind a candidate; None when it is no local engine."""
        return self._by_channel.get(candidate.channel.id)

    def trouble(self, channel: ChannelId) -> str:
        """Why the engine behind a channel does not tell its load; empty when it does."""
        busy = self._by_channel.get(channel)
        return busy.trouble if busy is not None else ""

    def load(self, candidate: Candidate) -> EngineLoad | None:
        """The load of the engine behind a candidate; None when it is no local engine."""
        busy = self._by_channel.get(candidate.channel.id)
        return busy.load(self._now_s()) if busy is not None else None

    def pressure(self, one: Candidate, now_s: float) -> float:
        """How busy the engine behind a candidate is: 0 idle, unknown or no engine, 1 or more overloaded."""
        busy = self._by_channel.get(one.channel.id)
        if busy is None:
            return 0.0
        load = busy.load(now_s)
        queue = (load.running + load.waiting) / busy.slots if busy.slots is not None else load.waiting / MANY_WAIT
        return max(queue, load.kv_used or 0.0)

    async def poll(self) -> None:
        """Ask each engine how busy it is, and wait for none: one that has not answered is not asked again."""
        for address, member in self._members.items():
            if address not in self._asking:
                self._asking[address] = asyncio.create_task(self._ask(address, member))

    async def heard(self) -> None:
        """Wait until every engine that was asked has answered, or has failed to."""
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, address: tuple[str, str], member: _Member) -> None:
        asked_s, engine, busy = self._now_s(), member.engine, member.busy
        try:
            pages = await ask(member.channel, member.provider, engine.gauges, self._upstream, self._rules.stale_s)
            busy.told(engine.read_gauges(pages), asked_s, self._now_s())
        except (UpstreamError, msgspec.DecodeError, ValueError, RecursionError) as error:
            trouble = str(error)[:200]
            if busy.trouble != trouble:
                log.info("%s does not tell its load: %s", member.channel.id, trouble)
            busy.silent(trouble)
        finally:
            self._asking.pop(address, None)
