"""What an answer cost: exact whole-number arithmetic, rounded upward once at the very end."""

from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from tollway.core.model import Price, Rates, plain_digits
from tollway.core.money import NanoUsd, round_up_ratio
from tollway.core.receipt import PriceLine
from tollway.core.usage import Usage

_OWN_PRICE = ("audio_in", "audio_out", "image_out")
"""Classes that no provider sells at the price of text."""


class Bill(NamedTuple):
    """The cost of one answer. The lines are worked out when asked for, off the request path."""

    provider_nano_usd: NanoUsd
    """What the provider takes for it."""
    charge_nano_usd: NanoUsd
    """What the caller pays: the margin, and for image models the image factor, included."""
    usage: Usage
    price: Price

    @property
    def lines(self) -> tuple[PriceLine, ...]:
        """One line for each class that was used, in the order of the receipt."""
        return _lines(self.usage, self.price)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """What was used but stands on no price card, such as a server tool or sound charged as text: a hole in the
        catalog, worth an alarm.
        """
        price = self.price
        holes = [name for name in _OWN_PRICE if getattr(self.usage, name) > 0 and getattr(price, name) is None]
        if self.usage.images > 0 and price.per_image is not None and "image_out" in holes:
            holes.remove("image_out")
        tools = [name for name, count in self.usage.tool_calls if count > 0 and name not in price.per_tool_call]
        return (*holes, *tools)


class Split(NamedTuple):
    """Usage as classes that do not overlap: every token is in exactly one."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    image_in: int
    audio_in: int
    output: int
    image_out: int
    audio_out: int


def cost(usage: Usage, price: Price) -> Bill:
    """The bill for `usage` at `price`; nothing used costs nothing.

    A provider's contradictions never make a negative cost: parts larger than their total leave a rest of zero.
    """
    rates = price.rates if price.long_context_over is None else price.rates_for(usage.input_total)
    units = _units(usage, rates)
    return Bill(
        round_up_ratio(units, rates.scale),
        round_up_ratio(units * rates.charge_numerator, rates.charge_denominator),
        usage,
        price,
    )


def _units(usage: Usage, rates: Rates) -> int:
    """Cost in the card's own unit. Plain text with cache reads, by far the most common, takes the short way."""
    if _is_plain(usage):
        read = usage.cache_read
        return (usage.input_total - read) * rates.input + read * rates.cache_read + usage.output_total * rates.output
    return _units_of_all(usage, rates)


def _is_plain(usage: Usage) -> bool:
    """Text in, text out, at most with cache reads, and figures that agree with one another."""
    return (
        not (usage.cache_write_5m or usage.cache_write_1h or usage.image_in or usage.audio_in)
        and not (usage.image_out or usage.audio_out or usage.images or usage.tool_calls)
        and 0 <= usage.cache_read <= usage.input_total
        and usage.output_total >= 0
    )


def _units_of_all(usage: Usage, rates: Rates) -> int:
    parts = split(usage)
    units = (
        parts.input * rates.input
        + parts.cache_read * rates.cache_read
        + parts.cache_write_5m * rates.cache_write_5m
        + parts.cache_write_1h * rates.cache_write_1h
        + parts.image_in * rates.image_in
        + parts.audio_in * rates.audio_in
        + parts.output * rates.output
        + parts.audio_out * rates.audio_out
    )
    if rates.image and usage.images > 0:
        units += usage.images * rates.image
    else:
        units += parts.image_out * rates.image_out
    for name, count in usage.tool_calls:
        units += max(0, count) * rates.tools.get(name, 0)
    return units


def split(usage: Usage) -> Split:
    """Usage without overlaps. What claims to be part of a total never exceeds what is left of it, caches excepted:
    a provider that reports more cache reads than prompt is believed about the cache.
    """
    read, short, long = max(0, usage.cache_read), max(0, usage.cache_write_5m), max(0, usage.cache_write_1h)
    fresh = max(0, usage.input_total - read - short - long)
    image_in = min(max(0, usage.image_in), fresh)
    audio_in = min(max(0, usage.audio_in), fresh - image_in)
    said = max(0, usage.output_total)
    image_out = min(max(0, usage.image_out), said)
    audio_out = min(max(0, usage.audio_out), said - image_out)
    text_in, text_out = fresh - image_in - audio_in, said - image_out - audio_out
    return Split(text_in, read, short, long, image_in, audio_in, text_out, image_out, audio_out)


def _lines(usage: Usage, price: Price) -> tuple[PriceLine, ...]:
    rates = price.rates_for(usage.input_total)
    if _is_plain(usage):
        return _plain_lines(usage, rates)
    by_picture = bool(rates.image) and usage.images > 0
    lines = [
        PriceLine(what, count, _per_million(getattr(rates, what), rates.scale))
        for what, count in zip(Split._fields, split(usage), strict=True)
        if count and not (what == "image_out" and by_picture)
    ]
    if by_picture:
        lines.append(PriceLine("images", usage.images, plain_digits(price.per_image)))
    for name, count in usage.tool_calls:
        if count > 0:
            lines.append(PriceLine(f"tool:{name}", count, plain_digits(price.per_tool_call.get(name))))
    return tuple(lines)


def _plain_lines(usage: Usage, rates: Rates) -> tuple[PriceLine, ...]:
    per_input, per_read, per_output = rates.told
    read, fresh, said = usage.cache_read, usage.input_total - usage.cache_read, usage.output_total
    if fresh and said and not read:  # nearly always
        return PriceLine("input", fresh, per_input), PriceLine("output", said, per_output)
    classes = (("input", fresh, per_input), ("cache_read", read, per_read), ("output", said, per_output))
    return tuple([PriceLine(*line) for line in classes if line[1]])


@lru_cache(4096)
def _per_million(units: int, scale: int) -> str:
    """Units per token as US dollars per million: one unit is 1/`scale` nano-dollar."""
    return plain_digits(Decimal(units) / scale / 1000)
