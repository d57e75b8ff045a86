"""What differs between the providers that speak this wire when a foreign question must be said to them: data only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Habits:
    """What one provider takes beside what OpenAI itself documents."""

    more_dials: frozenset[str] = frozenset()
    """Sampling fields outside OpenAI's own: `top_k`, `min_p`."""
    thinking: str = "effort"
    """How to ask for thoughts: `effort` (a word), `object` (OpenRouter's `reasoning`), `switch` (DeepSeek's)."""
    thoughts_back: str = ""
    """How earlier thoughts are sent back: `` (never), `content` (text), `details` (with their seals)."""
    cache_control: bool = False
    picture_output: bool = False
    own_words: bool = False
    """Takes `verbosity` and `prompt_cache_key`, OpenAI's newer words."""
    file_links: bool = False
    """Fetches a document by its URL."""


_OPENAI = Habits(own_words=True)
_BY_PROVIDER = {
    "openai": _OPENAI,
    "openrouter": Habits(
        more_dials=frozenset({"top_k", "min_p"}),
        thinking="object",
        thoughts_back="details",
        cache_control=True,
        picture_output=True,
        own_words=True,
        file_links=True,
    ),
    "vllm": Habits(more_dials=frozenset({"top_k", "min_p"}), thoughts_back="content"),
    "sglang": Habits(more_dials=frozenset({"top_k", "min_p"}), thoughts_back="content"),
    "llamacpp": Habits(more_dials=frozenset({"top_k", "min_p"}), thoughts_back="content"),
    "ollama": Habits(),
    "deepseek": Habits(thinking="switch", thoughts_back="content"),
    "groq": Habits(),
    "mistral": Habits(),
    "xai": Habits(),
}
_PLAIN = Habits()


def habits_of(provider: str) -> Habits:
    """The habits of a provider; one we do not know takes what OpenAI's older API documents."""
    return _BY_PROVIDER.get(provider, _PLAIN)
