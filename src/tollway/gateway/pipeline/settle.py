"""Closes the books on one call: usage, cost, receipt; exactly once, however the call ended."""

from tollway.core.money import NanoUsd
from tollway.core.receipt import Attempt, Reason, Receipt
from tollway.core.usage import Usage, UsageSource
from tollway.gateway.ledger.hold import Hold
from tollway.gateway.metering.cost import Bill, cost
from tollway.gateway.metering.tokens import TextTally
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.weigh import input_estimate
from tollway.gateway.routing.router import Candidate

TOKENS_PER_PICTURE = 1400
"""Output tokens of a picture whose provider did not count it (relay.md 6.16b)."""


class Said:
    """What an answer said, as the books see it."""

    __slots__ = ("images", "spoken", "tally", "usage")

    def __init__(self, usage: Usage | None, spoken: bool, tally: TextTally, images: int = 0) -> None:
        self.usage, self.spoken, self.tally, self.images = usage, spoken, tally, images


NOTHING_SAID = Said(None, False, TextTally())


class Settlement:
    """The open end of one call's hold."""

    __slots__ = ("_call", "_hold", "_model", "attempts", "charge", "dropped", "first_byte_ms", "reason", "usage")

    def __init__(self, call: Call, hold: Hold, model: str) -> None:
        self._call, self._hold, self._model = call, hold, model
        self.attempts: list[Attempt] = []
        self.dropped: tuple[str, ...] = ()
        self.first_byte_ms = 0
        self.charge = NanoUsd(0)
        self.reason: Reason | None = None
        """Set when the books are closed."""
        self.usage: Usage | None = None
        """What was charged for: the provider's count, or our own."""

    def close(self, reason: Reason, candidate: Candidate | None, said: Said, now_s: float, note: str = "") -> None:
        """Charge what was said, or release everything; a second call changes nothing."""
        if self.reason is not None:
            return
        usage = self.usage = self._usage(reason, candidate, said)
        bill = cost(usage, candidate.model.price) if usage is not None and candidate is not None else None
        self.reason = Reason.EMPTY if reason is Reason.COMPLETED and bill is None else reason
        if bill is not None:
            self.charge = NanoUsd(min(bill.charge_nano_usd, self._hold.amount))
        receipt = self._receipt(candidate, usage, bill, now_s, note)
        if bill is not None:
            self._hold.settle(receipt)
        else:
            self._hold.release(receipt)

    def _usage(self, reason: Reason, candidate: Candidate | None, said: Said) -> Usage | None:
        """The provider's own count if it came whole, else ours; None when nothing is owed.

        An answer that said nothing and whose provider counted no output is free (relay.md 8.8).
        """
        if candidate is None or reason is Reason.FAILED:
            return None
        counted = said.usage
        if not said.spoken and (counted is None or not counted.output_total):
            return None
        if reason is Reason.COMPLETED and counted is not None:
            return counted
        spoken = said.tally.tokens(candidate.model.family) + said.images * TOKENS_PER_PICTURE
        if counted is None:
            total = input_estimate(self._call, candidate.model)
            return Usage(input_total=total, output_total=spoken, images=said.images, source=UsageSource.ESTIMATE)
        return _with_output(counted, max(spoken, counted.output_total))

    def _receipt(
        self, candidate: Candidate | None, usage: Usage | None, bill: Bill | None, now_s: float, note: str
    ) -> Receipt:
        call = self._call
        cost_nano_usd, full_charge = (bill.provider_nano_usd, bill.charge_nano_usd) if bill is not None else (0, 0)
        return Receipt(
            id=call.id,
            user=call.caller.user,
            key=call.caller.key,
            reason=self.reason or Reason.FAILED,
            surface=call.surface,
            model=candidate.model.id if candidate is not None else self._model,
            asked=call.envelope.model or "",
            stream=call.envelope.stream,
            started_at_s=call.arrived_s,
            duration_ms=round((now_s - call.started_s) * 1000),
            first_byte_ms=self.first_byte_ms,
            attempts=tuple(self.attempts),
            usage=usage,
            lines=bill.lines if bill is not None else (),
            price_version=bill.price.version if bill is not None else "",
            hold_nano_usd=self._hold.amount,
            provider_cost_nano_usd=NanoUsd(cost_nano_usd),
            charge_nano_usd=self.charge,
            overrun_nano_usd=NanoUsd(full_charge - self.charge),
            dropped=self.dropped,
            note=note,
        )


def _with_output(counted: Usage, output: int) -> Usage:
    """A count that broke off: the provider's figure for the prompt, the larger figure for what was said."""
    return Usage(
        input_total=counted.input_total,
        cache_read=counted.cache_read,
        cache_write_5m=counted.cache_write_5m,
        cache_write_1h=counted.cache_write_1h,
        image_in=counted.image_in,
        audio_in=counted.audio_in,
        output_total=output,
        reasoning=min(counted.reasoning, output),
        images=counted.images,
        tool_calls=counted.tool_calls,
        source=UsageSource.ESTIMATE,
    )
