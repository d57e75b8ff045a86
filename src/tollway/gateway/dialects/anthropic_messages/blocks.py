"""Content blocks of a question as canonical parts."""

from collections.abc import Callable
from typing import Any

import msgspec

from tollway.core.chat import Part, Raw, Text, ToolCall, ToolResult
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialect import Opaque
from tollway.gateway.dialects.anthropic_messages.breakpoints import cache_of
from tollway.gateway.dialects.anthropic_messages.citations import FAMILY, read_citations
from tollway.gateway.dialects.anthropic_messages.seals import read_redacted, read_thinking
from tollway.gateway.dialects.anthropic_messages.shape import maybe, need, record, wrong

Block = dict[str, Any]

_encode = msgspec.json.Encoder().encode


def read_content(content: Any, at: str, opaque: Opaque) -> list[Part]:
    """The parts of one turn; a plain string is one text."""
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise wrong(at, "must be a string or an array" if content is not None else "Field required")
    return [
        _read_block(record(block, f"{at}[{number}]"), f"{at}[{number}]", opaque) for number, block in enumerate(content)
    ]


def read_texts(content: Any, at: str) -> tuple[Part, ...]:
    """A system prompt: a string, or text blocks."""
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        raise wrong(at, "must be a string or an array of text blocks")
    parts = []
    for number, block in enumerate(content):
        place = f"{at}[{number}]"
        if record(block, place).get("type") != "text":
            raise wrong(f"{place}.type", "must be `text` here")
        parts.append(_text(block, place))
    return tuple(parts)


def _read_block(block: Block, at: str, opaque: Opaque) -> Part:
    kind = need(block, "type", str, at)
    if kind == "thinking":
        return read_thinking(need(block, "thinking", str, at), maybe(block, "signature", str, at), opaque)
    if kind == "redacted_thinking":
        return read_redacted(need(block, "data", str, at), opaque)
    read = _READERS.get(kind)
    return read(block, at) if read else Raw(FAMILY, block)


def _text(block: Block, at: str) -> Text:
    citations = read_citations(block.get("citations"))
    return Text(need(block, "text", str, at), cache=cache_of(block, at), citations=citations)


def _tool_use(block: Block, at: str) -> ToolCall:
    args = _encode(need(block, "input", dict, at)).decode()
    return ToolCall(need(block, "id", str, at), need(block, "name", str, at), args, cache=cache_of(block, at))


def _tool_result(block: Block, at: str) -> ToolResult:
    content = block.get("content")
    parts: list[Text | Media] = [Text(content)] if isinstance(content, str) else []
    if isinstance(content, list):
        parts = [_result_part(record(one, f"{at}.content[{n}]"), f"{at}.content[{n}]") for n, one in enumerate(content)]
    elif content is not None and not isinstance(content, str):
        raise wrong(f"{at}.content", "must be a string or an array")
    call_id, failed = need(block, "tool_use_id", str, at), maybe(block, "is_error", bool, at)
    return ToolResult(call_id, tuple(parts), is_error=bool(failed), cache=cache_of(block, at))


def _result_part(block: Block, at: str) -> Text | Media:
    kind = need(block, "type", str, at)
    part = _READERS[kind](block, at) if kind in {"text", "image", "document"} else None
    if isinstance(part, Text | Media):
        return part
    return Text(_encode(block).decode())  # a search result or tool reference: its JSON says what it is


def _image(block: Block, at: str) -> Part:
    source, place = need(block, "source", dict, at), f"{at}.source"
    cache = cache_of(block, at)
    kind = need(source, "type", str, place)
    if kind == "base64":
        mime, data = need(source, "media_type", str, place), need(source, "data", str, place)
        return Media(kind=MediaKind.IMAGE, mime=mime, data=data, cache=cache)
    if kind == "url":
        return Media(kind=MediaKind.IMAGE, url=need(source, "url", str, place), cache=cache)
    if kind == "file":
        file_id = need(source, "file_id", str, place)
        return Media(kind=MediaKind.IMAGE, file_id=file_id, file_family=FAMILY, cache=cache)
    raise wrong(f"{place}.type", "must be `base64`, `url` or `file`")


def _document(block: Block, at: str) -> Part:
    source, place = need(block, "source", dict, at), f"{at}.source"
    read = _SOURCES.get(need(source, "type", str, place))
    if read is None:
        raise wrong(f"{place}.type", "must be `base64`, `url`, `text`, `content` or `file`")
    media = read(source, place)
    if media is None:
        return Raw(FAMILY, block)
    citations = maybe(block, "citations", dict, at)
    return msgspec.structs.replace(
        media,
        name=maybe(block, "title", str, at),
        context=maybe(block, "context", str, at),
        citations=maybe(citations, "enabled", bool, f"{at}.citations") if citations else None,
        cache=cache_of(block, at),
    )


def _base64_document(source: Block, at: str) -> Media:
    mime = maybe(source, "media_type", str, at) or "application/pdf"
    return Media(kind=MediaKind.FILE, mime=mime, data=need(source, "data", str, at))


def _url_document(source: Block, at: str) -> Media:
    return Media(kind=MediaKind.FILE, mime="application/pdf", url=need(source, "url", str, at))


def _text_document(source: Block, at: str) -> Media:
    return Media(kind=MediaKind.FILE, mime="text/plain", text=need(source, "data", str, at))


def _file_document(source: Block, at: str) -> Media:
    return Media(kind=MediaKind.FILE, file_id=need(source, "file_id", str, at), file_family=FAMILY)


def _content_document(source: Block, at: str) -> Media | None:
    """A document made of blocks; None when it holds more than text."""
    content = source.get("content")
    if isinstance(content, str):
        return Media(kind=MediaKind.FILE, mime="text/plain", text=content)
    blocks = need(source, "content", list, at)
    texts = [one.get("text") if isinstance(one, dict) else None for one in blocks]
    if not all(isinstance(text, str) for text in texts):
        return None
    return Media(kind=MediaKind.FILE, mime="text/plain", text="\n\n".join(text for text in texts if text))


_SOURCES: dict[str, Callable[[Block, str], Media | None]] = {
    "base64": _base64_document,
    "url": _url_document,
    "text": _text_document,
    "file": _file_document,
    "content": _content_document,
}
_READERS: dict[str, Callable[[Block, str], Part]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
