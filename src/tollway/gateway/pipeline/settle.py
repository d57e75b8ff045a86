"""Closes the books on one call: usage, cost, receipt; exactly once, however the call ended."""

import msgspec

from tollway.core.model import GroupPrice, plain_digits
from tollway.core.money import NanoUsd
from tollway.core.receipt import Attempt, Reason, Receipt
from tollway.core.usage import Usage, UsageSource
from tollway.gateway.metering.cost import Bill, cost
from tollway.gateway.metering.learned import UsualOutput
from tollway.gateway.metering.tokens import TOKENS_PER_PICTURE
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.said import Said
from tollway.gateway.pipeline.weigh import Weighed, input_estimate
from tollway.gateway.routing.plan import Candidate

CREDITS_EXHAUSTED = "credits_exhausted"
BOOKS_UNAVAILABLE = "books_unavailable"
FREE = NanoUsd(0)


class Settlement:
    """The open end of one call's hold."""

    __slots__ = (
        "_call", "_hold", "_learned", "_model", "_weighed", "attempts", "charge", "dropped", "extensions",
        "first_byte_ms", "overridden", "reason", "stop", "usage",
    )  # fmt: skip

    def __init__(self, call: Call, weighed: Weighed, model: str, learned: UsualOutput) -> None:
        self._call, self._weighed, self._hold, self._model, self._learned = call, weighed, weighed.hold, model, learned
        self.attempts: list[Attempt] = []
        self.dropped: tuple[str, ...] = ()
        self.overridden: tuple[str, ...] = ()
        """What the channel's override has changed of the question."""
        self.first_byte_ms = 0
        self.charge = FREE
        self.reason: Reason | None = None
        """Set when the books are closed."""
        self.usage: Usage | None = None
        """What was charged for: the provider's count, or our own."""
        self.stop = ""
        """Why we ended the answer, or had it end, before what was asked."""
        self.extensions = 0

    def close(self, reason: Reason, candidate: Candidate | None, said: Said, now_s: float, note: str = "") -> None:
        """Charge what was said, or release everything; a second call changes nothing."""
        if self.reason is not None:
            return
        usage = self.usage = self._usage(reason, candidate, said)
        bill = cost(usage, candidate.model.price) if usage is not None and candidate is not None else None
        self.reason = Reason.EMPTY if reason is Reason.COMPLETED and bill is None else reason
        if said.at_limit and self._weighed.output_limit is not None and not self.stop:
            self.stop = CREDITS_EXHAUSTED
        receipt = self._receipt(candidate, usage, bill, now_s, note)
        self.charge = self._hold.settle(receipt).charge_nano_usd
        if said.counted and usage is not None and candidate is not None and reason is Reason.COMPLETED:
            self._learned.learn(candidate.model.id, self._call.caller.key, usage.output_total)

    def _usage(self, reason: Reason, candidate: Candidate | None, said: Said) -> Usage | None:
        """The provider's own count if it came whole, else ours; None when nothing is owed.

        An answer that said nothing and whose provider counted no output is free (relay.md 8.8).
        """
        if candidate is None or reason is Reason.FAILED:
            return None
        told = said.usage
        if not said.spoken and (told is None or not told.output_total):
            return None
        if said.counted and told is not None:
            return told
        spoken = said.tally.tokens(candidate.model.family) + said.images * TOKENS_PER_PICTURE
        if told is not None:
            return _with_output(told, max(spoken, told.output_total))
        total = input_estimate(self._call, candidate)
        return Usage(input_total=total, output_total=spoken, images=said.images, source=UsageSource.ESTIMATE)

    def _receipt(
        self, candidate: Candidate | None, usage: Usage | None, bill: Bill | None, now_s: float, note: str
    ) -> Receipt:
        call = self._call
        cost_nano_usd, charge = (bill.provider_nano_usd, bill.charge_nano_usd) if bill is not None else (FREE, FREE)
        begun, most, held = self._weighed.begun, self._weighed.believable, self._hold.amount
        believed, envelope = charge if charge <= most else most, call.envelope
        group = ratio = ""
        if bill is not None and isinstance(bill.price, GroupPrice):
            group, ratio = bill.price.group, plain_digits(bill.price.ratio)
        return Receipt(
            id=call.id,
            user=call.caller.user,
            key=call.caller.key,
            reason=self.reason or Reason.FAILED,
            surface=call.surface,
            model=candidate.model.id if candidate is not None else self._model,
            asked=envelope.model or "",
            stream=envelope.stream,
            started_at_s=call.arrived_s,
            duration_ms=round((now_s - call.started_s) * 1000),
            first_byte_ms=self.first_byte_ms,
            attempts=tuple(self.attempts),
            usage=usage,
            lines=bill.lines if bill is not None else (),
            price_version=bill.price.version if bill is not None else "",
            hold_nano_usd=held,
            hold_begun_nano_usd=begun if begun != held else FREE,
            extensions=self.extensions,
            provider_cost_nano_usd=cost_nano_usd,
            charge_nano_usd=believed,
            overrun_nano_usd=NanoUsd(charge - most) if charge > most else FREE,
            dropped=self.dropped,
            overridden=self.overridden,
            group=group,
            ratio=ratio,
            note=note,
            stop=self.stop,
        )


def _with_output(counted: Usage, output: int) -> Usage:
    """A count that broke off: the provider's figure for the prompt, the larger figure for what was said."""
    return msgspec.structs.replace(
        counted.prompt,
        output_total=output,
        reasoning=min(counted.reasoning, output),
        images=counted.images,
        source=UsageSource.ESTIMATE,
    )
