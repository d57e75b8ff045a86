"""An answer in flight: a provider's bytes in, the caller's bytes out, counting as it goes."""

import enum
from collections.abc import Callable

from tollway.core.chat import Reasoning, ToolCall
from tollway.core.errors import Fault
from tollway.core.stream import (
    Completed,
    Cut,
    Failed,
    Finish,
    Finished,
    MediaPiece,
    RawPiece,
    ReasoningDelta,
    ReasoningSeal,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolArgs,
    ToolStart,
    UsageSeen,
)
from tollway.core.usage import Usage
from tollway.gateway.dialect import Encoder, Voice
from tollway.gateway.metering.tokens import TextTally
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.prepare import Prepared
from tollway.gateway.pipeline.restore import Restore
from tollway.gateway.remedy import remedy_of
from tollway.gateway.routing.plan import Candidate
from tollway.kit.sse import Frame, SseError, SseReader

Terminal = Completed | Failed | Cut
PICTURE = 10_000
"""Characters that a picture is as good as."""


class Gate(enum.IntEnum):
    """Whether the provider's words go on to the caller."""

    OPEN = 0
    SHUT = 1
    """They wait: the hold is used up, and it is not known yet whether it grows."""
    LAST = 2
    """It does not grow: one more piece is covered, and whatever is no words."""
    SPENT = 3
    """That piece was said: end the answer."""


class StreamReply:
    """A streamed answer. `feed` is called with whatever bytes arrived; whole frames come out."""

    __slots__ = (
        "_begun", "_counted", "_decoder", "_encoder", "_ended", "_frames", "_hide_usage", "_is_plain", "_later",
        "_passthrough", "_reframed", "_restore", "_thought", "_voice", "beats", "call", "candidate", "estimate",
        "finish", "gate", "images", "on_terminal", "spoken", "stopped", "tally", "terminal", "thoughts", "tools",
        "usage",
    )  # fmt: skip

    def __init__(self, call: Call, candidate: Candidate, prepared: Prepared, voice: Voice) -> None:
        self.call, self.candidate = call, candidate
        self.spoken = False
        """Something was said: the commit point."""
        self.beats = False
        """The provider has shown life."""
        self.terminal: Terminal | None = None
        self.usage: Usage | None = None
        self.finish: Finish | None = None
        self.gate = Gate.OPEN
        self.stopped = False
        """We ended it ourselves."""
        self.tally = TextTally()
        self.images = 0
        self.thoughts: list[Reasoning] = []
        self._thought: list[str] = []
        self.tools: list[ToolCall] = []
        self.on_terminal: Callable[[], None] | None = None
        """Called once, before the last bytes are made: the books close first."""
        self.estimate: Usage | None = None
        """Our own count, told to the caller at the end because the provider gave none."""
        self._decoder = candidate.provider.dialect.decoder()
        self._frames = SseReader()
        self._voice = voice
        self._passthrough = prepared.passthrough
        restore = None if self._passthrough else Restore(prepared.written)
        self._restore = None if restore is None or restore.idle else restore
        self._is_plain = self._restore is None
        self._reframed = call.dialect.reframer(voice) if self._passthrough else None
        self._encoder: Encoder | None = self._reframed
        self._hide_usage = call.dialect.hides_usage and not call.envelope.include_usage
        self._begun: Started | None = None
        self._counted = False
        self._ended: tuple[int, ...] = ()
        """Alternative answers that told their end."""
        self._later: list[Frame] = []
        """What came while the gate was shut."""

    def feed(self, data: bytes) -> bytes:
        """The caller's bytes for these bytes of the provider's; nothing after the terminal event."""
        if self.terminal is not None:
            return b""
        try:
            frames = self._frames.feed(data)
        except SseError as error:
            return self._own_end(Failed(502, "bad_response", str(error)))
        if self.gate:
            return self._gated(frames)
        if len(frames) == 1 and self._reframed is None:
            return self._one(frames[0])
        return self._told(frames)

    @property
    def counted(self) -> bool:
        """The usage it told is that of the whole answer: it came with the end, or after it."""
        return (isinstance(self.terminal, Completed) and not self.stopped) or self._counted

    @property
    def said(self) -> int:
        """How much was said, roughly: for whoever looks now and then whether it grows."""
        return self.tally.size + PICTURE * self.images

    def go_on(self, gate: Gate) -> bytes:
        """Open the gate again, or for the last time: the caller's bytes for what waited."""
        if self.terminal is not None:
            return b""
        self.gate = gate
        later, self._later = self._later, []
        return self._told(later)

    def stop(self) -> bytes:
        """End the answer ourselves: as one that reached its limit, well-formed after all that has passed."""
        if self.terminal is not None:
            return b""
        self.stopped, self.finish = True, Finish.LENGTH
        closes = self.call.dialect.closes if self._passthrough else None
        out = b"" if closes is not None else self._finish_all()
        end = Completed()
        self._note_rare(end)  # the books close here: from now on the count is known
        if closes is not None:
            return closes(self._decoder, self.estimate or Usage())
        told = self.encoder.write(UsageSeen(self.estimate)) if self.estimate is not None else b""
        return out + told + self.encoder.write(end)

    def _finish_all(self) -> bytes:
        """The end of each alternative answer that has not told its own."""
        encoder, answers = self.encoder, range(self.call.envelope.answers)
        if self._passthrough:  # let the encoder go on where the frames that passed by it have stopped
            encoder.write(self._begun or Started("", ""))
            for choice in answers[1:]:
                encoder.write(TextDelta("", choice))
        ends = [Finished(Finish.LENGTH, choice=choice) for choice in answers if choice not in self._ended]
        return b"".join([encoder.write(end) for end in ends])

    def _one(self, frame: Frame) -> bytes:
        """The way of nearly every read in the middle of an answer: one frame, one event."""
        events = self._decoder.frame(frame)
        if len(events) == 1 and type(event := events[0]) is TextDelta:
            if not self._is_plain:
                return self._say(event)
            self.spoken = True
            self.tally.add(event.text)
            return frame.raw if self._passthrough else self.encoder.write(event)
        return self._said(frame, events)

    def _gated(self, frames: list[Frame]) -> bytes:
        if self.gate is not Gate.SHUT:
            return self._told(frames)
        self._later += frames
        return b""

    def close(self) -> bytes:
        """The provider's bytes have ended: what is left to say, and a terminal event if none came."""
        if self.terminal is not None:
            return b""
        out = b""
        for frame in self._frames.close():
            events = self._decoder.frame(frame)
            if events:  # else it is half a frame, which nobody could read
                out += self._said(Frame(frame.event, frame.data, frame.raw.rstrip() + b"\n\n"), events)
        if self.terminal is None:
            out += b"".join(self._say(event) for event in self._decoder.close())
        return out

    def cut(self, reason: str) -> bytes:
        """The wire failed in mid-answer: an error event in the caller's dialect, never a clean end."""
        return b"" if self.terminal is not None else self._own_end(Cut(reason))

    def heartbeat(self) -> bytes:
        """Bytes that mean nothing to the caller."""
        return self.encoder.heartbeat()

    @property
    def encoder(self) -> Encoder:
        """Writes the caller's dialect; a stream that passes through needs it only for errors and heartbeats."""
        if self._encoder is None:
            encoder, shape = self.call.dialect.encoder(self._voice), self.candidate.shape
            retelling = None if shape is None else shape.retelling
            self._encoder = encoder if retelling is None else retelling.encoder(encoder)
        return self._encoder

    def never_ended(self, why: Failed) -> bytes:
        """What a caller is told in place of the end, which was made and must not reach him."""
        return self.call.dialect.encoder(self._voice).write(why)

    def fault(self) -> Fault:
        """The terminal event that came before the first word, as a fault of the channel."""
        if isinstance(self.terminal, Failed):
            seen = self.terminal
            remedy = remedy_of(seen.status, seen.message, seen.code)
            return Fault(seen.message, status=seen.status, remedy=remedy, code=seen.code)
        return Fault("the provider broke off before its first word", status=502, remedy=remedy_of(502), code="cut")

    def _told(self, frames: list[Frame]) -> bytes:
        out = []
        for number, frame in enumerate(frames, 1):
            out.append(self._said(frame, self._decoder.frame(frame)))
            if self.terminal is not None:  # what follows is nobody's, in the same read as in the next
                break
            if self.gate is Gate.SHUT:
                self._later += frames[number:]
                break
            if self.gate is Gate.SPENT:
                out.append(self.stop())
                break
        return b"".join(out)

    def _said(self, frame: Frame, events: list[StreamEvent]) -> bytes:
        """A frame of the provider's for the caller: as it came, or told anew."""
        if not self._passthrough:
            return b"".join([self._say(event) for event in events])
        for event in events:
            self._note(event)
        if isinstance(self.terminal, Failed):
            return self.encoder.write(self.terminal)  # neither rubbish nor a provider's keys and hosts are passed on
        if self._hide_usage and len(events) == 1 and type(events[0]) is UsageSeen:
            return b""
        return frame.raw if self._reframed is None else self._reframed.pass_on(frame)

    def _say(self, event: StreamEvent) -> bytes:
        """One event to the caller: directly, or as the end of a stream that passed through."""
        if self._passthrough:
            self._note(event)
            if not isinstance(event, Completed):
                return self.encoder.write(event)
            return b"" if self._reframed is None else self._reframed.pass_end()
        seen: StreamEvent | None = event
        if self._restore is not None:
            seen = self._restore.event(event)
        if seen is None:
            return b""
        self._note(seen)
        if self.estimate is not None and type(seen) is Completed:
            return self.encoder.write(UsageSeen(self.estimate)) + self.encoder.write(seen)
        return self.encoder.write(seen)

    def _own_end(self, event: Terminal) -> bytes:
        self._note(event)
        return self.encoder.write(event)

    def _note(self, event: StreamEvent) -> None:
        kind = type(event)
        if kind is TextDelta or kind is ReasoningDelta or kind is RefusalDelta:
            self.spoken = True
            self.tally.add(event.text)  # type: ignore[union-attr]
            if kind is ReasoningDelta:
                self._thought.append(event.text)  # type: ignore[union-attr]
        elif kind is ToolArgs:
            self.spoken = True
            self.tally.add(event.fragment)  # type: ignore[union-attr]
        else:
            self._note_rare(event)

    def _note_rare(self, event: StreamEvent) -> None:
        self.beats = True
        if isinstance(event, Started):
            self._begun = event
            if event.usage is not None and event.usage.believable:
                self.usage = event.usage
        elif isinstance(event, UsageSeen):
            if event.usage.believable:
                self.usage, self._counted = event.usage, self.finish is not None
        elif isinstance(event, ToolStart):
            self.spoken = True
            self.tally.add(event.name)
            self.tools.append(ToolCall(event.id, event.name, "", event.kind, event.signature, event.family))
        elif isinstance(event, ReasoningSeal):
            self.spoken = True
            self.thoughts.append(self._sealed(event))
        elif isinstance(event, MediaPiece):
            self.spoken = True
            self.images += 1
        elif isinstance(event, RawPiece):
            self.spoken = True
        elif isinstance(event, Finished):
            self.finish = event.reason
            self._ended += (event.choice,)
        elif isinstance(event, Terminal):
            self.terminal = event
            if self.on_terminal is not None:
                self.on_terminal()

    def _sealed(self, seal: ReasoningSeal) -> Reasoning:
        """The thought that ends with this seal: a signature is good for nothing without the words it signs."""
        if seal.redacted:
            return Reasoning("", seal.signature, seal.redacted, seal.family)
        text = "".join(self._thought)
        self._thought.clear()
        return Reasoning(text, seal.signature, None, seal.family)
