"""How much a call may cost at worst: bounded cheaply for the rich, counted exactly for everybody else."""

import asyncio
from collections.abc import Iterable

import msgspec

from tollway.core.chat import ChatRequest, Effort
from tollway.core.errors import BadRequest, CreditsExhausted
from tollway.core.model import Model
from tollway.core.money import NanoUsd
from tollway.gateway.ledger.hold import Hold, Ledger
from tollway.gateway.metering.ceiling import (
    MIN_OUTPUT,
    TOOL_CALLS_UNSTATED,
    Worst,
    affordable_output,
    ceiling,
    tool_calls_at_most,
)
from tollway.gateway.metering.tokens import count_at_once, hold_tokens, is_warm, upper_bound
from tollway.gateway.pipeline.call import Call
from tollway.gateway.routing.router import Plan

RICH = 1000
"""An account that covers this many times the cheap bound is held by the bound: nothing hangs on its exactness."""
LARGE_BODY = 64 * 1024
"""Bytes above which counting goes to a thread, so that nobody else waits for it."""
BYTES_PER_TOKEN = 4
LARGEST_BUDGET = 32_000
"""Thinking tokens of the highest effort where a provider wants a number."""
BESIDE_BUDGET = 1024
NEVER = 10**18
"""More nano-dollars than anybody has."""


class Weighed:
    """What the worst case was taken to be, and the hold that covers it."""

    __slots__ = ("hold", "output_limit")

    def __init__(self, hold: Hold, output_limit: int | None = None) -> None:
        self.hold = hold
        self.output_limit = output_limit
        """Output tokens the credits cover, when the caller set no limit and cannot pay for the model's own."""


async def weigh(call: Call, plan: Plan, ledger: Ledger) -> Weighed:
    """Hold the worst case over the whole plan. Raises CreditsExhausted."""
    payer, envelope = call.caller.payer, call.envelope
    if not (envelope.media or envelope.server_tools):
        bound = _bound(call, plan)
        if not ledger.left(payer):
            await ledger.learn(payer, bound)
        if ledger.left(payer) >= bound * RICH:
            return Weighed(ledger.try_hold(payer, bound, call.id) or await ledger.hold(payer, bound, call.id))
    prices = [candidate.model.price for candidate in plan.candidates]
    worst = await _worst_case(call, plan)
    need = ceiling(prices, worst)
    try:
        return Weighed(ledger.try_hold(payer, need, call.id) or await ledger.hold(payer, need, call.id))
    except CreditsExhausted as error:
        if call.envelope.max_output is not None:
            raise
        limit = affordable_output(prices, worst, error.remaining_nano_usd)
        if limit < MIN_OUTPUT:
            raise
    worst = Worst(worst.input_tokens, limit, worst.answers, worst.images, worst.tool_calls)
    return Weighed(await ledger.hold(payer, ceiling(prices, worst), call.id), limit)


async def _worst_case(call: Call, plan: Plan) -> Worst:
    """The bounds of the call, its words counted.

    What we cannot read may pass through to a provider of the same dialect, who knows tomorrow's fields: then its
    size is the bound. Raises BadRequest when it would have to be understood.
    """
    models = {candidate.model.family: candidate.model for candidate in plan.candidates}.values()
    try:
        tokens = await _counted(call, models)
    except BadRequest:
        if plan.candidates[0].provider.dialect is not call.dialect:
            raise
        return _worst(call, plan, upper_bound(call.size), TOOL_CALLS_UNSTATED if call.envelope.server_tools else 0)
    request = call.request()
    worst = _worst(call, plan, tokens, tool_calls_at_most(request.tools))
    if _may_widen(call, plan):
        return msgspec.structs.replace(worst, max_output=_with_thoughts(worst.max_output, request, plan))
    return worst


def _bound(call: Call, plan: Plan) -> NanoUsd:
    """More than the worst case, without looking at a single word: a token is never less than one byte."""
    per_in, per_out = plan.dearest
    asked, most = call.envelope.max_output, plan.most_output
    output = most if asked is None or asked > most or _may_widen(call, plan) else asked
    return NanoUsd(upper_bound(call.size) * per_in + output * call.envelope.answers * per_out + _pictures(plan))


def _may_widen(call: Call, plan: Plan) -> bool:
    """Whether some candidate may be asked for more output than the caller's limit, for the sake of thinking."""
    body = call.body
    if not ("reasoning_effort" in body or "thinking" in body or "reasoning" in body or "generationConfig" in body):
        return False
    spoken = (candidate.provider.dialect for candidate in plan.candidates)
    return any(dialect.widens_limit and dialect is not call.dialect for dialect in spoken)


def _with_thoughts(limit: int, request: ChatRequest, plan: Plan) -> int:
    """The limit a provider may be given where thinking must fit under it (relay.md 6.17: budget + 1,024)."""
    thinking = request.thinking
    if thinking is None or thinking.effort is Effort.NONE:
        return limit
    budget = thinking.budget if thinking.budget is not None and thinking.budget > 0 else LARGEST_BUDGET
    return min(plan.most_output, max(limit, budget + BESIDE_BUDGET))


def _pictures(plan: Plan) -> int:
    """Pictures sold by the piece are not tokens: such models are always weighed exactly."""
    return NEVER if any(candidate.model.price.per_image for candidate in plan.candidates) else 0


def _worst(call: Call, plan: Plan, tokens: int, tool_calls: int) -> Worst:
    most = plan.most_output
    asked = call.envelope.max_output
    return Worst(tokens, most if asked is None else min(asked, most), call.envelope.answers, tool_calls=tool_calls)


async def _counted(call: Call, models: Iterable[Model]) -> int:
    """Prompt tokens by the greediest of the plan's tokenizers."""
    if call.size > LARGE_BODY or not is_warm():
        return await asyncio.to_thread(_count, call, tuple(models))
    return _count(call, tuple(models))


def _count(call: Call, models: tuple[Model, ...]) -> int:
    request = call.request()
    return max(hold_tokens(request, model) for model in models)


def input_estimate(call: Call, model: Model) -> int:
    """Prompt tokens where the provider did not say: counted when that is quick, else by length."""
    if call.size > LARGE_BODY:
        return call.size // BYTES_PER_TOKEN
    try:
        return count_at_once(call.request(), model)
    except BadRequest:  # it passed through: the provider understood what we do not
        return call.size // BYTES_PER_TOKEN
