"""Finds out whether channels that rest are well again, and whether those nobody uses still are."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from tollway.core.errors import Fault, Remedy
from tollway.core.ids import ChannelId
from tollway.core.model import CHAT
from tollway.gateway.pipeline import probe
from tollway.gateway.pipeline.lending import Lender
from tollway.gateway.pipeline.probe_lease import Leases, NoLeases
from tollway.gateway.routing.circuit import Circuit, Why
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.plan import Candidate
from tollway.ports import Upstream

log = logging.getLogger("tollway.health")
AT_ONCE = 8
"""Probes that run at the same time."""
WAIT_S = 1.0
"""How long a lane is left to whoever asks it, before we look again."""
NO_LENDERS: Mapping[ChannelId, Lender] = {}


class Prober:
    """Call `round` now and then; the probes it starts run by themselves."""

    def __init__(
        self,
        health: Health,
        candidates: Callable[[], Iterable[Candidate]],
        upstream: Upstream,
        now_s: Callable[[], float],
        lenders: Mapping[ChannelId, Lender] = NO_LENDERS,
        leases: Leases | None = None,
    ) -> None:
        """`candidates`: every way to every model, as they are now; `lenders`: channels that are accounts; `leases`:
        other processes would ask the same channels."""
        self._health, self._candidates, self._upstream, self._now_s = health, candidates, upstream, now_s
        self._lenders, self._leases = lenders, leases or NoLeases()
        self._tasks: set[asyncio.Task[None]] = set()
        self._elsewhere: dict[Circuit, float] = {}
        """Circuits that another process is finding out about; nobody here tries them until then."""
        self._looked_s: dict[str, float] = {}
        """When an idle lane was last asked."""

    def round(self) -> None:
        """Begin the probes that are due."""
        now_s = self._now_s()
        for circuit in [one for one, until_s in self._elsewhere.items() if now_s >= until_s]:
            del self._elsewhere[circuit]
            circuit.release(self)
        due = [one for one in self._health.open if one.prober is None and self._is_due(one, now_s)]
        if due:
            ways = _by_lane(self._candidates())
            for circuit in due[: AT_ONCE - len(self._tasks)]:
                way = _way_to(circuit, ways.get(circuit.lane, []))
                if way is None:
                    self._health.drop(circuit)  # the channel is gone, and its record with it
                else:
                    self._elsewhere.pop(circuit, None)
                    circuit.prober = self
                    self._begin(self._test(circuit, way))
        if self._health.rules.probe_idle_s:
            self._look_at_idle(now_s)

    async def close(self) -> None:
        """Ask no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settled(self) -> None:
        """Wait until the probes that run now have ended."""
        await asyncio.gather(*self._tasks)

    def _is_due(self, circuit: Circuit, now_s: float) -> bool:
        """A rate limit ends by itself: the next call is its probe."""
        return now_s >= circuit.until_s and circuit.why is not Why.RATE_LIMITED

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _test(self, circuit: Circuit, way: Candidate) -> None:
        name = f"{circuit.lane} {circuit.model}".rstrip()
        if not await self._leases.take(name):
            self._elsewhere[circuit] = self._now_s() + WAIT_S
            return
        try:
            await self._ask(way)
            self._well(circuit, name)
        except Fault as fault:
            if fault.remedy is Remedy.NONE:  # a complaint about our question is an answer, too
                self._well(circuit, name)
            else:
                circuit.trial_failed(self._now_s(), fault.retry_after_s)
                log.info("%s is not well yet: %s", name, fault.message)
        finally:
            circuit.release(self)
            await self._leases.answered(name)

    def _well(self, circuit: Circuit, name: str) -> None:
        circuit.close()
        log.info("%s is well again", name)

    async def _ask(self, way: Candidate) -> None:
        lender = self._lenders.get(way.channel.id)
        if lender is None:
            await probe.ask(way, self._upstream)
        else:
            await lender.probe(way, lambda one: probe.ask(one, self._upstream))

    def _look_at_idle(self, now_s: float) -> None:
        """Ask one lane that nobody has used for long, and whose provider tells for nothing."""
        idle_s = self._health.rules.probe_idle_s
        used_s: dict[str, float] = {}
        for circuit in self._health:
            used_s[circuit.lane] = max(circuit.used_s, used_s.get(circuit.lane, 0.0))
        for lane, ways in _by_lane(self._candidates()).items():
            way = next((one for one in ways if one.provider.models_path), None)
            if way is None or len(self._tasks) >= AT_ONCE or not self._health.usable(way, now_s):
                continue
            if now_s - max(self._looked_s.setdefault(lane, now_s), used_s.get(lane, 0.0)) >= idle_s:
                self._looked_s[lane] = now_s
                self._begin(self._look_at(way))

    async def _look_at(self, way: Candidate) -> None:
        if not await self._leases.take(f"idle {way.lane}", self._health.rules.probe_idle_s):
            return
        try:
            await probe.list_models(way, self._upstream)
        except Fault as fault:
            if fault.status != 429:
                self._health.failed(way, fault, self._now_s(), "", may_disable=way.channel.auto_disable)


def _by_lane(candidates: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if not candidate.provider.inside:
            found.setdefault(candidate.lane, []).append(candidate)
    return found


def _way_to(circuit: Circuit, ways: list[Candidate]) -> Candidate | None:
    """The way a circuit stands for; for one of a whole lane the channel's test model, else its cheapest."""
    if circuit.model:
        return next((one for one in ways if one.model.id == circuit.model), None)
    stated = next((one for one in ways if one.model.id == one.channel.test_model), None)
    return stated or min(ways, key=lambda one: (one.model.type != CHAT, one.model.price.output), default=None)
