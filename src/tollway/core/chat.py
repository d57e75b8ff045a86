"""The canonical question: one conversation, ours, borrowed from no vendor (relay.md 5.2)."""

import enum
from typing import Any

import msgspec

from tollway.core.embedding import Embedding
from tollway.core.media import Media
from tollway.core.places import NOWHERE, Places


class Role(enum.Enum):
    """Who speaks. `DEVELOPER` outranks the user like `SYSTEM`, but stays a turn of its own."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """A source the answer leans on; offsets count characters of the text it annotates."""

    url: str | None = None
    title: str | None = None
    quote: str | None = None
    start: int | None = None
    end: int | None = None
    document: int | None = None
    """Index of the cited document among those in the question."""
    family: str | None = None
    raw: Any = None
    """The provider's own citation object, replayed only to the same family."""


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Words."""

    text: str
    cache: str | None = None
    """Prompt-cache breakpoint after this part: `5m` or `1h`."""
    citations: tuple[Citation, ...] = ()
    signature: str | None = None
    """Opaque state a provider hung on this part (Gemini's thoughtSignature); see `family`."""
    family: str | None = None


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """Words with which the model declined."""

    text: str


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning"):
    """A thought, with the provider's seal that lets it be replayed (relay.md 6.21)."""

    text: str = ""
    signature: str | None = None
    """The seal, exactly as the provider gave it; valid only for `family`."""
    redacted: str | None = None
    """Encrypted thought without readable text (Anthropic redacted_thinking, OpenAI encrypted_content)."""
    family: str | None = None
    """Provider family of the seal: `anthropic`, `gemini`, `openai`; None for unsealed text."""


class ToolKind(enum.Enum):
    """Function tools take JSON, custom tools take free text, server tools run at the provider."""

    FUNCTION = "function"
    CUSTOM = "custom"
    SERVER = "server"


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """The model asks for a tool."""

    id: str
    name: str
    args_json: str
    """Arguments as JSON text of an object (function, server) or the free text itself (custom)."""
    kind: ToolKind = ToolKind.FUNCTION
    signature: str | None = None
    family: str | None = None
    cache: str | None = None


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result"):
    """What a tool answered; `parts` holds Text and Media only."""

    call_id: str
    parts: tuple["Text | Media", ...]
    name: str | None = None
    is_error: bool = False
    cache: str | None = None


class Raw(msgspec.Struct, frozen=True, tag="raw"):
    """A part only one provider family understands; anywhere else it is refused aloud."""

    family: str
    value: Any


Part = Text | Refusal | Media | Reasoning | ToolCall | ToolResult | Raw


class Message(msgspec.Struct, frozen=True):
    """One turn."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool the model may call."""

    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None
    """JSON Schema of the arguments; None means no arguments."""
    strict: bool | None = None
    kind: ToolKind = ToolKind.FUNCTION
    cache: str | None = None
    family: str | None = None
    """For server tools: whose tool it is. `web_search` of any family has family None."""
    settings: dict[str, Any] | None = None
    """For server tools: `{max_uses, allowed_domains, blocked_domains, user_location, context_size}` for
    web_search; the provider's own object for the rest. For custom tools: OpenAI's `format`."""


class ChoiceMode(enum.Enum):
    """How free the model is in calling tools."""

    AUTO = "auto"
    REQUIRED = "required"
    NONE = "none"
    NAMED = "named"
    """Exactly the tool in `names[0]`, or one of `names` when there are several."""


class ToolChoice(msgspec.Struct, frozen=True):
    """The caller's rule for tool use."""

    mode: ChoiceMode
    names: tuple[str, ...] = ()


class OutputFormat(msgspec.Struct, frozen=True):
    """JSON demanded of the answer: any object, or one that fits a schema."""

    schema: dict[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class Effort(enum.Enum):
    """How hard to think, least to most; `NONE` switches thinking off."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class Thinking(msgspec.Struct, frozen=True):
    """What the caller asked of reasoning. Either word or number may be given; relay.md 6.17 maps them."""

    effort: Effort | None = None
    budget: int | None = None
    """Reasoning tokens allowed; -1 means the model decides (Gemini's dynamic)."""
    adaptive: bool = False
    """Anthropic's `thinking: {type: adaptive}`."""
    visible: bool | None = None
    """Whether thoughts should be returned (Gemini includeThoughts, OpenAI summaries, Claude display)."""


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """Dials of the dice; None leaves the model's default."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole question in canonical form."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    sampling: Sampling = Sampling()
    answers: int | None = None
    """How many alternative answers (OpenAI n, Gemini candidateCount)."""
    max_output: int | None = None
    """Most output tokens, reasoning included; None when the caller set no limit."""
    stream: bool = False
    include_usage: bool = True
    output_format: OutputFormat | None = None
    thinking: Thinking | None = None
    verbosity: str | None = None
    modalities: tuple[str, ...] | None = None
    """Lower-case output kinds wanted: `text`, `image`, `audio`."""
    audio_voice: str | None = None
    audio_format: str | None = None
    image_config: dict[str, Any] | None = None
    """`{aspect_ratio, image_size}` for image models."""
    safety: tuple[Any, ...] = ()
    """Gemini safetySettings, replayed to Gemini only."""
    user: str | None = None
    """The caller's own name for the end user."""
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    cache_key: str | None = None
    """OpenAI prompt_cache_key."""
    leftover: tuple[str, ...] = ()
    """Top-level fields the canonical form has no word for, named so that dropping them is said aloud."""
    embedding: Embedding | None = None
    """Vectors are wanted and no conversation: `messages` is empty, and nothing above but `user` is looked at."""
    places: Places = NOWHERE
    """Where messages, parts and tools stood in the caller's body, to name them in his words."""
