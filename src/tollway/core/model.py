"""What is on sale and where it is bought: Model, Price and Channel."""

from decimal import Decimal

import msgspec

from tollway.core.ids import ChannelId, ModelId


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A price card: US dollars per million tokens of each class, before margin.

    A class left None costs what its parent costs: cache classes, image and audio input the input price,
    reasoning, image and audio output the output price.
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


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model as sold."""

    id: ModelId
    name: str
    provider: str
    """The provider clients see it listed under."""
    category: str
    context_window: int
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


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One way to reach a provider: an address and a key."""

    id: ChannelId
    provider: str
    base_url: str
    """Without a trailing slash, e.g. `https://api.openai.com/v1`."""
    key: str = ""
    priority: int = 0
    """Higher is tried first."""
    weight: int = 1
    models: dict[str, str] | None = None
    """Model id → upstream name served here; None: every model whose `served_by` names the provider."""
    headers: tuple[tuple[str, str], ...] = ()
    connect_timeout_s: float = 10.0
    first_byte_timeout_s: float = 60.0
    idle_timeout_s: float = 120.0
    total_timeout_s: float = 600.0
