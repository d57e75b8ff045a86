"""What is on sale and where it is bought: Model, Price and Channel."""

import hashlib
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import NamedTuple

import msgspec

from tollway.core.ids import ChannelId, LaneId, ModelId
from tollway.core.money import IMAGE_FACTOR, MARGIN, NANO_PER_USD
from tollway.core.shape import AdvancedRoute, BodyOverride

_INPUTS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "image_in", "audio_in")
_OUTPUTS = ("output", "image_out", "audio_out")
CHAT, EMBEDDING = "chat", "embedding"
"""What a model does: it answers conversations, or turns texts into vectors."""
STRIPPED = frozenset(
    {"service_tier", "serviceTier", "inference_geo", "speed", "safety_identifier", "include_obfuscation"}
)
"""Fields that change what a provider charges, or what it learns of a caller: taken out unless a channel allows them."""


class Rates(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A price card in whole numbers, so that billing is integer arithmetic without error.

    One unit is 1/`scale` nano-dollar. Token classes are units per token.
    """

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    image_in: int
    audio_in: int
    output: int
    image_out: int
    audio_out: int
    image: int
    """Units for one picture; 0 when pictures are paid by their tokens."""
    tools: dict[str, int]
    """Units for one call of each server tool."""
    scale: int
    charge_numerator: int
    """Units times `charge_numerator` over `charge_denominator` is the charge in nano-dollars, margin included."""
    charge_denominator: int
    dearest_in: int
    """The most one input token can cost, whatever its class."""
    dearest_out: int
    dearest_tool: int
    told: tuple[str, str, str]
    """US dollars per million tokens of input, cached input and output, as receipts say it."""


class Price(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A price card: US dollars per million tokens of each class, before margin.

    A class left None costs what its parent costs: cache classes, image and audio input the input price,
    reasoning, image and audio output the output price. In long context the classes keep their proportion
    to input and output.
    """

    version: str
    """Names this card on receipts, e.g. `2026-11-01`."""
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    image_in: Decimal | None = None
    audio_in: Decimal | None = None
    image_out: Decimal | None = None
    audio_out: Decimal | None = None
    per_image: Decimal | None = None
    """US dollars for each picture delivered; replaces image output tokens."""
    per_tool_call: dict[str, Decimal] = {}
    """US dollars for each server-side tool call, by tool name."""
    long_context_over: int | None = None
    """Prompt tokens above which `long_input` and `long_output` hold for the whole call."""
    long_input: Decimal | None = None
    long_output: Decimal | None = None
    image_model: bool = False
    """Carries the image factor on top of the margin."""

    @cached_property
    def rates(self) -> Rates:
        """The card in whole numbers; worked out once."""
        return _rates(self, Fraction(1), Fraction(1))

    @cached_property
    def long_rates(self) -> Rates:
        """The card above `long_context_over`; the same as `rates` when there is no such limit."""
        if self.long_context_over is None:
            return self.rates
        return _rates(self, _growth(self.input, self.long_input), _growth(self.output, self.long_output))

    def rates_for(self, input_tokens: int) -> Rates:
        """The rates that hold for a prompt of that many tokens."""
        limit = self.long_context_over
        return self.rates if limit is None or input_tokens <= limit else self.long_rates


class GroupPrice(Price, frozen=True, kw_only=True, dict=True):
    """A price card as it holds in one group of callers: what the provider takes is the same, the charge is not."""

    group: str
    ratio: Decimal
    """The charge is multiplied with it, exactly, before it is rounded; nothing below zero."""


def price_in(price: Price, group: str, ratio: Decimal) -> GroupPrice:
    """The card in a group."""
    own = {name: getattr(price, name) for name in Price.__struct_fields__}
    return GroupPrice(**own, group=group, ratio=ratio)


def plain_digits(dollars: Decimal | None) -> str:
    """Plain digits without trailing zeros: `0.5`, `3`, `100`."""
    text = f"{dollars or Decimal(0):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _growth(base: Decimal, long: Decimal | None) -> Fraction:
    return Fraction(1) if long is None or not base else Fraction(long) / Fraction(base)


def _rates(price: Price, input_growth: Fraction, output_growth: Fraction) -> Rates:
    per_token = Fraction(NANO_PER_USD, 1_000_000)

    def of(own: Decimal | None, parent: Decimal, growth: Fraction) -> Fraction:
        return Fraction(parent if own is None else own) * per_token * growth

    exact = {name: of(getattr(price, name), price.input, input_growth) for name in _INPUTS}
    exact |= {name: of(getattr(price, name), price.output, output_growth) for name in _OUTPUTS}
    exact["image"] = Fraction(price.per_image or 0) * NANO_PER_USD
    tools = {name: Fraction(dollars) * NANO_PER_USD for name, dollars in price.per_tool_call.items()}
    scale = lcm(*(value.denominator for value in (*exact.values(), *tools.values())))
    units = {name: int(value * scale) for name, value in exact.items()}

    def per_million(each: int) -> str:
        return plain_digits(Decimal(each) / scale / 1000)

    tool_units = {name: int(value * scale) for name, value in tools.items()}
    factor = Fraction(MARGIN) * (Fraction(IMAGE_FACTOR) if price.image_model else 1)
    if isinstance(price, GroupPrice):
        factor *= Fraction(price.ratio)
    return Rates(
        **units,
        tools=tool_units,
        scale=scale,
        charge_numerator=factor.numerator,
        charge_denominator=factor.denominator * scale,
        dearest_in=max(units[name] for name in _INPUTS),
        dearest_out=max(units[name] for name in _OUTPUTS),
        dearest_tool=max(tool_units.values(), default=0),
        told=(per_million(units["input"]), per_million(units["cache_read"]), per_million(units["output"])),
    )


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model as sold."""

    id: ModelId
    name: str
    provider: str
    """The provider clients see it listed under."""
    category: str
    context_window: int
    """Tokens of one input, where it makes vectors."""
    max_output: int
    price: Price
    served_by: dict[str, str]
    """Provider name → that provider's own name for the model; any of them may serve it."""
    family: str
    """Decides token counting: `openai`, `anthropic`, `gemini` or `other`; see metering/."""
    abilities: frozenset[str] = frozenset()
    """Of `tools`, `vision`, `pdf`, `audio_in`, `audio_out`, `image_out`, `reasoning`, `structured`."""
    aliases: tuple[str, ...] = ()
    fallbacks: tuple[ModelId, ...] = ()
    free_plan: bool = False
    custom: bool = False
    enabled: bool = True
    type: str = CHAT
    """`chat` or `embedding`."""
    strategy: str = ""
    """How its channels are ordered (`cheapest`, `prefix_affinity,cheapest` …); empty: as `[routing]` says."""
    first_byte_timeout_s: float | None = None
    """How long its first word may take, on channels that do not say so themselves; None: as `[upstream]` says."""


class Lane(NamedTuple):
    """One way through a channel: one of its keys. Fails, rests and recovers by itself."""

    id: LaneId
    key: str


class Channel(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One way to reach a provider: an address, its keys, and what it changes in the calls that take it."""

    id: ChannelId
    provider: str
    base_url: str
    """Without a trailing slash, e.g. `https://api.openai.com/v1`."""
    keys: tuple[str, ...] = ()
    key_choice: str = "random"
    """Which of several keys comes first: `random`, `round_robin`, or `affinity` (a caller keeps his key)."""
    enabled: bool = True
    tag: str = ""
    remark: str = ""
    groups: tuple[str, ...] = ()
    """The groups of callers it serves; empty: all."""
    priority: int = 0
    """Higher is tried first."""
    weight: int = 1
    price_factor: Decimal = Decimal(1)
    """What its provider takes, beside the list price: 0.8 for one who sells a fifth below it. For routing only."""
    models: dict[str, str] | None = None
    """Model id → upstream name served here; None: every model whose `served_by` names the provider."""
    model_mapping: dict[str, str] = {}
    """Model id or upstream name → the name that is said upstream; followed to its end, no cycles."""
    headers: tuple[tuple[str, str], ...] = ()
    header_override: tuple[tuple[str, str], ...] = ()
    """Name or pattern → value, worked out for each call (relay.md 3.6)."""
    param_override: BodyOverride | None = None
    status_map: dict[int, int] = {}
    """An upstream's status → the status it is taken for, before a remedy is chosen."""
    proxy: str = ""
    """URL of the proxy through which it is reached, perhaps with a password; empty: none."""
    advanced_routes: tuple[AdvancedRoute, ...] = ()
    """It answers at these paths alone, as each of them says."""
    route: AdvancedRoute | None = None
    """Of a channel as it is at one path: how it is asked there."""
    system_prompt: str = ""
    """Said to the model first where a request has no system prompt."""
    system_prompt_override: bool = False
    """It is said also where the request has one, before that."""
    force_format: bool = False
    """Answers are told anew in the caller's dialect also where they could pass as they came."""
    thinking_to_content: bool = False
    """Thoughts are told as words of the answer, between `<think>` and `</think>`."""
    content_to_thinking: bool = False
    """Words between `<think>` and `</think>` at the beginning of an answer are told as thoughts."""
    pass_through: bool = False
    """Bodies of the provider's own dialect go on as they came, but for the model's name and the output limit."""
    strip: frozenset[str] = STRIPPED
    """Fields that are taken out of bodies."""
    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None
    """Requests and tokens a minute, and calls at once, of the whole channel; None: no limit."""
    key_rpm: int | None = None
    key_tpm: int | None = None
    key_parallel: int | None = None
    """The same for each of its keys."""
    auto_disable: bool = True
    """A refused key is taken out of service until a probe passes; False: it rests as after any other failure."""
    test_model: str = ""
    connect_timeout_s: float = 10.0
    first_byte_timeout_s: float = 60.0
    own_patience: bool = False
    """It states `first_byte_timeout_s` itself: a model's own does not count here."""
    idle_timeout_s: float = 120.0
    total_timeout_s: float = 600.0
    on_disconnect: str = "provider"
    """A caller left in mid-answer: `cancel` at once, `drain` (read on), or as the provider's own row says."""
    drain_s: float = 30.0
    """How long at most it is read on for the provider's own count; 0: not at all."""
    drain_tokens: int = 16_384
    """Output tokens after which it is read on no more."""

    @property
    def key(self) -> str:
        """The first key, or nothing: for what needs any key at all."""
        return self.keys[0] if self.keys else ""

    @cached_property
    def lanes(self) -> tuple[Lane, ...]:
        """One for each key, in the stated order; a channel without a key has one without."""
        if len(self.keys) < 2:
            return (Lane(LaneId(self.id), self.key),)
        for size in (3, 8, 32):  # six digits tell keys apart, but for a rare pair
            digests = [hashlib.blake2b(key.encode(), digest_size=size).hexdigest() for key in self.keys]
            if len(set(digests)) == len(digests):
                break
        return tuple(Lane(LaneId(f"{self.id}#{name}"), key) for name, key in zip(digests, self.keys, strict=True))

    def name_of(self, model: Model) -> str | None:
        """What the model is called at this address; None when it is not served here.

        A mapping may be stated for the id, for an alias or for the upstream's name; where no models are stated, a
        mapped id is served, too.
        """
        upstream = self.models.get(model.id) if self.models is not None else model.served_by.get(self.provider)
        if not self.model_mapping:
            return upstream
        mapped = next((end for name in (model.id, *model.aliases) if (end := self.model_mapping.get(name))), None)
        if upstream is None:
            return mapped if self.models is None else None
        return mapped or self.model_mapping.get(upstream, upstream)

    @property
    def is_limited(self) -> bool:
        """Some limit of its own holds."""
        own = (self.rpm, self.tpm, self.parallel, self.key_rpm, self.key_tpm, self.key_parallel)
        return any(limit is not None for limit in own)

    def __repr__(self) -> str:
        """Without the keys and the headers, so that no log can hold them."""
        return f"Channel(id={self.id!r}, provider={self.provider!r}, base_url={self.base_url!r})"
