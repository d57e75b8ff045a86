"""One call's answer on its way out: whoever gives it, how the caller is answered, and how the books close."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from tollway.core.chat import Reasoning, ToolCall
from tollway.core.errors import Fault, Unavailable
from tollway.core.model import EMBEDDING
from tollway.core.money import NanoUsd, credits_of, told
from tollway.core.receipt import Attempt, Reason
from tollway.gateway.dialect import Voice
from tollway.gateway.ledger.hold import Ledger
from tollway.gateway.limits.rate import Slot
from tollway.gateway.metering.learned import UsualOutput
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.head import JSON, Lines, head_lines, listed
from tollway.gateway.pipeline.heart import Heart
from tollway.gateway.pipeline.prepare import Prepared
from tollway.gateway.pipeline.said import NOTHING_SAID
from tollway.gateway.pipeline.seals import Seals
from tollway.gateway.pipeline.settle import Settlement
from tollway.gateway.pipeline.vectors import fitted
from tollway.gateway.pipeline.weigh import BYTES_PER_TOKEN, Weighed, input_estimate
from tollway.gateway.pipeline.whole import WholeReply
from tollway.gateway.routing.complexity import AUTO
from tollway.gateway.routing.plan import Candidate, Plan
from tollway.gateway.shaping.shape import Shape
from tollway.kit.http1.wire import Sink

NOTE_MAX = 500


class Rooms(Protocol):
    """What a delivery needs of the gateway."""

    @property
    def ledger(self) -> Ledger:
        """Where holds live."""

    @property
    def seals(self) -> Seals:
        """Where seals are remembered."""

    @property
    def heart(self) -> Heart:
        """What keeps idle streams warm."""

    @property
    def now_s(self) -> Callable[[], float]:
        """Monotonic seconds."""

    @property
    def usual(self) -> UsualOutput:
        """What answers usually say."""


class Stream(Protocol):
    """A stream that is being told to the caller."""

    def stumbled(self, note: str) -> None:
        """Something went wrong with us: close the books if the caller was told anything."""

    def gone(self) -> None:
        """The caller left: close the books if they are open and the provider was still speaking."""

    def broken(self) -> None:
        """Listen no more."""


class Race(Protocol):
    """Two channels asked at once, of which one becomes the answer."""

    def joined(self, one: Candidate, telling: Stream) -> None:
        """The words of `one` are awaited."""

    def won(self, winner: Candidate) -> None:
        """`winner` spoke first."""


class Delivery:
    """Created when the hold is taken. A whole answer is given here; a stream by a `Telling`, one for each attempt."""

    __slots__ = (
        "_plan", "_seals", "_usual", "call", "committed", "faults", "heart", "ledger", "now_s", "race", "settlement",
        "sink", "slot", "stream", "weighed",
    )  # fmt: skip

    def __init__(self, call: Call, plan: Plan, weighed: Weighed, slot: Slot, sink: Sink, rooms: "Rooms") -> None:
        self.call, self.sink, self.ledger, self.weighed, self.slot = call, sink, rooms.ledger, weighed, slot
        self.now_s, self.heart = rooms.now_s, rooms.heart
        self.settlement = Settlement(call, weighed, plan.model.id, rooms.usual)
        self.faults: tuple[Fault, ...] = ()
        """Why the channels tried so far were not the answer."""
        self.committed = False
        """The caller has the head: no other channel from here on."""
        self.stream: Stream | None = None
        """What is being told, from the attempt that may become the answer."""
        self.race: Race | None = None
        """Two channels may be asked at once."""
        self._plan, self._seals, self._usual = plan, rooms.seals, rooms.usual

    # -- attempts ----------------------------------------------------------------------------------------------

    def tried(self, candidate: Candidate, status: int, started_s: float, fault: Fault | None = None) -> None:
        """Put one attempt on the receipt."""
        now_s = self.now_s()
        if fault is not None:
            self.faults += (fault,)
        self.settlement.attempts.append(
            Attempt(
                candidate.channel.id,
                candidate.provider.name,
                candidate.upstream_model,
                status,
                fault.message[:NOTE_MAX] if fault is not None else "",
                round((started_s - self.call.started_s) * 1000),
                round((now_s - started_s) * 1000) if status else 0,
                candidate.account,
                candidate.fallback,
                "" if self.settlement.attempts else self._plan.why,
                key=candidate.key,
            )
        )

    def lost(self, candidate: Candidate, waited_s: float, fault: Fault, absorbed: int) -> None:
        """Put on the receipt a channel that was cut off for another's sake, and what it cost us, in nano-dollars."""
        began_ms = round((self.now_s() - waited_s - self.call.started_s) * 1000)
        channel, model = candidate.channel.id, candidate.upstream_model
        self.settlement.attempts.append(
            Attempt(
                channel, candidate.provider.name, model, 0, fault.message, began_ms, absorbed_nano_usd=NanoUsd(absorbed)
            )
        )

    @property
    def shape(self) -> Shape | None:
        """What is changed in the call whichever candidate it goes to."""
        return self._plan.shape

    def expected(self) -> int:
        """Tokens the call will use, by what its hold stands for and what answers usually are."""
        call, weighed = self.call, self.weighed
        said = self._usual.tokens(self._plan.model.id, call.caller.key, weighed.first)
        return min(weighed.input_tokens, call.size // BYTES_PER_TOKEN + 1) + said

    def used(self) -> int | None:
        """Tokens it has used: nothing where no answer began; None where nobody knows yet."""
        if self.settlement.reason is None:
            return None if self.committed else 0
        usage = self.settlement.usage
        return 0 if usage is None else usage.input_total + usage.output_total

    def voice(self, candidate: Candidate, prepared: Prepared) -> Voice:
        """How the caller wants to be answered."""
        call, asked = self.call, self.call.envelope.model
        anthropic_start = call.envelope.stream and call.dialect.family == "anthropic" and not prepared.passthrough
        return Voice(
            request_id=call.id,
            model=asked if asked and asked != AUTO else candidate.model.id,
            created_s=int(call.arrived_s),
            stream=call.envelope.stream,
            include_usage=call.envelope.include_usage,
            input_estimate=input_estimate(call, candidate) if anthropic_start else 0,
            framing=call.options.get("framing", "sse"),
            opaque=call.opaque,
            options={**call.options, **call.envelope.options} if call.envelope.options else call.options,
            closing=lambda: self._closing(candidate),
        )

    def _closing(self, candidate: Candidate) -> Mapping[str, object]:
        return {
            "model": candidate.model.id,
            "model_display_name": candidate.model.name,
            "routed": candidate.model.id != self._plan.model.id or self.call.envelope.model in (None, AUTO),
            "credits_used": credits_of(self.settlement.charge),
        }

    # -- a whole answer ----------------------------------------------------------------------------------------

    async def whole(self, reply: WholeReply, prepared: Prepared, started_s: float) -> None:
        """Settle and answer."""
        if self.call.dialect.type == EMBEDDING:
            said = reply.said
            reply.answer, usage = await fitted(reply.data, reply.answer, said.usage, self.call, reply.candidate)
            reply.said = msgspec.structs.replace(said, usage=usage)
        settlement = self.settlement
        settlement.dropped = listed(prepared.dropped)
        self.tried(reply.candidate, 200, started_s)
        voice = None if reply.answer is None else self.voice(reply.candidate, prepared)
        settlement.close(Reason.COMPLETED, reply.candidate, reply.said, self.now_s())
        body = reply.data if voice is None else self._translated(reply, voice)
        kind: Lines = (*JSON, (b"x-tollway-cost", told(settlement.charge)))
        if settlement.stop:
            kind += ((b"x-tollway-stop", settlement.stop.encode()),)
        if self.ledger.sync:
            await self.written()
        self.committed = True
        self.sink.whole(200, self.head(reply.candidate, kind), body)

    async def written(self) -> None:
        """Wait until the books are written. Raises Unavailable: nobody was told the answer, and nobody pays for it."""
        try:
            await self.ledger.written(self.call.id)
        except (Unavailable, asyncio.CancelledError):
            self.ledger.withdraw(self.call.id)
            raise

    def _translated(self, reply: WholeReply, voice: Voice) -> bytes:
        if reply.answer is not None and reply.said.usage is None:  # the caller is told what he is charged for
            reply.answer = msgspec.structs.replace(reply.answer, usage=self.settlement.usage)
        body = reply.body(self.call, voice)
        self.keep_seals(*reply.thoughts_and_tools())
        return body

    # -- endings without an answer -----------------------------------------------------------------------------

    def failed(self, note: str) -> None:
        """No channel answered, and nothing is owed; or we stumbled over an answer, and what was said of it is."""
        note = note[:NOTE_MAX]
        if self.stream is not None:
            self.stream.stumbled(note)
        self.settlement.close(Reason.FAILED, None, NOTHING_SAID, self.now_s(), note)

    def gone(self) -> None:
        """The caller left: what was said is charged, or what the provider says it billed; nothing else."""
        if self.stream is not None:
            self.stream.gone()
        self.settlement.close(Reason.CLIENT_GONE, None, NOTHING_SAID, self.now_s())

    # -- details -----------------------------------------------------------------------------------------------

    def head(self, candidate: Candidate, kind: Lines) -> Lines:
        """The head's lines; `kind` says what the body is."""
        call = self.call
        left = self.ledger.left(call.caller.payer)
        if self._plan.why:
            kind += ((b"x-tollway-offload", " ".join(self._plan.why.split()).encode("ascii", "replace")),)
        lines = head_lines(call, candidate, kind, self.settlement.dropped, self.weighed.hold.amount, left)
        return lines if self.slot.limit is None else lines + self.slot.headers(call.dialect.family, call.arrived_s)

    def keep_seals(self, thoughts: list[Reasoning], tools: list[ToolCall]) -> None:
        """Remember what must come back with the results of these tools."""
        for tool in tools:
            self._seals.keep(self.call.caller.key, tool, tuple(thoughts))
