"""What goes to the caller: the head at the first word, the pieces, the end; the books close before the last byte."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from tollway.core.chat import Reasoning, ToolCall
from tollway.core.errors import Fault
from tollway.core.money import credits_of
from tollway.core.receipt import Attempt, Reason
from tollway.core.stream import Completed, Cut, Failed, Finish
from tollway.gateway.dialect import Voice
from tollway.gateway.ledger.hold import Ledger
from tollway.gateway.limits.rate import Slot
from tollway.gateway.metering.learned import UsualOutput
from tollway.gateway.pipeline.allowance import Allowance
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.head import JSON, Lines, head_lines, listed, stream_type
from tollway.gateway.pipeline.heart import Heart
from tollway.gateway.pipeline.prepare import Prepared
from tollway.gateway.pipeline.reply import Gate, StreamReply
from tollway.gateway.pipeline.seals import Seals
from tollway.gateway.pipeline.settle import CREDITS_EXHAUSTED, NOTHING_SAID, Said, Settlement
from tollway.gateway.pipeline.tap import Tap
from tollway.gateway.pipeline.weigh import Weighed, input_estimate
from tollway.gateway.pipeline.whole import WholeReply
from tollway.gateway.routing.router import Candidate, Plan
from tollway.kit.http1.wire import Inbound, Sink

NOTE_MAX = 500
CANCELLED = "cancelled: charged for what we counted"
DRAINED = "drained: charged for what the provider counted"
DRAINED_IN_PART = "drained in part: charged for what we counted"
LINGER_S = 1.0
"""How long a provider may take, after its last word, to end its answer and keep its connection."""
SILENCE_S = 3.0
"""How long a provider may be silent while it is read on for a caller who left."""


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


class Delivery:
    """One call's answer on its way out. Created when the hold is taken; `closed` once the books are."""

    __slots__ = (
        "_allowance", "_asked_s", "_ending", "_heart", "_left_at", "_now_s", "_plan", "_prologue", "_seals", "_slot",
        "_tap", "_weighed", "beat_s", "call", "committed", "ledger", "reply", "settlement", "sink",
    )  # fmt: skip

    def __init__(self, call: Call, plan: Plan, weighed: Weighed, slot: Slot, sink: Sink, rooms: "Rooms") -> None:
        self.call, self.sink, self.ledger = call, sink, rooms.ledger
        self.settlement = Settlement(call, weighed, plan.model.id, rooms.usual)
        self.committed = False
        """The caller has the head: no other channel from here on."""
        self.reply: StreamReply | None = None
        self.beat_s = 0.0
        self._plan, self._weighed, self._slot = plan, weighed, slot
        self._seals, self._now_s, self._heart = rooms.seals, rooms.now_s, rooms.heart
        self._tap: Tap | None = None
        self._allowance: Allowance | None = None
        self._ending: asyncio.Task[None] | None = None
        """The last bytes, which wait for the books."""
        self._left_at: int | None = None
        """Tokens said when the caller left, and the provider is read on."""
        self._prologue: list[bytes] = []
        self._asked_s: float | None = None
        """When the channel that is answering was asked; None once it stands on the receipt."""

    # -- attempts ----------------------------------------------------------------------------------------------

    def tried(self, candidate: Candidate, status: int, started_s: float, fault: Fault | None = None) -> None:
        """Put one attempt on the receipt."""
        now_s = self._now_s()
        self.settlement.attempts.append(
            Attempt(
                candidate.channel.id,
                candidate.provider.name,
                candidate.upstream_model,
                status,
                fault.message[:NOTE_MAX] if fault is not None else "",
                round((started_s - self.call.started_s) * 1000),
                round((now_s - started_s) * 1000) if status else 0,
            )
        )

    def voice(self, candidate: Candidate, prepared: Prepared) -> Voice:
        """How the caller wants to be answered."""
        call = self.call
        anthropic_start = call.envelope.stream and call.dialect.family == "anthropic" and not prepared.passthrough
        return Voice(
            request_id=call.id,
            model=call.envelope.model or candidate.model.id,
            created_s=int(call.arrived_s),
            stream=call.envelope.stream,
            include_usage=call.envelope.include_usage,
            input_estimate=input_estimate(call, candidate.model) if anthropic_start else 0,
            framing=call.options.get("framing", "sse"),
            opaque=call.opaque,
            options={**call.options, **call.envelope.options} if call.envelope.options else call.options,
            closing=lambda: self._closing(candidate),
        )

    def _closing(self, candidate: Candidate) -> Mapping[str, object]:
        return {
            "model": candidate.model.id,
            "model_display_name": candidate.model.name,
            "routed": candidate.model.id != self._plan.model.id or self.call.envelope.model is None,
            "credits_used": credits_of(self.settlement.charge),
        }

    # -- a stream ----------------------------------------------------------------------------------------------

    def open(
        self, reply: StreamReply, inbound: Inbound, prepared: Prepared, started_s: float
    ) -> Callable[[bytes], None]:
        """Begin to listen; the returned callback takes the provider's bytes as they come."""
        self.reply, self._tap, self._asked_s = reply, Tap(inbound), started_s
        self.settlement.dropped = listed(prepared.dropped)
        reply.on_terminal = self._close_stream
        if self._weighed.is_short:
            self._allowance = Allowance(self.call.caller.payer, self._weighed, reply, self)
        self._prologue = []
        self._heart.add(self)
        return self._on_data

    def _on_data(self, data: bytes) -> None:
        reply = self.reply
        assert reply is not None
        if reply.terminal is not None:
            return  # some providers say more after their end
        self._tell(reply, reply.feed(data))

    def _tell(self, reply: StreamReply, out: bytes) -> None:
        """Bytes for the caller, and whatever the reply has come to meanwhile."""
        if self.committed:
            if reply.terminal is not None:
                self._send(out)
            elif out:
                self.sink.write(out)
                self.beat_s = self._now_s()
            return
        self._prologue.append(out)
        if isinstance(reply.terminal, Failed | Cut):
            self._listen_no_more()
        elif reply.spoken or reply.terminal is not None:
            self.commit()

    def commit(self) -> None:
        """The first word: the status is said and this channel is ours to the end."""
        self.committed = True
        call, reply = self.call, self.reply
        assert reply is not None
        self._note_answer()
        self.sink.head(200, self._head(reply.candidate, stream_type(call)))
        if self._tap is not None:
            self.sink.on_full(self._tap.lag, self._tap.catch_up)
        prologue, self._prologue = b"".join(self._prologue), []
        self._send(prologue)

    def _note_answer(self) -> None:
        """Put the channel that answers on the receipt: at its first word, and before the books close."""
        reply, asked_s = self.reply, self._asked_s
        if reply is not None and asked_s is not None:
            self._asked_s = None
            self.settlement.first_byte_ms = round((self._now_s() - self.call.started_s) * 1000)
            self.tried(reply.candidate, 200, asked_s)

    def broken(self) -> None:
        """Listen no more: something went wrong, and whoever waits for the provider's end will raise it."""
        if self._tap is not None:
            self._tap.stop()

    _listen_no_more = broken

    def turn(self, gate: Gate) -> None:
        """Shut the gate; or open it, perhaps for the last time, and tell the caller what has waited."""
        reply, tap = self.reply, self._tap
        if reply is None or tap is None:
            return
        if gate is Gate.SHUT:
            reply.gate = gate
            tap.shut()
            return
        tap.open()
        self._tell(reply, reply.go_on(gate))

    def _send(self, out: bytes) -> None:
        reply = self.reply
        if reply is not None and reply.terminal is not None:
            self._end(reply, out)
        else:
            self.sink.write(out)
        self.beat_s = self._now_s()

    async def finish(self, cut: str = "") -> None:
        """The provider's bytes are over: cleanly, or `cut` says why not."""
        reply = self.reply
        assert reply is not None
        if self._allowance is not None:
            await self._allowance.settled()  # what waits at the gate comes first
        if reply.terminal is None:
            out = reply.cut(cut) if cut else reply.close()
            if self.committed:
                self._send(out)
            elif isinstance(reply.terminal, Completed):
                self._prologue.append(out)
                self.commit()

    def _end(self, reply: StreamReply, out: bytes) -> None:
        """Nothing more will be said. A stream that is not whole never ends like one that is."""
        if reply.stopped:
            self._listen_no_more()  # what the provider would go on to say is not paid for
        if self.call.dialect.breaks_off and not isinstance(reply.terminal, Completed):
            self.sink.write(out)
            self.sink.break_off()
        elif self.ledger.sync and self._left_at is None:
            self._ending = asyncio.get_running_loop().create_task(self._end_when_written(out))
        else:
            self.sink.end(out)
        self._slot.release()  # whoever has his whole answer may ask again, though the provider may linger

    async def _end_when_written(self, out: bytes) -> None:
        await self.ledger.written(self.call.id)
        self.sink.end(out)

    def _close_stream(self) -> None:
        """The terminal event is known and its bytes not yet made: settle now."""
        reply = self.reply
        if reply is None or not (self.committed or isinstance(reply.terminal, Completed)):
            return  # before the first word a failure is the channel's, and another may answer
        self._note_answer()  # a short stream ends with the very bytes that hold its first word
        whole = isinstance(reply.terminal, Completed)
        if self._left_at is not None:
            self._settle_left(reply)
            return
        note = reply.terminal.message if isinstance(reply.terminal, Failed) else ""
        self._settle_stream(Reason.COMPLETED if whole else Reason.UPSTREAM_CUT, note)

    def _settle_left(self, reply: StreamReply) -> None:
        if reply.counted and reply.usage is not None:
            note = DRAINED if self._left_at is not None else ""
        else:
            note = CANCELLED if self._left_at is None else DRAINED_IN_PART
        self._settle_stream(Reason.CLIENT_GONE, note)

    def _settle_stream(self, reason: Reason, note: str = "") -> None:
        reply, settlement = self.reply, self.settlement
        assert reply is not None
        if reply.stopped:
            settlement.stop = CREDITS_EXHAUSTED
        if self._allowance is not None:
            settlement.extensions = self._allowance.grown
            self._allowance.close()
        at_limit = reply.finish is Finish.LENGTH
        said = Said(reply.usage, reply.spoken, reply.tally, reply.images, reply.counted, at_limit)
        settlement.close(reason, reply.candidate, said, self._now_s(), note)
        if reply.usage is None or reply.stopped:
            reply.estimate = settlement.usage
        self._keep_seals(reply.thoughts, reply.tools)

    def beat(self, now_s: float, every_s: float) -> None:
        """Called by the heart: keep the caller's connection warm, and let go of a provider that lingers."""
        reply = self.reply
        if reply is None:
            return
        quiet_s = now_s - (self.beat_s or self.call.started_s)
        if self._left_at is not None:
            self._read_on_or_not(reply, self._left_at, quiet_s)
            return
        if reply.terminal is not None and quiet_s >= LINGER_S:
            self._listen_no_more()
        if reply.terminal is not None or quiet_s < every_s:
            return
        if self.committed:
            self.sink.write(reply.heartbeat())
            self.beat_s = now_s
        elif reply.beats:
            self.commit()

    # -- a whole answer ----------------------------------------------------------------------------------------

    async def whole(self, reply: WholeReply, prepared: Prepared, started_s: float) -> None:
        """Settle and answer."""
        settlement = self.settlement
        settlement.dropped = listed(prepared.dropped)
        self.tried(reply.candidate, 200, started_s)
        said = Said(reply.usage, not reply.empty, reply.tally, reply.images, at_limit=reply.at_limit)
        voice = None if prepared.passthrough else self.voice(reply.candidate, prepared)
        settlement.close(Reason.COMPLETED, reply.candidate, said, self._now_s())
        if reply.answer is not None and reply.answer.usage is None:  # the caller is told what he is charged for
            reply.answer = msgspec.structs.replace(reply.answer, usage=settlement.usage)
        body = reply.data if voice is None else reply.body(self.call, voice)
        if reply.answer is not None:
            self._keep_seals(*reply.thoughts_and_tools())
        told: Lines = ((b"x-tollway-cost", b"%.6f" % credits_of(settlement.charge)),)
        if settlement.stop:
            told += ((b"x-tollway-stop", settlement.stop.encode()),)
        if self.ledger.sync:
            await self.ledger.written(self.call.id)
        self.committed = True
        self.sink.whole(200, self._head(reply.candidate, JSON + told), body)

    # -- endings without an answer -----------------------------------------------------------------------------

    async def over(self) -> None:
        """The attempt that answered is done with its provider."""
        self._heart.discard(self)
        if self._ending is not None:
            await self._ending

    def failed(self, note: str) -> None:
        """No channel answered, and nothing is owed; or we stumbled over an answer, and what was said of it is."""
        self._heart.discard(self)
        if self.committed and self.reply is not None:
            self._settle_stream(Reason.UPSTREAM_CUT, note[:NOTE_MAX])
        else:
            self.settlement.close(Reason.FAILED, None, NOTHING_SAID, self._now_s(), note[:NOTE_MAX])

    def gone(self) -> None:
        """The caller left: what was said is charged, or what the provider says it billed; nothing else."""
        self._heart.discard(self)
        if self._ending is not None:
            self._ending.cancel()
        if self.settlement.reason is not None:
            return
        if self.reply is not None and self.reply.terminal is None:
            self._settle_left(self.reply)
        else:
            self.settlement.close(Reason.CLIENT_GONE, None, NOTHING_SAID, self._now_s())

    # -- reading on without the caller -------------------------------------------------------------------------

    @property
    def reads_on(self) -> bool:
        """The caller left in the midst of an answer that its provider will bill to the end."""
        reply = self.reply
        if reply is None or not (self.committed and reply.spoken) or reply.terminal is not None:
            return False
        channel = reply.candidate.channel
        if channel.on_disconnect != "provider":
            return channel.on_disconnect == "drain" and channel.drain_s > 0
        return channel.drain_s > 0 and not reply.candidate.provider.disconnect.stops(reply.candidate.upstream_model)

    def read_on(self) -> float:
        """From now on nobody hears what is said; for how many seconds at most the provider is still read."""
        reply, tap = self.reply, self._tap
        assert reply is not None and tap is not None
        self._left_at, self.beat_s = reply.tally.tokens(reply.candidate.model.family), self._now_s()
        tap.catch_up()
        return reply.candidate.channel.drain_s

    def _read_on_or_not(self, reply: StreamReply, said_before: int, quiet_s: float) -> None:
        said = reply.tally.tokens(reply.candidate.model.family) - said_before
        if quiet_s >= SILENCE_S or said > reply.candidate.channel.drain_tokens or reply.terminal is not None:
            self._listen_no_more()

    def forget(self) -> None:
        """This attempt failed before its first word; another may follow."""
        self._heart.discard(self)
        if self._allowance is not None:
            self._allowance.close()
        self.reply = self._tap = self._allowance = None

    # -- details -----------------------------------------------------------------------------------------------

    def _head(self, candidate: Candidate, kind: Lines) -> Lines:
        call = self.call
        left = self.ledger.left(call.caller.payer)
        lines = head_lines(call, candidate, kind, self.settlement.dropped, self._weighed.hold.amount, left)
        return lines if self._slot.limit is None else lines + self._slot.headers(call.dialect.family, call.arrived_s)

    def _keep_seals(self, thoughts: list[Reasoning], tools: list[ToolCall]) -> None:
        for tool in tools:
            self._seals.keep(self.call.caller.key, tool, tuple(thoughts))
