"""How much of the credits a call sets aside: what is usual for a stream, the worst case for what cannot be stopped."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from tollway.core.chat import ChatRequest, Effort, Message, Role, Text
from tollway.core.errors import BadRequest, CreditsExhausted
from tollway.core.model import EMBEDDING, Model, Price
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
from tollway.gateway.metering.learned import UsualOutput
from tollway.gateway.metering.tokens import count_at_once, count_text, hold_tokens, is_warm, upper_bound
from tollway.gateway.pipeline.call import Call
from tollway.gateway.routing.plan import Candidate, Plan
from tollway.gateway.shaping.shape import Prompt

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
LEAST_OF_THE_RICH, LEAST_OF_THE_POOR = 256, 32
"""Output tokens that a stream begins with at least: credit that is there is not asked for bit by bit."""
SHARE = 32
"""A stream of a poor account begins with at most this part of what is left: others may want to begin, too."""
TRIES = 3
"""How often a lower hold is tried when others take the credits between our looking and our taking."""
FRAME = 8
"""Tokens around a message, at most."""
PROMPTS_KEPT = 1024
"""System prompts of channels whose tokens are remembered."""
SYSTEM = (Role.SYSTEM, Role.DEVELOPER)


class Weighed:
    """The hold a call begins with, and what it stands for."""

    __slots__ = ("begun", "believable", "first", "fixed", "hold", "input_tokens", "most", "output_limit")

    def __init__(self, hold: Hold, worst: Worst, output_limit: int | None = None) -> None:
        self.hold = hold
        self.begun = hold.amount
        """Nano-dollars held at the start."""
        self.output_limit = output_limit
        """Output tokens the credits cover, where that is less than what was asked; the provider is told."""
        self.input_tokens = worst.input_tokens
        self.most = (worst.max_output if output_limit is None else min(output_limit, worst.max_output)) * worst.answers
        """Output tokens, all answers together, that the call may come to."""
        self.first = self.most
        """Output tokens that the hold covers."""
        self.fixed = NanoUsd(0)
        """Nano-dollars of the hold for what does not depend on how much is said."""
        self.believable = self.begun
        """The ceiling: a call is never charged more, whatever its provider counts (hub.md 4.5)."""

    @property
    def is_short(self) -> bool:
        """Less than the worst case of what was asked is held: a stream must be watched."""
        return self.output_limit is not None or self.first < self.most


async def weigh(call: Call, plan: Plan, ledger: Ledger, usual: UsualOutput) -> Weighed:
    """Hold enough to begin with. Raises CreditsExhausted when the input and one token of output cannot be paid."""
    payer, envelope = call.caller.payer, call.envelope
    if envelope.media or envelope.server_tools:
        weighed = await _hold_counted(call, plan, ledger, usual)
        weighed.believable = NanoUsd(NEVER)  # what a provider finds on its own is part of its prompt
        return weighed
    worst = Worst(upper_bound(call.size + plan.facts.prompt_bytes), _most_output(call, plan), envelope.answers)
    bound = _bound(worst, plan)
    left = ledger.left(payer)
    if not left:
        await ledger.learn(payer, bound)
        left = ledger.left(payer)
    if left < bound * RICH:
        return await _hold_counted(call, plan, ledger, usual)
    per_in, per_out = plan.facts.dearest
    first, fixed = _usual(call, plan, worst, usual), worst.input_tokens * per_in
    amount = NanoUsd(fixed + first * per_out)
    hold = ledger.try_hold(payer, amount, call.id) or await ledger.hold(payer, amount, call.id)
    return _growing(Weighed(hold, worst), first, fixed, bound)


async def _hold_counted(call: Call, plan: Plan, ledger: Ledger, usual: UsualOutput) -> Weighed:
    """By the words of the question, each counted."""
    worst = await _worst_case(call, plan)
    prices = plan.facts.prices
    if call.caller.payer.strict:
        return await _hold_strictly(call, prices, worst, ledger)
    if call.envelope.stream:
        return await _hold_stream(call, plan, worst, ledger, usual)
    return await _hold_whole(call, prices, worst, ledger)


def _usual(call: Call, plan: Plan, worst: Worst, usual: UsualOutput) -> int:
    """Output tokens that the call of a rich account begins with, not a word of it counted."""
    first = worst.max_output
    if call.envelope.stream and not call.caller.payer.strict:
        first = min(first, max(LEAST_OF_THE_RICH, usual.tokens(plan.model.id, call.caller.key, first)))
    return first * worst.answers


async def _hold_stream(call: Call, plan: Plan, worst: Worst, ledger: Ledger, usual: UsualOutput) -> Weighed:
    """The input and a usual answer; the provider is told no higher limit than the credits cover altogether."""
    prices = plan.facts.prices
    share = affordable_output(prices, worst, ledger.left(call.caller.payer)) // SHARE
    enough = usual.tokens(plan.model.id, call.caller.key, max(share, LEAST_OF_THE_POOR))
    first = _within(worst, min(enough, worst.max_output))
    hold, first = await _hold_or_less(call, prices, first, ledger)
    paid = affordable_output(prices, worst, hold.amount + ledger.left(call.caller.payer))
    limit = max(paid, first.max_output) if paid < worst.max_output else None
    fixed, most = ceiling(prices, _within(worst, 0)), ceiling(prices, worst)
    return _growing(Weighed(hold, worst, limit), first.max_output * worst.answers, fixed, most)


async def _hold_whole(call: Call, prices: Sequence[Price], worst: Worst, ledger: Ledger) -> Weighed:
    """The worst case of as much output as the credits cover: a whole answer cannot be stopped on its way."""
    hold, covered = await _hold_or_less(call, prices, worst, ledger)
    return Weighed(hold, worst, covered.max_output if covered.max_output < worst.max_output else None)


async def _hold_strictly(call: Call, prices: Sequence[Price], worst: Worst, ledger: Ledger) -> Weighed:
    """The worst case of what was asked; lowered only where the caller stated no limit (hub.md 4.5)."""
    try:
        return Weighed(await _hold(call, ceiling(prices, worst), ledger), worst)
    except CreditsExhausted as error:
        limit = affordable_output(prices, worst, error.remaining_nano_usd)
        if call.envelope.max_output is not None or limit < MIN_OUTPUT:
            raise
    return Weighed(await _hold(call, ceiling(prices, _within(worst, limit)), ledger), worst, limit)


async def _hold_or_less(call: Call, prices: Sequence[Price], worst: Worst, ledger: Ledger) -> tuple[Hold, Worst]:
    """A hold for `worst`, or for as much output as can be paid, and what it covers. Raises CreditsExhausted when not
    even one token can be, or when less than a useful answer can while others hold the rest."""
    few = LEAST_OF_THE_POOR if call.envelope.stream else MIN_OUTPUT
    for tries in range(TRIES, -1, -1):
        try:
            return await _hold(call, ceiling(prices, worst), ledger), worst
        except CreditsExhausted as error:
            limit = affordable_output(prices, worst, error.remaining_nano_usd)
            least = min(few, worst.max_output) if ledger.held(call.caller.payer) else 1
            if limit < least or not tries:
                raise
            worst = _within(worst, min(limit, worst.max_output - 1) or 1)
    raise AssertionError("the last try returns or raises")


async def _hold(call: Call, amount: NanoUsd, ledger: Ledger) -> Hold:
    payer = call.caller.payer
    return ledger.try_hold(payer, amount, call.id) or await ledger.hold(payer, amount, call.id)


def _within(worst: Worst, limit: int) -> Worst:
    return Worst(worst.input_tokens, limit, worst.answers, worst.images, worst.tool_calls)


def _growing(weighed: Weighed, first: int, fixed: int, most: int) -> Weighed:
    weighed.first, weighed.fixed, weighed.believable = first, NanoUsd(fixed), NanoUsd(most)
    return weighed


async def _worst_case(call: Call, plan: Plan) -> Worst:
    """The bounds of the call, its words counted.

    What we cannot read may pass through to a provider of the same dialect, who knows tomorrow's fields: then its
    size is the bound. Raises BadRequest when it would have to be understood.
    """
    models = {model.family: model for model in plan.facts.models}.values()
    try:
        tokens = await _counted(call, models, plan.facts.prompts)
    except BadRequest:
        if plan.candidates[0].provider.dialect is not call.dialect:
            raise
        bound = upper_bound(call.size + plan.facts.prompt_bytes)
        return _worst(call, plan, bound, TOOL_CALLS_UNSTATED if call.envelope.server_tools else 0)
    request = call.request()
    worst = _worst(call, plan, tokens, tool_calls_at_most(request.tools))
    if _may_widen(call, plan):
        return msgspec.structs.replace(worst, max_output=_with_thoughts(worst.max_output, request, plan))
    return worst


def _bound(worst: Worst, plan: Plan) -> NanoUsd:
    """More than the worst case, without looking at a single word: a token is never less than one byte.

    Pictures sold by the piece are not tokens: such models are always weighed exactly.
    """
    per_in, per_out = plan.facts.dearest
    bound = worst.input_tokens * per_in + worst.max_output * worst.answers * per_out
    return NanoUsd(bound + NEVER if plan.facts.pictured else bound)


def _most_output(call: Call, plan: Plan) -> int:
    asked, most = call.envelope.max_output, plan.facts.most_output
    return most if asked is None or asked > most or _may_widen(call, plan) else asked


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
    return min(plan.facts.most_output, max(limit, budget + BESIDE_BUDGET))


def _worst(call: Call, plan: Plan, tokens: int, tool_calls: int) -> Worst:
    most = plan.facts.most_output
    asked = call.envelope.max_output
    return Worst(tokens, most if asked is None else min(asked, most), call.envelope.answers, tool_calls=tool_calls)


async def _counted(call: Call, models: Iterable[Model], prompts: Sequence[str]) -> int:
    """Prompt tokens by the greediest of the plan's tokenizers, with the longest prompt that a channel adds."""
    if call.size > LARGE_BODY or not is_warm() or call.dialect.type == EMBEDDING:  # whose table may not be loaded
        return await asyncio.to_thread(_count, call, tuple(models), prompts)
    return _count(call, tuple(models), prompts)


def _count(call: Call, models: tuple[Model, ...], prompts: Sequence[str]) -> int:
    request = call.request()
    added = max((prompt_tokens(model.family, each) for each in prompts for model in models), default=0)
    return max(hold_tokens(request, model) for model in models) + added


@lru_cache(PROMPTS_KEPT)
def prompt_tokens(family: str, prompt: str) -> int:
    """Tokens of a system prompt that a channel adds, to hold for; worked out once."""
    return max(count_text(family, prompt), -(-len(prompt) // BYTES_PER_TOKEN)) + FRAME


def input_estimate(call: Call, candidate: Candidate) -> int:
    """Prompt tokens where the provider did not say, its channel's own system prompt included: counted when that is
    quick, else by length."""
    prompt = candidate.shape.prompt if candidate.shape is not None else None
    if call.size > LARGE_BODY:
        return (call.size + (len(prompt.text) if prompt is not None else 0)) // BYTES_PER_TOKEN
    try:
        request = call.request()
        if prompt is not None and _is_said(prompt, request, call, candidate):
            system = Message(Role.SYSTEM, (Text(prompt.text),))
            request = msgspec.structs.replace(request, messages=(system, *request.messages))
        return count_at_once(request, candidate.model)
    except BadRequest:  # it passed through: the provider understood what we do not
        return call.size // BYTES_PER_TOKEN


def _is_said(prompt: Prompt, request: ChatRequest, call: Call, candidate: Candidate) -> bool:
    """Whether the channel has put its prompt into the request."""
    if candidate.channel.pass_through and candidate.provider.dialect is call.dialect:
        return False
    return prompt.first or all(message.role not in SYSTEM for message in request.messages)
