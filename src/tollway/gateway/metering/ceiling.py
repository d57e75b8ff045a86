"""The most a call can cost, whichever candidate of its plan answers."""

from collections.abc import Sequence

import msgspec

from tollway.core.chat import Tool, ToolKind
from tollway.core.model import Price, Rates
from tollway.core.money import NanoUsd, round_up_ratio

MIN_OUTPUT = 256
"""A low balance may shrink the output limit of a call held at its worst to this, not below (hub.md 4.5)."""
TOOL_CALLS_UNSTATED = 10
"""Calls assumed of a server tool whose `max_uses` the caller left open."""


class Worst(msgspec.Struct, frozen=True, gc=False):
    """The bounds within which a call's usage must stay."""

    input_tokens: int
    max_output: int
    """For one answer, reasoning included."""
    answers: int = 1
    images: int = 1
    """Pictures in one answer, where pictures are sold by the piece."""
    tool_calls: int = 0
    """Calls of server tools in the whole call."""


def ceiling(prices: Sequence[Price], worst: Worst) -> NanoUsd:
    """The charge of the worst case over all candidates: every input token of the dearest class (a cache write may
    be dearer than plain input), every output token of the dearest class, margin included. Zero without candidates.
    """
    most = NanoUsd(0)
    said = worst.max_output * worst.answers
    for price in prices:
        for rates in cards(price, worst.input_tokens):
            units = _fixed(rates, worst) + said * rates.dearest_out
            charge = round_up_ratio(units * rates.charge_numerator, rates.charge_denominator)
            most = max(most, charge)
    return most


def affordable_output(prices: Sequence[Price], worst: Worst, balance_nano_usd: int) -> int:
    """The largest output limit, at most `worst.max_output`, whose ceiling `balance_nano_usd` covers.

    0 when not even the input and one token can be paid.
    """
    each = [rates for price in prices for rates in cards(price, worst.input_tokens)]
    return min((_affordable(rates, worst, balance_nano_usd) for rates in each), default=worst.max_output)


def one_more(price: Price, input_tokens: int) -> NanoUsd:
    """What one more token of output costs at most, margin included, rounded upward."""
    each = cards(price, input_tokens)
    return max(round_up_ratio(one.dearest_out * one.charge_numerator, one.charge_denominator) for one in each)


def tool_calls_at_most(tools: Sequence[Tool]) -> int:
    """How often the provider's own tools may run: their `max_uses`, or TOOL_CALLS_UNSTATED each."""
    calls = 0
    for tool in tools:
        if tool.kind is ToolKind.SERVER:
            stated = (tool.settings or {}).get("max_uses")
            calls += stated if isinstance(stated, int) and stated > 0 else TOOL_CALLS_UNSTATED
    return calls


def cards(price: Price, input_tokens: int) -> tuple[Rates, ...]:
    """The rates that may apply: a prompt counted above the long-context limit may turn out below it."""
    limit = price.long_context_over
    return (price.rates,) if limit is None or input_tokens <= limit else (price.rates, price.long_rates)


def _fixed(rates: Rates, worst: Worst) -> int:
    """Units that do not depend on how much is said."""
    return (
        worst.input_tokens * rates.dearest_in
        + worst.images * worst.answers * rates.image
        + worst.tool_calls * rates.dearest_tool
    )


def _affordable(rates: Rates, worst: Worst, balance_nano_usd: int) -> int:
    if not rates.charge_numerator:  # a group that pays nothing
        return worst.max_output
    left = balance_nano_usd * rates.charge_denominator // rates.charge_numerator - _fixed(rates, worst)
    if left < 0:
        return 0
    per_token = rates.dearest_out * worst.answers
    return worst.max_output if per_token == 0 else min(worst.max_output, left // per_token)
