"""A second channel is asked while the first is silent: whoever speaks first is the answer, the other is cut off."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from tollway.core.errors import Fault, Remedy
from tollway.core.receipt import CUT_OFF
from tollway.core.usage import Usage, UsageSource
from tollway.gateway.limits.lanes import Place
from tollway.gateway.metering.cost import cost
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.delivery import Delivery
from tollway.gateway.pipeline.weigh import input_estimate
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.hedging import Hedging
from tollway.gateway.routing.plan import Candidate

Attempt = Callable[[Candidate], Coroutine[Any, Any, None]]
Enter = Callable[[Candidate, Delivery], Place]
LOST = Fault(CUT_OFF, status=499, remedy=Remedy.NONE, code="hedged")
"""On the receipt of whoever was cut off."""


class Stoppable(Protocol):
    """A stream that may be heard no more."""

    def broken(self) -> None:
        """Listen no more."""


class Race:
    """One call's two runners. Only the first word of either ends it."""

    def __init__(
        self, first: Candidate, others: Iterable[Candidate], delivery: Delivery, health: Health, hedging: Hedging
    ) -> None:
        """One of `others` may be asked when `first` has said nothing for longer than is usual."""
        self._first, self._others, self._delivery = first, others, delivery
        self._health, self._hedging = health, hedging
        self.second: Candidate | None = None
        self.fault: Fault | None = None
        """Why the second was not the answer."""
        self._began_s = delivery.now_s()
        self._second_began_s = 0.0
        self._tellings: dict[Candidate, Stoppable] = {}
        self.winner: Candidate | None = None
        self._attempt: Attempt
        self._enter: Enter
        self._handler: asyncio.Task[None] | None = None
        """Runs the first; None once that has failed."""
        self._running: asyncio.Task[None] | None = None
        """Runs the second."""

    async def run(self, attempt: Attempt, enter: Enter) -> None:
        """Ask the first, and perhaps the second, which has to `enter` the limits of its channel.

        Raises the first's Fault when neither answers.
        """
        self._attempt, self._enter = attempt, enter
        self._handler, self._delivery.race = asyncio.current_task(), self
        after_s = self._hedging.begun(self._first.model.id)
        timer = asyncio.get_running_loop().call_later(after_s, self._ask_second) if after_s else None
        try:
            await attempt(self._first)
        except asyncio.CancelledError:
            if self.winner is not self.second or self.winner is None:
                raise  # the caller left
            if self._handler is not None and self._handler.uncancel() > 0:
                raise  # the caller left in the same moment
            await self._hear_second()
        except Fault:
            self._handler = None  # nobody is left to be cut off
            if timer is not None:
                timer.cancel()
            await self._hear_second()
            if not self._delivery.committed:
                raise
        finally:
            if timer is not None:
                timer.cancel()
            if self._running is not None and not self._running.done():
                self._running.cancel()
                await asyncio.wait({self._running})

    async def _hear_second(self) -> None:
        """Wait for its end; whoever cancels us cancels it, and it may be read on to its end."""
        if self._running is not None:
            await self._running

    def _ask_second(self) -> None:
        """The first has been silent for longer than is usual."""
        delivery, now_s = self._delivery, self._delivery.now_s()
        if delivery.committed:
            return
        call = delivery.call.id
        second = min((one for one in self._others if self._may_run(one, now_s)), key=self._health.ttfb_ms, default=None)
        if second is None or not self._hedging.take():
            return
        self._health.claim(second, call, now_s)
        self.second, self._second_began_s = second, now_s
        self._running = asyncio.get_running_loop().create_task(self._run_second(second))

    def _may_run(self, one: Candidate, now_s: float) -> bool:
        """Another address for the same model, which is well."""
        if one.channel.id == self._first.channel.id or one.model is not self._first.model:
            return False
        return one.provider.subscription is None and self._health.usable(one, now_s)

    async def _run_second(self, second: Candidate) -> None:
        place = None
        try:
            if second.limited:
                place = self._enter(second, self._delivery)
            await self._attempt(second)
        except Fault as fault:
            if self.winner is second:
                raise
            self.fault = fault
        finally:
            if place is not None:
                place.release(self._delivery.used())
            self._health.release(second, self._delivery.call.id)

    def joined(self, one: Candidate, telling: "Stoppable") -> None:
        """A runner has got its answer's head, and its words are awaited."""
        self._tellings[one] = telling

    def won(self, winner: Candidate) -> None:
        """`winner` spoke first: the other is cut off, at our cost."""
        self.winner = winner
        is_first, now_s, hedging = winner is self._first, self._delivery.now_s(), self._hedging
        hedging.heard(winner.model.id, now_s - (self._began_s if is_first else self._second_began_s))
        if self.second is None:
            return
        if is_first:
            self._cut_off(self.second, self._running, now_s - self._second_began_s)
        else:
            hedging.won += 1
            hedging.heard(self._first.model.id, now_s - self._began_s)
            self._cut_off(self._first, self._handler, now_s - self._began_s)

    def _cut_off(self, loser: Candidate, runner: "asyncio.Task[None] | None", waited_s: float) -> None:
        if runner is None or runner.done():
            return  # it had failed before
        telling = self._tellings.get(loser)
        if telling is not None:
            telling.broken()  # what it says from here on, in the very same turn of the loop, is nobody's
        runner.cancel()
        self._health.waited(loser, waited_s)
        absorbed = _prompt_cost(self._delivery.call, loser)
        self._hedging.absorbed_nano_usd += absorbed
        self._delivery.lost(loser, waited_s, LOST, absorbed)


def _prompt_cost(call: Call, loser: Candidate) -> int:
    """What a provider bills for a prompt whose answer is not heard, in nano-dollars: an estimate."""
    tokens = input_estimate(call, loser)
    return cost(Usage(input_total=tokens, source=UsageSource.ESTIMATE), loser.model.price).provider_nano_usd
