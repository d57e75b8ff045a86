"""Media as content blocks (relay.md 6.19)."""

import base64
import binascii
from typing import Any

from tollway.core.errors import Unsupported
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialects.anthropic_messages.breakpoints import cache_control
from tollway.gateway.dialects.anthropic_messages.citations import FAMILY

_PDF = "application/pdf"
_MAGIC = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi", _PDF),
)
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_TEXTS = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml"})


def write_media(media: Media, at: str) -> dict[str, Any]:
    """The block of one picture or document. Raises Unsupported for what Messages has no block for."""
    if media.kind in {MediaKind.AUDIO, MediaKind.VIDEO}:
        raise Unsupported(f"{at}: Claude models take no {media.kind.value}", field=at)
    mime = _mime(media)
    if media.kind is MediaKind.IMAGE or mime in _PICTURES:
        return {"type": "image", "source": _picture(media, mime, at)} | cache_control(media.cache)
    block: dict[str, Any] = {"type": "document", "source": _document(media, mime, at)}
    if media.name:
        block["title"] = media.name
    if media.context:
        block["context"] = media.context
    if media.citations is not None:
        block["citations"] = {"enabled": media.citations}
    return block | cache_control(media.cache)


def _picture(media: Media, mime: str | None, at: str) -> dict[str, Any]:
    if media.data is None:
        return _elsewhere(media, at)
    mime = mime or "image/png"
    if mime not in _PICTURES:
        raise Unsupported(f"{at}: Claude models take no {mime}", field=at)
    return {"type": "base64", "media_type": mime, "data": media.data}


def _document(media: Media, mime: str | None, at: str) -> dict[str, Any]:
    if media.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": media.text}
    if media.data is None:
        return _elsewhere(media, at)
    if mime in {None, _PDF}:
        return {"type": "base64", "media_type": _PDF, "data": media.data}
    if mime is not None and (mime.startswith("text/") or mime in _TEXTS):
        return {"type": "text", "media_type": "text/plain", "data": _decoded(media.data, at)}
    raise Unsupported(f"{at}: Claude models take no {mime}", field=at)


def _elsewhere(media: Media, at: str) -> dict[str, Any]:
    if media.url is not None:
        return {"type": "url", "url": media.url}
    if media.file_id is not None and media.file_family == FAMILY:
        return {"type": "file", "file_id": media.file_id}
    raise Unsupported(f"{at}: a file stored at another provider cannot be read here", field=at)


def _mime(media: Media) -> str | None:
    mime = (media.mime or "").split(";")[0].strip().lower()
    if mime == "image/jpg":
        return "image/jpeg"
    if mime and mime != "application/octet-stream":
        return mime
    return next((kind for magic, kind in _MAGIC if (media.data or "").startswith(magic)), None)


def _decoded(data: str, at: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unsupported(f"{at}: not a text in base64: {error}", field=at) from error
