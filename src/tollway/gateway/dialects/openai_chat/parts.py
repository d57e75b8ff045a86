"""Content parts: text, pictures, sounds, films and files, in both directions (relay.md 6.19)."""

import re
from collections.abc import Sequence
from typing import Any

from tollway.core.chat import Part, Raw, Refusal, Text
from tollway.core.errors import BadRequest, Unsupported
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialects.openai_chat.fields import an_object, text, text_or_none, wrong
from tollway.gateway.dialects.openai_chat.upstreams import Habits

Piece = tuple[Part, str]
"""A part and its path in the canonical question."""
_AUDIO_MIME = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_AUDIO_FORMAT = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav"}
_MIME_BY_NAME = {"pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv"}
_PICTURE_IN_TEXT = re.compile(r"!\[[^\]]*\]\((data:image/[^)\s]+)\)")


def cache_hint(part: dict[str, Any]) -> str | None:
    """The prompt-cache breakpoint a part or tool carries: `5m`, `1h` or None."""
    control = part.get("cache_control")
    if isinstance(control, dict):
        return "1h" if control.get("ttl") == "1h" else "5m"
    return "1h" if isinstance(part.get("prompt_cache_breakpoint"), dict) else None


def data_url(url: str, path: str) -> tuple[str | None, str]:
    """(mime, base64 text) of a data URL. Raises BadRequest when it is not base64."""
    head, comma, data = url[5:].partition(",")
    words = head.split(";")
    if not comma or "base64" not in words[1:]:
        raise BadRequest(f"{path}: a data URL must be `data:<type>;base64,<data>`", field=path)
    return words[0].lower() or None, data


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
        return _read_audio(part.get(kind), f"{path}.{kind}", cache)
    if kind == "file":
        return _read_file(part.get(kind), f"{path}.{kind}", cache)
    raise BadRequest(f"{path}.type: unknown kind of content part {kind!r}", field=f"{path}.type")


def _read_linked(value: Any, path: str, kind: str, cache: str | None) -> Media:
    link = {"url": value} if isinstance(value, str) else an_object(value, path)
    url = text(link.get("url"), f"{path}.url")
    media = MediaKind.IMAGE if kind == "image_url" else MediaKind.VIDEO
    detail = text_or_none(link.get("detail"), f"{path}.detail")
    if url[:5].lower() != "data:":
        if "://" not in url:
            raise BadRequest(f"{path}.url: expected an http(s) or a data URL", field=f"{path}.url")
        return Media(kind=media, url=url, detail=detail, cache=cache)
    mime, data = data_url(url, f"{path}.url")
    return Media(kind=media, mime=mime, data=data, detail=detail, cache=cache)


def _read_audio(value: Any, path: str, cache: str | None) -> Media:
    audio = an_object(value, path)
    data = text(audio.get("data"), f"{path}.data")
    kind = text(audio.get("format"), f"{path}.format").lower()
    if data[:5] == "data:":
        _, data = data_url(data, f"{path}.data")
    return Media(kind=MediaKind.AUDIO, mime=_AUDIO_MIME.get(kind, f"audio/{kind}"), data=data, cache=cache)


def _read_file(value: Any, path: str, cache: str | None) -> Media:
    given = an_object(value, path)
    name = text_or_none(given.get("filename"), f"{path}.filename")
    file_id = text_or_none(given.get("file_id"), f"{path}.file_id")
    if file_id is not None:
        return Media(kind=MediaKind.FILE, file_id=file_id, file_family="openai", name=name, cache=cache)
    data = text(given.get("file_data"), f"{path}.file_data")
    mime = _MIME_BY_NAME.get((name or "").rpartition(".")[2].lower())
    if data[:5].lower() == "data:":
        stated, data = data_url(data, f"{path}.file_data")
        mime = stated or mime
    elif "://" in data[:12]:
        return Media(kind=MediaKind.FILE, url=data, mime=mime, name=name, cache=cache)
    if mime is None and data.startswith("JVBERi"):
        mime = "application/pdf"
    return Media(kind=MediaKind.FILE, mime=mime, data=data, name=name, cache=cache)


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
        titled = f"{media.name}\n\n{media.text}" if media.name else media.text
        return {"type": "text", "text": titled}
    if media.file_id is not None and media.file_family != "openai":
        raise Unsupported(f"{path}: a file uploaded to another provider cannot be sent to this one", field=path)
    if media.kind is MediaKind.AUDIO:
        return _write_audio(media, path)
    if media.kind is MediaKind.FILE or media.file_id is not None:
        return _write_file(media, path, habits)
    kind = "image_url" if media.kind is MediaKind.IMAGE else "video_url"
    link: dict[str, Any] = {"url": link_of(media)}
    if media.detail is not None:
        link["detail"] = media.detail
    return {"type": kind, kind: link}


def link_of(media: Media) -> str:
    """The URL of a picture or film: its own, or a data URL."""
    if media.url is not None:
        return media.url
    return f"data:{media.mime or 'image/png'};base64,{media.data}"


def _write_audio(media: Media, path: str) -> dict[str, Any]:
    if media.data is None:
        raise Unsupported(f"{path}: chat completions take audio as base64 data only", field=path)
    mime = media.mime or "audio/wav"
    return {
        "type": "input_audio",
        "input_audio": {"data": media.data, "format": _AUDIO_FORMAT.get(mime, mime.rpartition("/")[2])},
    }


def _write_file(media: Media, path: str, habits: Habits) -> dict[str, Any]:
    if media.file_id is not None:
        named = {"filename": media.name} if media.name else {}
        return {"type": "file", "file": {"file_id": media.file_id, **named}}
    if media.url is not None and habits.file_links:
        return {"type": "file", "file": {"filename": media.name or "document.pdf", "file_data": media.url}}
    if media.data is None:
        raise Unsupported(f"{path}: chat completions take a file as base64 data or a file id, not a URL", field=path)
    mime = media.mime or "application/pdf"
    name = media.name or ("document.pdf" if mime == "application/pdf" else "document.txt")
    return {"type": "file", "file": {"filename": name, "file_data": f"data:{mime};base64,{media.data}"}}
