"""A stream as the caller hears it: head, pieces, end; the books close before the last byte, also if he leaves."""

import asyncio

from tollway.core.errors import Unavailable
from tollway.core.receipt import Reason
from tollway.core.stream import Completed, Cut, Failed, Finish
from tollway.gateway.pipeline.allowance import Allowance
from tollway.gateway.pipeline.delivery import Delivery, Race
from tollway.gateway.pipeline.head import listed, stream_type
from tollway.gateway.pipeline.pace import Pace
from tollway.gateway.pipeline.prepare import Prepared
from tollway.gateway.pipeline.reply import Gate, StreamReply
from tollway.gateway.pipeline.said import Said
from tollway.gateway.pipeline.tap import Tap
from tollway.gateway.routing.health import Health
from tollway.kit.http1.wire import Inbound

CANCELLED = "cancelled: charged for what we counted"
DRAINED = "drained: charged for what the provider counted"
DRAINED_IN_PART = "drained in part: charged for what we counted"
LINGER_S = 1.0
"""How long a provider may take, after its last word, to end its answer and keep its connection."""
SILENCE_S = 3.0
"""How long a provider may be silent while it is read on for a caller who left."""


class Telling:
    """One channel's stream on its way to the caller. Before its first word it may be forgotten for another's."""

    __slots__ = (
        "_allowance", "_asked_s", "_beat_s", "_committed", "_delivery", "_ending", "_health", "_left_at", "_pace",
        "_prepared", "_prologue", "_reply", "_settlement", "_sink", "_tap", "gave_up", "ledger",
    )  # fmt: skip

    def __init__(
        self, delivery: Delivery, reply: StreamReply, inbound: Inbound, asked_s: float, health: Health
    ) -> None:
        """`asked_s`: when the channel was asked."""
        self._health = health
        self._delivery, self._reply, self._tap = delivery, reply, Tap(inbound)
        self._settlement, self._sink, self.ledger = delivery.settlement, delivery.sink, delivery.ledger
        self._committed = False
        self._prologue: list[bytes] = []
        self._beat_s = 0.0
        self._asked_s: float | None = asked_s
        """None once the attempt stands on the receipt."""
        self._ending: asyncio.Task[None] | None = None
        """The last bytes, which wait for the books."""
        self._left_at: int | None = None
        """Tokens said when the caller left, and the provider is read on."""
        self._allowance: Allowance | None = None
        self._pace: Pace | None = None
        """Kept once the heart has found it speaking."""
        self.gave_up = ""
        """Why we waited no longer for its next word."""

    def begin(self, prepared: Prepared) -> None:
        """From now on `on_data` takes the provider's bytes as they come."""
        delivery, reply = self._delivery, self._reply
        self._settlement.dropped = listed(prepared.dropped)
        if delivery.race is not None:
            self._prepared = prepared
            delivery.race.joined(reply.candidate, self)
        reply.on_terminal = self._close_books
        if delivery.weighed.is_short:
            self._allowance = Allowance(delivery.call.caller.payer, delivery.weighed, reply, self)
        delivery.stream = self
        delivery.heart.add(self)

    # -- words -------------------------------------------------------------------------------------------------

    def on_data(self, data: bytes) -> None:
        """The provider said this; some say more after their end."""
        if self._reply.terminal is None:
            self._tell(self._reply.feed(data))

    def _tell(self, out: bytes) -> None:
        """Bytes for the caller, and whatever the reply has come to meanwhile."""
        reply = self._reply
        if self._committed:
            if reply.terminal is not None:
                self._send(out)
            elif out:
                self._sink.write(out)
                self._beat_s = self._delivery.now_s()
            return
        self._prologue.append(out)
        if isinstance(reply.terminal, Failed | Cut):
            self.broken()
        elif reply.spoken or reply.terminal is not None:
            self._commit()

    def _commit(self) -> None:
        """The first word: the status is said and this channel is ours to the end."""
        delivery = self._delivery
        self._committed = delivery.committed = True
        self._note_answer()
        self._sink.head(200, delivery.head(self._reply.candidate, stream_type(delivery.call)))
        self._sink.on_full(self._tap.lag, self._tap.catch_up)
        prologue, self._prologue = b"".join(self._prologue), []
        self._send(prologue)

    def _note_answer(self) -> None:
        """Put the channel that answers on the receipt: at its first word, and before the books close."""
        asked_s = self._asked_s
        if asked_s is not None:
            self._asked_s = None
            delivery, candidate = self._delivery, self._reply.candidate
            now_s = delivery.now_s()
            self._settlement.first_byte_ms = round((now_s - delivery.call.started_s) * 1000)
            self._health.heard(candidate, now_s - asked_s)
            if delivery.race is not None:
                self._win(delivery.race)
            delivery.tried(candidate, 200, asked_s)

    def _win(self, race: Race) -> None:
        """Another channel may have been asked meanwhile: what stands on the receipt is ours again."""
        settlement, prepared = self._settlement, self._prepared
        self._delivery.stream = self
        settlement.dropped, settlement.overridden = listed(prepared.dropped), prepared.overridden
        race.won(self._reply.candidate)

    @property
    def spoke(self) -> bool:
        """It is the answer."""
        return self._asked_s is None

    def broken(self) -> None:
        """Listen no more: all is said, or something went wrong that whoever waits for the provider's end will raise."""
        self._tap.stop()

    def turn(self, gate: Gate) -> None:
        """Shut the gate; or open it, perhaps for the last time, and tell the caller what has waited."""
        if gate is Gate.SHUT:
            self._reply.gate = gate
            self._tap.shut()
            return
        self._tap.open()
        self._tell(self._reply.go_on(gate))

    def _send(self, out: bytes) -> None:
        if self._reply.terminal is not None:
            self._end(out)
        else:
            self._sink.write(out)
        self._beat_s = self._delivery.now_s()

    def beat(self, now_s: float, every_s: float) -> None:
        """Called by the heart: keep the caller's connection warm, and let go of a provider that lingers."""
        reply = self._reply
        quiet_s = now_s - (self._beat_s or self._delivery.call.started_s)
        if self._left_at is not None:
            self._read_on_or_not(self._left_at, quiet_s)
            return
        if reply.terminal is not None and quiet_s >= LINGER_S:
            self.broken()
        if reply.terminal is not None or self._is_tired(now_s) or quiet_s < every_s:
            return
        if self._committed:
            self._sink.write(reply.heartbeat())
            self._beat_s = now_s
        elif reply.beats:
            self._commit()

    def _is_tired(self, now_s: float) -> bool:
        """Its first word, or word after word, comes too slowly: another may answer, or the caller is told."""
        reply, asked_s = self._reply, self._asked_s
        if not self._committed:
            if asked_s is not None and now_s - asked_s >= reply.candidate.channel.first_byte_timeout_s:
                self.gave_up = "no word in time"
        elif self._tap.is_held or not reply.spoken:
            self._pace = None  # it is not the provider who is slow, or he thinks
        elif self._pace is None:
            self._pace = Pace(reply.said, now_s)
        elif self._pace.is_drip(reply.said, now_s, self._health.rules):
            self.gave_up = "the provider went on too slowly"
        if self.gave_up:
            self.broken()
        return bool(self.gave_up)

    # -- the end -----------------------------------------------------------------------------------------------

    async def finish(self, cut: str = "") -> None:
        """The provider's bytes are over: cleanly, or `cut` says why not."""
        reply = self._reply
        if self._allowance is not None:
            await self._allowance.settled()  # what waits at the gate comes first
        if reply.terminal is None:
            out = reply.cut(cut) if cut else reply.close()
            if self._committed:
                self._send(out)
            elif isinstance(reply.terminal, Completed):
                self._prologue.append(out)
                self._commit()

    def _end(self, out: bytes) -> None:
        """Nothing more will be said. A stream that is not whole never ends like one that is."""
        delivery, reply = self._delivery, self._reply
        if reply.stopped:
            self.broken()  # what the provider would go on to say is not paid for
        if delivery.call.dialect.breaks_off and not isinstance(reply.terminal, Completed):
            self._sink.write(out)
            self._sink.break_off()
        elif self.ledger.sync and self._left_at is None:
            ending = self._end_when_written(out, unheard=not self._beat_s)
            self._ending = asyncio.get_running_loop().create_task(ending)
        else:
            self._sink.end(out)
        delivery.slot.release()  # whoever has his whole answer may ask again, though the provider may linger

    async def _end_when_written(self, out: bytes, unheard: bool) -> None:
        """The last bytes, once they are paid for in the books; else a clear error. What was `unheard` is free then."""
        delivery = self._delivery
        try:
            await (delivery.written() if unheard else self.ledger.written(delivery.call.id))
        except Unavailable as error:
            told = self._reply.never_ended(Failed(error.status, error.code, error.message))
            if not delivery.call.dialect.breaks_off:
                self._sink.end(told)
                return
            if unheard:
                self._sink.write(told)
            self._sink.break_off()
        else:
            self._sink.end(out)

    async def over(self) -> None:
        """We are done with the provider."""
        self._delivery.heart.discard(self)
        if self._ending is not None:
            await self._ending

    def forget(self) -> None:
        """This attempt failed before its first word; another may follow."""
        delivery = self._delivery
        delivery.heart.discard(self)
        if self._allowance is not None:
            self._allowance.close()
        if delivery.stream is self:
            delivery.stream = None

    # -- the books ---------------------------------------------------------------------------------------------

    def _close_books(self) -> None:
        """The terminal event is known and its bytes not yet made: settle now."""
        reply = self._reply
        whole = isinstance(reply.terminal, Completed)
        if not (self._committed or whole):
            return  # before the first word a failure is the channel's, and another may answer
        self._note_answer()  # a short stream ends with the very bytes that hold its first word
        if self._left_at is not None:
            self._settle_left()
            return
        note = reply.terminal.message if isinstance(reply.terminal, Failed) else ""
        self._settle(Reason.COMPLETED if whole else Reason.UPSTREAM_CUT, note)

    def stumbled(self, note: str) -> None:
        """Something went wrong with us: close the books if the caller was told anything."""
        self._delivery.heart.discard(self)
        if self._committed:
            self._settle(Reason.UPSTREAM_CUT, note)

    def gone(self) -> None:
        """The caller left: close the books if they are open and the provider was still speaking."""
        self._delivery.heart.discard(self)
        if self._ending is not None:
            self._ending.cancel()
        if self._settlement.reason is None and self._reply.terminal is None:
            self._settle_left()

    def _settle_left(self) -> None:
        reply = self._reply
        if reply.counted and reply.usage is not None:
            note = DRAINED if self._left_at is not None else ""
        else:
            note = CANCELLED if self._left_at is None else DRAINED_IN_PART
        self._settle(Reason.CLIENT_GONE, note)

    def _settle(self, reason: Reason, note: str = "") -> None:
        reply, settlement = self._reply, self._settlement
        if self._allowance is not None:
            if reply.stopped:
                settlement.stop = self._allowance.refusal
            settlement.extensions = self._allowance.grown
            self._allowance.close()
        at_limit = reply.finish is Finish.LENGTH
        said = Said(reply.usage, reply.spoken, reply.tally, reply.images, reply.counted, at_limit)
        settlement.close(reason, reply.candidate, said, self._delivery.now_s(), note)
        if reply.usage is None or reply.stopped:
            reply.estimate = settlement.usage
        self._delivery.keep_seals(reply.thoughts, reply.tools)

    # -- reading on without the caller -------------------------------------------------------------------------

    @property
    def reads_on(self) -> bool:
        """The caller left in the midst of an answer that its provider will bill to the end."""
        reply = self._reply
        if not (self._committed and reply.spoken) or reply.terminal is not None:
            return False
        channel = reply.candidate.channel
        if channel.on_disconnect != "provider":
            return channel.on_disconnect == "drain" and channel.drain_s > 0
        return channel.drain_s > 0 and not reply.candidate.provider.disconnect.stops(reply.candidate.upstream_model)

    def read_on(self) -> float:
        """From now on nobody hears what is said; for how many seconds at most the provider is still read."""
        reply = self._reply
        self._left_at, self._beat_s = reply.tally.tokens(reply.candidate.model.family), self._delivery.now_s()
        self._tap.catch_up()
        return reply.candidate.channel.drain_s

    def _read_on_or_not(self, said_before: int, quiet_s: float) -> None:
        reply = self._reply
        said = reply.tally.tokens(reply.candidate.model.family) - said_before
        if quiet_s >= SILENCE_S or said > reply.candidate.channel.drain_tokens or reply.terminal is not None:
            self.broken()
