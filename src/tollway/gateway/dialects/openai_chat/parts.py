"""Content parts: text, pictures, sounds, films and files, in both directions (relay.md 6.19)."""

import re
from collections.abc import Sequence
from typing import Any

from tollway.core.chat import Part, Raw, Refusal, Text
from tollway.core.errors import BadRequest, Unsupported
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialects.openai_chat.upstreams import Habits
from tollway.gateway.openai_family.fields import an_object, text, text_or_none, wrong
from tollway.gateway.openai_family.media import (
    cache_hint,
    data_url,
    link_of,
    read_audio,
    read_file,
    read_link,
    refuse_foreign_file,
    titled,
    write_audio,
    write_file,
)

Piece = tuple[Part, str]
"""A part and its path in the canonical question."""
_PICTURE_IN_TEXT = re.compile(r"!\[[^\]]*\]\((data:image/[^)\s]+)\)")


def read_content(value: Any, path: str) -> tuple[Part, ...]:
    """`content` as parts: a string, an array of parts, or null."""
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return pictures_in_text(value, path)
    if not isinstance(value, list):
        raise wrong(path, "a string or an array of parts")
    return tuple(_read_part(part, f"{path}[{index}]") for index, part in enumerate(value))


def pictures_in_text(words: str, path: str) -> tuple[Part, ...]:
    """Text with `![..](data:image/..)` cut into text and pictures, as earlier answers wrote them."""
    if "](data:image/" not in words:
        return (Text(words),)
    parts: list[Part] = []
    for index, piece in enumerate(_PICTURE_IN_TEXT.split(words)):
        if index % 2:
            mime, data = data_url(piece, path)
            parts.append(Media(kind=MediaKind.IMAGE, mime=mime, data=data))
        elif piece:
            parts.append(Text(piece))
    return tuple(parts)


def _read_part(value: Any, path: str) -> Part:
    part = an_object(value, path)
    kind = text(part.get("type"), f"{path}.type")
    cache = cache_hint(part)
    if kind == "text":
        return Text(text(part.get("text"), f"{path}.text"), cache=cache)
    if kind == "refusal":
        return Refusal(text(part.get("refusal"), f"{path}.refusal"))
    if kind in ("image_url", "video_url"):
        return _read_linked(part.get(kind), f"{path}.{kind}", kind, cache)
    if kind == "input_audio":
        return read_audio(part.get(kind), f"{path}.{kind}", cache)
    if kind == "file":
        return read_file(part.get(kind), f"{path}.{kind}", cache)
    raise BadRequest(f"{path}.type: unknown kind of content part {kind!r}", field=f"{path}.type")


def _read_linked(value: Any, path: str, kind: str, cache: str | None) -> Media:
    link = {"url": value} if isinstance(value, str) else an_object(value, path)
    url = text(link.get("url"), f"{path}.url")
    media = MediaKind.IMAGE if kind == "image_url" else MediaKind.VIDEO
    return read_link(url, f"{path}.url", media, text_or_none(link.get("detail"), f"{path}.detail"), cache)


def write_content(pieces: Sequence[Piece], habits: Habits) -> str | list[dict[str, Any]]:
    """`content` from parts: a plain string when it is one. Raises Unsupported for what the wire cannot carry."""
    if not pieces:
        return ""
    only = pieces[0][0]
    if len(pieces) == 1 and isinstance(only, Text) and not (habits.cache_control and only.cache):
        return only.text
    return [write_part(part, path, habits) for part, path in pieces]


def write_part(part: Part, path: str, habits: Habits) -> dict[str, Any]:
    """One content part. Raises Unsupported for what the wire cannot carry."""
    written = _part(part, path, habits)
    cache = getattr(part, "cache", None)
    if habits.cache_control and cache:
        written["cache_control"] = {"type": "ephemeral"} if cache == "5m" else {"type": "ephemeral", "ttl": cache}
    return written


def _part(part: Part, path: str, habits: Habits) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    if isinstance(part, Media):
        return _write_media(part, path, habits)
    if isinstance(part, Raw) and part.family == "openai" and isinstance(part.value, dict):
        return dict(part.value)
    raise Unsupported(f"{path}: this kind of content has no counterpart in chat completions", field=path)


def _write_media(media: Media, path: str, habits: Habits) -> dict[str, Any]:
    if media.text is not None:
        return {"type": "text", "text": titled(media)}
    refuse_foreign_file(media, path)
    if media.kind is MediaKind.AUDIO:
        return {"type": "input_audio", "input_audio": write_audio(media, path)}
    if media.kind is MediaKind.FILE or media.file_id is not None:
        return _write_file(media, path, habits)
    kind = "image_url" if media.kind is MediaKind.IMAGE else "video_url"
    link: dict[str, Any] = {"url": link_of(media)}
    if media.detail is not None:
        link["detail"] = media.detail
    return {"type": kind, kind: link}


def _write_file(media: Media, path: str, habits: Habits) -> dict[str, Any]:
    if media.file_id is not None:
        named = {"filename": media.name} if media.name else {}
        return {"type": "file", "file": {"file_id": media.file_id, **named}}
    if media.url is not None and habits.file_links:
        return {"type": "file", "file": {"filename": media.name or "document.pdf", "file_data": media.url}}
    if media.data is None:
        raise Unsupported(f"{path}: chat completions take a file as base64 data or a file id, not a URL", field=path)
    return {"type": "file", "file": write_file(media)}
