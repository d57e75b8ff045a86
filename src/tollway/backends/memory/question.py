"""What the echo model heeds of a chat request, weighed and put into words."""

from typing import Any

import msgspec

TOKENS_PER_MEDIUM = 10


class Part(msgspec.Struct):
    """One content part, whichever its type."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: dict[str, Any] | None = None
    input_audio: dict[str, Any] | None = None
    file: dict[str, Any] | None = None


class Message(msgspec.Struct):
    """One turn."""

    role: str
    content: str | list[Part] | None = None


class Tool(msgspec.Struct):
    """A declared tool: function or custom."""

    type: str = "function"
    function: dict[str, Any] | None = None
    custom: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """Its name; empty when it declares none."""
        return str((self.function or self.custom or {}).get("name", ""))


class Question(msgspec.Struct):
    """The fields of a chat request that the parrot heeds."""

    messages: list[Message]
    model: str = "echo"
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    n: int | None = None


def count(text: str) -> int:
    """Tokens of a text: its words."""
    return len(text.split())


def weigh(message: Message) -> int:
    """Tokens of a turn."""
    if isinstance(message.content, str):
        return count(message.content)
    parts = message.content or []
    return sum(TOKENS_PER_MEDIUM if part.text is None else count(part.text) for part in parts)


def text_of(message: Message) -> str:
    """A turn in words; what is no text is described in brackets."""
    if isinstance(message.content, list):
        return " ".join(part.text or part.refusal or _describe(part) for part in message.content)
    return message.content or ""


def _describe(part: Part) -> str:
    if part.image_url is not None:
        return f"[image {_source(str(part.image_url.get('url', '')))}]"
    if part.input_audio is not None:
        size = _decoded_size(str(part.input_audio.get("data", "")))
        return f"[audio {part.input_audio.get('format', 'unknown')} {size} bytes]"
    if part.file is not None:
        source = _source(str(part.file.get("file_data") or part.file.get("file_id", "")))
        return " ".join(["[file", *([str(part.file["filename"])] if part.file.get("filename") else []), source + "]"])
    return f"[{part.type}]"


def _source(url: str) -> str:
    if not url.startswith("data:"):
        return url
    head, _, data = url[5:].partition(",")
    return f"{head.removesuffix(';base64')} {_decoded_size(data)} bytes"


def _decoded_size(data: str) -> int:
    return len(data.rstrip("=")) * 3 // 4
