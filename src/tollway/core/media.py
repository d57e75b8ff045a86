"""Pictures, sounds, films and files inside a conversation."""

import enum

import msgspec


class MediaKind(enum.Enum):
    """What a piece of media is, whatever wire it came over."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"
    """A document: a PDF or a text file."""


class Media(msgspec.Struct, frozen=True, tag="media", kw_only=True):
    """One piece of media; exactly one of `data`, `url` and `file_id` is set."""

    kind: MediaKind
    mime: str | None = None
    """e.g. `image/png`; None when a URL or file id came without one."""
    data: str | None = None
    """The bytes as standard base64 text, without a `data:` prefix."""
    url: str | None = None
    file_id: str | None = None
    """A provider's own name for an uploaded file; means nothing to another provider."""
    file_family: str | None = None
    """The provider family that knows `file_id`."""
    text: str | None = None
    """For a plain-text document: the text itself (then `data`, `url`, `file_id` are None)."""
    detail: str | None = None
    """OpenAI's `low`, `high` or `auto` for images."""
    name: str | None = None
    """File name or title."""
    context: str | None = None
    """Anthropic's document context."""
    citations: bool | None = None
    """Whether the model should cite this document (Anthropic)."""
    transcript: str | None = None
    """Words of an audio answer."""
    cache: str | None = None
    """Prompt-cache breakpoint after this part: `5m` or `1h`."""
