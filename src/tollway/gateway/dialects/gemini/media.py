"""Pictures, sounds, films and files as inlineData and fileData parts (relay.md 6.19)."""

import base64
from typing import Any
from urllib.parse import urlsplit

from tollway.core.errors import Unsupported
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialects.gemini.seals import FAMILY
from tollway.gateway.gemini_family.spelling import fields, standard_base64, text, wrong

_TAKEN = (
    ("application", "pdf json"),
    ("text", "plain html css csv xml rtf markdown javascript"),
    ("image", "png jpeg webp heic heif"),
    ("audio", "mpeg mp3 wav x-wav aac flac ogg aiff mp4 webm pcm l16"),
    ("video", "mov quicktime mpeg mp4 mpg avi x-msvideo wmv x-ms-wmv mpegps flv x-flv webm 3gpp"),
)
ACCEPTED = frozenset(f"{family}/{name}" for family, names in _TAKEN for name in names.split())
"""MIME types Gemini takes inline."""

_BY_SUFFIX = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "mov": "video/mov",
    "mpeg": "video/mpeg",
    "webm": "video/webm",
}
_YOUTUBE = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be"})
_GOOGLE_FILES = "generativelanguage.googleapis.com"


def kind_of(mime: str) -> MediaKind:
    """What a MIME type is to a conversation."""
    known = {"image": MediaKind.IMAGE, "audio": MediaKind.AUDIO, "video": MediaKind.VIDEO}
    return known.get(mime.partition("/")[0], MediaKind.FILE)


def read_inline(value: Any, path: str) -> Media:
    """An inlineData object as media."""
    blob = fields(value, path)
    mime = text(blob.get("mimeType", ""), f"{path}.mimeType").lower()
    if not mime:
        raise wrong(f"{path}.mimeType", "is missing")
    data = standard_base64(blob.get("data"), f"{path}.data")
    return Media(kind=kind_of(mime), mime=mime, data=data, name=blob.get("displayName"))


def read_file(value: Any, path: str) -> Media:
    """A fileData object as media: a file Google keeps has an id of its own, anything else a URL."""
    pointer = fields(value, path)
    uri = text(pointer.get("fileUri"), f"{path}.fileUri")
    mime = pointer.get("mimeType") or _mime_by_suffix(uri)
    if mime is not None:
        mime = text(mime, f"{path}.mimeType").lower()
    kind = MediaKind.VIDEO if _host(uri) in _YOUTUBE else kind_of(mime or "")
    if uri.startswith(("http://", "https://")) and _host(uri) != _GOOGLE_FILES:
        return Media(kind=kind, mime=mime, url=uri, name=pointer.get("displayName"))
    return Media(kind=kind, mime=mime, file_id=uri, file_family=FAMILY, name=pointer.get("displayName"))


def write_media(media: Media, path: str) -> dict[str, Any]:
    """Media as a part. Raises Unsupported naming `path` when Gemini does not take it."""
    if media.text is not None:
        return _inline(media.mime or "text/plain", base64.b64encode(media.text.encode()).decode(), path)
    if media.data is not None:
        return _inline(media.mime or "", media.data, path)
    uri = media.url or media.file_id
    if uri is None:
        raise Unsupported(f"{path}: media without data", field=path)
    if media.url is None and media.file_family != FAMILY:
        raise Unsupported(f"{path}: a file id of another provider means nothing to Gemini", field=path)
    if media.url is not None and not uri.startswith(("https://", "gs://")):
        raise Unsupported(f"{path}: Gemini fetches https:// and gs:// addresses only", field=path)
    mime = media.mime or _mime_by_suffix(uri)
    return {"fileData": {"mimeType": mime, "fileUri": uri} if mime else {"fileUri": uri}}


def _inline(mime: str, data: str, path: str) -> dict[str, Any]:
    if mime.partition(";")[0].strip().lower() not in ACCEPTED:
        raise Unsupported(f"{path}: Gemini does not take {mime or 'media without a MIME type'}", field=path)
    return {"inlineData": {"mimeType": mime, "data": data}}


def _host(uri: str) -> str:
    try:
        return (urlsplit(uri).hostname or "").lower()
    except ValueError:
        return ""


def _mime_by_suffix(uri: str) -> str | None:
    path = uri.partition("?")[0].partition("#")[0]
    return _BY_SUFFIX.get(path.rpartition(".")[2].lower()) if _host(uri) else None
