"""Pictures, sounds, films and files as the family spells them: links, data URLs, formats (relay.md 6.19)."""

from typing import Any

from tollway.core.errors import BadRequest, Unsupported
from tollway.core.media import Media, MediaKind
from tollway.gateway.openai_family.fields import an_object, text, text_or_none

_AUDIO_MIME = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_AUDIO_FORMAT = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav"}
_MIME_BY_NAME = {"pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv"}


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


def link_of(media: Media) -> str:
    """The URL of a picture or film: its own, or a data URL."""
    if media.url is not None:
        return media.url
    return f"data:{media.mime or 'image/png'};base64,{media.data}"


def titled(media: Media) -> str:
    """A plain-text document as words under its name."""
    return f"{media.name}\n\n{media.text}" if media.name else media.text or ""


def read_link(url: str, path: str, kind: MediaKind, detail: str | None, cache: str | None) -> Media:
    """A picture or film from the URL at `path`. Raises BadRequest."""
    if url[:5].lower() != "data:":
        if "://" not in url:
            raise BadRequest(f"{path}: expected an http(s) or a data URL", field=path)
        return Media(kind=kind, url=url, detail=detail, cache=cache)
    mime, data = data_url(url, path)
    return Media(kind=kind, mime=mime, data=data, detail=detail, cache=cache)


def read_audio(value: Any, path: str, cache: str | None) -> Media:
    """`{data, format}` as a sound. Raises BadRequest."""
    audio = an_object(value, path)
    data = text(audio.get("data"), f"{path}.data")
    kind = text(audio.get("format"), f"{path}.format").lower()
    if data[:5] == "data:":
        _, data = data_url(data, f"{path}.data")
    return Media(kind=MediaKind.AUDIO, mime=_AUDIO_MIME.get(kind, f"audio/{kind}"), data=data, cache=cache)


def write_audio(media: Media, path: str) -> dict[str, Any]:
    """A sound as `{data, format}`. Raises Unsupported for one that is only linked."""
    if media.data is None:
        raise Unsupported(f"{path}: OpenAI's models take audio as base64 data only", field=path)
    mime = media.mime or "audio/wav"
    return {"data": media.data, "format": _AUDIO_FORMAT.get(mime, mime.rpartition("/")[2])}


def read_file(value: Any, path: str, cache: str | None) -> Media:
    """A document from `file_id` or `file_data`, named by `filename`. Raises BadRequest."""
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


def write_file(media: Media) -> dict[str, Any]:
    """A document's `filename` and `file_data`."""
    mime = media.mime or "application/pdf"
    name = media.name or ("document.pdf" if mime == "application/pdf" else "document.txt")
    return {"filename": name, "file_data": f"data:{mime};base64,{media.data}"}


def refuse_foreign_file(media: Media, path: str) -> None:
    """Raises Unsupported for a file that was uploaded to somebody else."""
    if media.file_id is not None and media.file_family != "openai":
        raise Unsupported(f"{path}: a file uploaded to another provider cannot be sent to this one", field=path)
