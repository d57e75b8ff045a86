"""The first channel to answer wins; committed from its first word."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from tollway.core.errors import Fault, Remedy
from tollway.core.ids import CallId, ChannelId, LaneId
from tollway.core.receipt import CALLER_LEFT
from tollway.core.stream import Completed
from tollway.gateway.limits.lanes import LaneLimits, Place
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.delivery import Delivery
from tollway.gateway.pipeline.lending import Lender
from tollway.gateway.pipeline.prepare import CannotSay, Prepared, prepare
from tollway.gateway.pipeline.race import Race
from tollway.gateway.pipeline.reply import StreamReply
from tollway.gateway.pipeline.telling import Telling
from tollway.gateway.pipeline.turns import MayTry, attempts, no_answer
from tollway.gateway.pipeline.whole import read_whole, whole_body
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.plan import Candidate, Plan
from tollway.gateway.routing.retry import fault_of, overruled, ranges_of, silence
from tollway.kit.http1.wire import Inbound, UpstreamError
from tollway.ports import Upstream

NO_LENDERS: Mapping[ChannelId, Lender] = {}
ENDED = Fault(CALLER_LEFT, status=499, remedy=Remedy.NONE, code="ended")
"""On the receipt of a caller who left meanwhile."""


class Dispatcher:
    """Tries the channels of a plan in order."""

    def __init__(
        self,
        health: Health,
        outside: Upstream,
        inside: Mapping[str, Upstream],
        now_s: Callable[[], float],
        lenders: Mapping[ChannelId, Lender] = NO_LENDERS,
        limits: LaneLimits | None = None,
    ) -> None:
        """`inside`: the providers that answer within the process, by name; `lenders`: channels that are accounts;
        `limits`: what channels may take on."""
        self._health, self._outside, self._inside, self._now_s = health, outside, inside, now_s
        self._lenders, self._limits = lenders, limits or LaneLimits()
        self._ranges = ranges_of(health.rules.retry_statuses)

    async def first_to_answer(self, plan: Plan, delivery: Delivery, output_limit: int | None) -> None:
        """Deliver the first answer. Raises Fault when nothing would help, NoChannelAnswered when nothing helped."""
        faults: list[Fault] = []
        lost: list[LaneId] = []
        health, call = self._health, delivery.call
        hedging = health.hedging if call.envelope.stream else None
        may_try = None if health.all_well else self._trial(call.id)
        for candidate in attempts(plan, faults, lost, may_try, health.rules.max_attempts):
            place = race = None
            try:
                if candidate.limited:
                    place = self._place(candidate, delivery)
                lender = None if candidate.provider.subscription is None else self._lenders.get(candidate.channel.id)
                if lender is not None:
                    await lender.answer(candidate, delivery, lambda one: self._attempt(one, delivery, output_limit))
                elif hedging is not None and not faults and not candidate.provider.inside:
                    race = Race(candidate, plan.candidates, delivery, health, hedging)
                    await race.run(lambda one: self._attempt(one, delivery, output_limit), self._place)
                else:
                    await self._attempt(candidate, delivery, output_limit)
                if plan.answered is not None:
                    plan.answered(candidate if race is None else race.winner or candidate)
                return
            except Fault as fault:
                if delivery.committed:
                    raise
                self._blame(candidate, fault, call)
                faults += self._failed_too(race, lost, call)
                if not self._goes_on(fault, faults):
                    break
            finally:
                if place is not None:
                    place.release(delivery.used())
                if not health.all_well:
                    health.release(candidate, call.id)
        raise no_answer(faults)

    def _goes_on(self, fault: Fault, faults: list[Fault]) -> bool:
        """Whether another channel may answer: then it is one of `faults`. Raises it where it is the caller's own."""
        remedy = overruled(fault, self._ranges)
        if fault.remedy is remedy is Remedy.NONE:
            raise fault
        faults.append(fault)
        fault.remedy = remedy
        return remedy is not Remedy.NONE

    def _failed_too(self, race: Race | None, lost: list[LaneId], call: Call) -> tuple[Fault, ...]:
        """Why the second channel of a race was not the answer either, if it was asked."""
        if race is None or race.second is None or race.fault is None:
            return ()
        self._blame(race.second, race.fault, call)
        lost.append(race.second.lane)
        return (race.fault,)

    def _blame(self, candidate: Candidate, fault: Fault, call: Call) -> None:
        if not (isinstance(fault, CannotSay) or fault.blameless):
            may_disable = candidate.channel.auto_disable
            self._health.failed(candidate, fault, self._now_s(), call.caller.user, may_disable=may_disable)

    def _place(self, candidate: Candidate, delivery: Delivery) -> Place:
        """Room for one attempt within the limits of channel and key. Raises Fault when there is none now."""
        place = self._limits.take(candidate, delivery.expected(), self._now_s())
        if isinstance(place, Place):
            return place
        message = f"{candidate.channel.id}: has as much to do as it may"
        full = Fault(message, status=429, remedy=Remedy.NEXT_CHANNEL, code="channel_full", retry_after_s=place)
        full.blameless = True
        raise full

    def _trial(self, call: CallId) -> MayTry:
        """While some circuit is not closed: only one call at a time may find out whether it is well again."""
        return lambda candidate: self._health.claim(candidate, call, self._now_s())

    async def _attempt(self, candidate: Candidate, delivery: Delivery, output_limit: int | None) -> None:
        started_s = self._now_s()
        provider, status = candidate.provider, 0
        upstream = self._inside[provider.name] if provider.inside else self._outside
        try:
            prepared, outbound = prepare(delivery.call, candidate, output_limit, delivery.faults, delivery.shape)
            delivery.settlement.overridden = prepared.overridden
            inbound = await upstream.send(outbound)
            del outbound
            try:
                status = inbound.status
                if status != 200:
                    raise await _refused(candidate, prepared, inbound)
                if delivery.call.envelope.stream:
                    await _must_stream(candidate, prepared, inbound)
                    await self._stream(candidate, prepared, inbound, delivery, started_s)
                else:
                    reply = read_whole(candidate, prepared, await whole_body(candidate, inbound))
                    now_s = self._now_s()
                    self._health.answered(candidate, now_s, now_s - started_s)
                    await delivery.whole(reply, prepared, started_s)
            finally:
                inbound.close()
        except UpstreamError as error:
            fault = fault_of(error, candidate.channel.id)
            delivery.tried(candidate, status, started_s, fault)
            raise fault from error
        except Fault as fault:
            delivery.tried(candidate, status, started_s, fault)
            raise
        except BaseException:
            if not delivery.committed:
                delivery.tried(candidate, status, started_s, ENDED)
            raise

    async def _stream(
        self, candidate: Candidate, prepared: Prepared, inbound: Inbound, delivery: Delivery, started_s: float
    ) -> None:
        """Relay by callback; this coroutine only waits for the end. The first word commits inside `on_data`."""
        reply = StreamReply(delivery.call, candidate, prepared, delivery.voice(candidate, prepared))
        telling = Telling(delivery, reply, inbound, started_s, self._health)
        telling.begin(prepared)
        try:
            await inbound.pump(telling.on_data)
            await telling.finish(telling.gave_up)
        except UpstreamError as error:
            if not delivery.committed:
                telling.forget()
                raise
            await telling.finish(cut=f"the provider broke off ({error.phase})")
        except asyncio.CancelledError:
            if delivery.race is not None and not telling.spoke:
                telling.forget()
            elif telling.reads_on:
                await _read_on(inbound, telling)
            raise
        if not delivery.committed:
            telling.forget()
            raise silence(candidate.channel.id) if telling.gave_up else reply.fault()
        if isinstance(reply.terminal, Completed):
            self._health.answered(candidate, self._now_s())
        else:
            self._health.failed(candidate, reply.fault(), self._now_s(), delivery.call.caller.user)
        await telling.over()


async def _read_on(inbound: Inbound, telling: Telling) -> None:
    """The caller left, and the provider bills the whole answer: hear it to its end, within bounds, for its count."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()  # whoever cancels us from here on wants us to stop at once
    with contextlib.suppress(TimeoutError, UpstreamError):
        async with asyncio.timeout(telling.read_on()):
            await inbound.pump(telling.on_data)
            await telling.finish()


async def _refused(candidate: Candidate, prepared: Prepared, inbound: Inbound) -> Fault:
    """A provider's error answer as a fault."""
    body = await inbound.read()
    taken_for = candidate.channel.status_map
    status = taken_for.get(inbound.status, inbound.status) if taken_for else inbound.status
    fault = candidate.provider.dialect.read_error(status, head := dict(inbound.headers), body)
    fault.head = head
    fault.verbatim = body if prepared.passthrough else None
    return fault


async def _must_stream(candidate: Candidate, prepared: Prepared, inbound: Inbound) -> None:
    """Some servers answer a stream's question with a whole error and a friendly status: raises it as a Fault."""
    kind = next((value for name, value in inbound.headers if name == b"content-type"), b"")
    if kind.partition(b";")[0].strip().lower() == b"application/json":
        read_whole(candidate, prepared, await inbound.read())
        message = f"{candidate.channel.id}: a whole answer where a stream was asked"
        raise Fault(message, status=502, remedy=Remedy.NEXT_CHANNEL, code="bad_response_body")
