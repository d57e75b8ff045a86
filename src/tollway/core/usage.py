"""What an answer consumed, with one meaning whatever the provider's own arithmetic."""

import enum

import msgspec

MOST_TOKENS_BITS, MOST_PIECES_BITS = 27, 12
"""Binary digits of the largest believable count: 134 million tokens; 4,095 pictures, or runs of one tool."""


class UsageSource(enum.Enum):
    """Who counted: the provider itself, or we, because it did not say."""

    UPSTREAM = "upstream"
    ESTIMATE = "estimate"


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens by class, relay.md 6.16b.

    `input_total` is *all* prompt tokens: uncached + cache reads + cache writes + image + audio.
    `output_total` is all output, reasoning, image and audio output included. The other fields are
    parts of one of the two, never additions to it.
    """

    input_total: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    image_in: int = 0
    audio_in: int = 0
    output_total: int = 0
    reasoning: int = 0
    image_out: int = 0
    audio_out: int = 0
    images: int = 0
    """Pictures delivered, for models priced by the picture."""
    tool_calls: tuple[tuple[str, int], ...] = ()
    """Server-side tools the provider ran and bills for: (name, count), e.g. ("web_search", 2)."""
    source: UsageSource = UsageSource.UPSTREAM

    @property
    def input_uncached(self) -> int:
        """Prompt tokens at the full input price, text, image and audio together."""
        rest = self.input_total - self.cache_read - self.cache_write_5m - self.cache_write_1h
        return max(0, rest)

    @property
    def prompt(self) -> "Usage":
        """The prompt's part of it, and the tools that were run."""
        return msgspec.structs.replace(self, output_total=0, reasoning=0, image_out=0, audio_out=0, images=0)

    @property
    def believable(self) -> bool:
        """No count is negative or larger than any one answer could come to. A count that is not, is none."""
        tokens = (
            self.input_total | self.cache_read | self.cache_write_5m | self.cache_write_1h | self.image_in
            | self.audio_in | self.output_total | self.reasoning | self.image_out | self.audio_out
        )  # fmt: skip
        pieces = self.images
        for _, count in self.tool_calls:
            pieces |= count
        return not (tokens >> MOST_TOKENS_BITS or pieces >> MOST_PIECES_BITS)
