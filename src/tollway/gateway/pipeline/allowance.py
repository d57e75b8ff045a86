"""How much more a stream may say on its hold: looks now and then, lets the hold grow, and knows when it cannot."""

import asyncio
from typing import Protocol

from tollway.core.caller import Payer
from tollway.core.errors import CreditsExhausted, Unavailable
from tollway.core.model import Price
from tollway.core.money import NanoUsd
from tollway.core.usage import Usage
from tollway.gateway.ledger.hold import Ledger
from tollway.gateway.metering.ceiling import one_more
from tollway.gateway.metering.cost import cost
from tollway.gateway.metering.tokens import TOKENS_PER_PICTURE
from tollway.gateway.pipeline.reply import Gate, StreamReply
from tollway.gateway.pipeline.settle import BOOKS_UNAVAILABLE, CREDITS_EXHAUSTED
from tollway.gateway.pipeline.weigh import Weighed

LEAST_SLICE = 64
"""Output tokens by which a hold grows at least."""
NEAR = 8
"""Tokens before a line at which every character counts."""
BOOKS_S = 5.0
"""How long a stream waits for books that cannot be asked whether its hold may grow."""
ASK_AGAIN_S = 0.1


class Stream(Protocol):
    """What an allowance governs."""

    @property
    def ledger(self) -> Ledger:
        """Where its hold was taken."""

    def turn(self, gate: Gate) -> None:
        """Shut the gate; or open it, perhaps for the last time, and tell the caller what has waited."""

    def broken(self) -> None:
        """Listen no more: telling the caller went wrong."""


class Allowance:
    """Of one stream whose hold is less than its worst case.

    When four fifths of the hold are used it asks for a slice more: at once where the credit is at hand, else in the
    background. Only when the hold is wholly used meanwhile does the stream wait for the answer.
    """

    __slots__ = (
        "_asks", "_covers_all", "_hold", "_input", "_payer", "_per_token", "_price", "_refused", "_reply", "_stream",
        "_task", "_weighed", "grown", "refusal",
    )  # fmt: skip

    def __init__(self, payer: Payer, weighed: Weighed, reply: StreamReply, stream: Stream) -> None:
        self._payer, self._weighed, self._reply, self._stream = payer, weighed, reply, stream
        self._hold = weighed.hold
        self._price: Price = reply.candidate.model.price
        self._per_token = 0
        self._input: tuple[Usage | None, int] = (None, weighed.fixed)
        self._task: asyncio.Task[None] | None = None
        self._asks = self._refused = False
        self._covers_all = weighed.first >= weighed.most
        self.grown = 0
        """How often the hold grew."""
        self.refusal = CREDITS_EXHAUSTED
        """Why it grows no more, if it does not."""
        reply.tally.mark(max(1, weighed.first * 4 // 5), self._reached)

    async def settled(self) -> None:
        """Wait until nothing is asked any more. Raises what went wrong when the stream was told."""
        while (task := self._task) is not None:
            await asyncio.wait((task,))
            if self._task is task:
                self._task = None
            if not task.cancelled():
                task.result()

    def close(self) -> None:
        """The call has ended: whatever was asked is not wanted any more."""
        if self._task is not None:
            self._task.cancel()

    # -- looking -----------------------------------------------------------------------------------------------

    def _reached(self) -> None:
        """So much was said that it is time to look: called in the midst of the provider's words."""
        reply = self._reply
        if reply.terminal is not None or reply.gate is Gate.SHUT:
            return
        if reply.gate is Gate.LAST:
            reply.gate = Gate.SPENT
            return
        capacity = self._capacity()
        roughly, near = reply.tally.at_most(), capacity * 4 // 5
        if roughly < near and (reply.usage is None or reply.usage.output_total < near):
            reply.tally.mark(reply.tally.characters + near - roughly)
            return
        self._look(self._said(), capacity)

    def _look(self, said: int, capacity: int) -> None:
        near, full = capacity * 4 // 5, capacity - self._last_piece(said)
        if self._covers_all:
            self._beyond(said)
        elif said < near and not self._refused and not self._asks:
            self._look_again(near - said, said)
        elif not self._refused and not self._asks and self._grow(said, capacity):
            self._look(said, self._capacity())
        elif said < full:
            if not self._refused:
                self._ask(said, capacity)
            self._look_again(full - said, said)
        else:
            self._ask(said, capacity)  # once more, if it was refused before: others may have given back since
            self._stream.turn(Gate.SHUT)

    def _beyond(self, said: int) -> None:
        """All that may be said is held; a provider that says much more than it was told to may not go on."""
        most = self._weighed.most
        if self._weighed.output_limit is None:
            self._look_again(1 << 40, 0)
        elif said <= most + most // 2 + NEAR:
            self._look_again(most + most // 2 + NEAR - said + 1, said)
        else:
            self._reply.gate = Gate.LAST
            self._reply.tally.mark(0)

    def _look_again(self, tokens: int, said: int) -> None:
        """Within so many tokens: three quarters of the way, as long as characters have been so far."""
        tally = self._reply.tally
        each = max(1.0, tally.characters / said) * 0.75 if said > NEAR and tokens > NEAR else 1.0
        tally.mark(tally.characters + max(1, int(tokens * each)))

    def _said(self) -> int:
        """Output tokens so far: the provider's own count where it is ahead of ours."""
        reply, tally = self._reply, self._reply.tally
        tokens = tally.tokens(reply.candidate.model.family)
        ours = max(tokens, tally.count) + reply.images * TOKENS_PER_PICTURE
        return ours if reply.usage is None else max(ours, reply.usage.output_total)

    def _last_piece(self, said: int) -> int:
        """Tokens of the longest piece so far: room for one more is kept back, so that none is said in vain."""
        tally = self._reply.tally
        return max(1, -(-tally.longest * said // max(1, tally.characters)))

    def _capacity(self) -> int:
        """Output tokens the hold covers beside the input, at its real cost once that is known: may be negative."""
        if not self._per_token:
            self._per_token = max(1, one_more(self._price, self._weighed.input_tokens))
        usage = self._reply.usage
        if usage is not None and usage is not self._input[0]:
            self._input = usage, cost(usage.prompt, self._price).charge_nano_usd
        return (self._hold.amount - self._input[1]) // self._per_token

    # -- growing -----------------------------------------------------------------------------------------------

    def _slice(self, said: int, capacity: int) -> int:
        """Nano-dollars for half as much again, never beyond what the call may come to."""
        most = max(self._weighed.most, said + 1)
        tokens = min(max(LEAST_SLICE, capacity // 2, 2 * (said - capacity)), most - capacity)
        return max(0, tokens) * self._per_token

    def _grow(self, said: int, capacity: int) -> bool:
        """Grow by what is at hand; True when there is more room now, or all the room there may be."""
        amount = self._slice(said, capacity)
        if amount and not self._hold.try_extend(NanoUsd(amount)):
            return False
        self.grown += bool(amount)
        self._covers_all = self._capacity() >= self._weighed.most
        return True

    def _ask(self, said: int, capacity: int) -> None:
        """Ask for more in the background."""
        if not self._asks:
            self._asks = True
            self._task = asyncio.get_running_loop().create_task(self._extend(self._slice(said, capacity)))
            self._task.add_done_callback(self._answered)

    async def _extend(self, amount: int) -> None:
        """All of a slice, else what is left; then on with the stream."""
        try:
            async with asyncio.timeout(BOOKS_S):
                granted = await self._granted(amount)
        except TimeoutError:
            granted, self.refusal = False, BOOKS_UNAVAILABLE
        self._asks, self._refused = False, not granted
        reply = self._reply
        if reply.terminal is not None:
            return
        if granted:
            self.grown += 1
            self._covers_all = self._capacity() >= self._weighed.most
        if granted or reply.gate is Gate.SHUT:
            reply.tally.mark(0)  # the next word looks where we are
        if reply.gate is Gate.SHUT:
            self._stream.turn(Gate.OPEN if granted else Gate.LAST)

    async def _granted(self, amount: int) -> bool:
        """Whether the books give a slice, or what is left; while they cannot be asked, again in a moment."""
        whole = amount
        while True:
            try:
                return await self._hold.extend(NanoUsd(amount))
            except CreditsExhausted:
                rest = self._stream.ledger.left(self._payer) // self._per_token * self._per_token
                if amount < whole or not 0 < rest < amount:
                    self.refusal = CREDITS_EXHAUSTED
                    return False
                amount = rest
            except Unavailable:
                await asyncio.sleep(ASK_AGAIN_S)

    def _answered(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._stream.broken()
