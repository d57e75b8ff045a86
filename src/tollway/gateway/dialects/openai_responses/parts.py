"""Content parts: text, refusals, pictures, sounds and files, in both directions (relay.md 6.19)."""

from typing import Any

from tollway.core.chat import Citation, Part, Raw, Refusal, Text
from tollway.core.errors import BadRequest, Unsupported
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialects.openai_responses.seals import FAMILY
from tollway.gateway.openai_family.citations import read_url_citation, write_url_citation
from tollway.gateway.openai_family.fields import a_list, an_object, text, text_or_none, wrong
from tollway.gateway.openai_family.media import (
    cache_hint,
    link_of,
    read_audio,
    read_file,
    read_link,
    refuse_foreign_file,
    titled,
    write_audio,
    write_file,
)

RAW = "openai_responses"
"""Family of items and tools that only this dialect has words for."""
_TEXTS = ("input_text", "output_text", "text", "summary_text")


def read_content(value: Any, path: str) -> tuple[Part, ...]:
    """A message's `content`, or a tool's `output`: a string, or an array of parts. Raises BadRequest."""
    if isinstance(value, str):
        return (Text(value),) if value else ()
    if not isinstance(value, list):
        raise wrong(path, "a string or an array of parts")
    return tuple(_read_part(an_object(part, f"{path}[{at}]"), f"{path}[{at}]") for at, part in enumerate(value))


def _read_part(part: dict[str, Any], path: str) -> Part:
    kind = text(part.get("type"), f"{path}.type")
    cache = cache_hint(part)
    if kind in _TEXTS:
        words = text(part.get("text"), f"{path}.text")
        return Text(words, cache=cache, citations=tuple(read_annotations(part.get("annotations"))))
    if kind == "refusal":
        return Refusal(text(part.get("refusal"), f"{path}.refusal"))
    if kind == "input_image":
        return _read_image(part, path, cache)
    if kind == "input_audio":
        return read_audio(part.get(kind), f"{path}.{kind}", cache)
    if kind == "input_file":
        url = text_or_none(part.get("file_url"), f"{path}.file_url")
        if url is not None:
            name = text_or_none(part.get("filename"), f"{path}.filename")
            return Media(kind=MediaKind.FILE, url=url, name=name, cache=cache)
        return read_file(part, path, cache)
    raise BadRequest(f"{path}.type: unknown kind of content part {kind!r}", field=f"{path}.type")


def _read_image(part: dict[str, Any], path: str, cache: str | None) -> Media:
    detail = text_or_none(part.get("detail"), f"{path}.detail")
    file_id = text_or_none(part.get("file_id"), f"{path}.file_id")
    if file_id is not None:
        return Media(kind=MediaKind.IMAGE, file_id=file_id, file_family=FAMILY, detail=detail, cache=cache)
    url = part.get("image_url")
    if isinstance(url, dict):  # as chat completions spell it
        url = url.get("url")
    return read_link(text(url, f"{path}.image_url"), f"{path}.image_url", MediaKind.IMAGE, detail, cache)


def write_input(part: Part, path: str) -> dict[str, Any]:
    """One part of a question. Raises Unsupported for what the wire cannot carry."""
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, Refusal):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, Media):
        return _write_media(part, path)
    if isinstance(part, Raw) and part.family == RAW and isinstance(part.value, dict):
        return dict(part.value)
    raise Unsupported(f"{path}: this kind of content has no counterpart in responses", field=path)


def _write_media(media: Media, path: str) -> dict[str, Any]:
    if media.text is not None:
        return {"type": "input_text", "text": titled(media)}
    refuse_foreign_file(media, path)
    if media.kind is MediaKind.VIDEO:
        raise Unsupported(f"{path}: responses take no video", field=path)
    if media.kind is MediaKind.AUDIO:
        return {"type": "input_audio", "input_audio": write_audio(media, path)}
    if media.kind is MediaKind.IMAGE:
        link = {"file_id": media.file_id} if media.file_id is not None else {"image_url": link_of(media)}
        return {"type": "input_image", **link, "detail": media.detail or "auto"}
    named = {"filename": media.name} if media.name else {}
    if media.file_id is not None:
        return {"type": "input_file", "file_id": media.file_id}
    if media.url is not None:
        return {"type": "input_file", "file_url": media.url, **named}
    return {"type": "input_file", **write_file(media)}


def write_output(part: Text | Refusal) -> dict[str, Any]:
    """One part of an answer, as it stands in a message of the assistant's."""
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    return output_text(part.text, write_annotations(part.citations))


def output_text(words: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    """Words of an answer with their sources."""
    return {"type": "output_text", "text": words, "annotations": annotations, "logprobs": []}


def read_annotations(value: Any) -> list[Citation]:
    """`annotations[]`; files the vendor holds are kept as they are for its own family, the unreadable passed over."""
    if not isinstance(value, list):
        return []
    found = [read_annotation(entry) for entry in value if isinstance(entry, dict)]
    return [citation for citation in found if citation is not None]


def read_annotation(entry: dict[str, Any]) -> Citation | None:
    """One source of an answer."""
    if entry.get("type") == "url_citation":
        return read_url_citation(entry)
    name = entry.get("filename")
    return Citation(title=name if isinstance(name, str) else None, family=RAW, raw=entry)


def write_annotations(citations: tuple[Citation, ...]) -> list[dict[str, Any]]:
    """`annotations[]`; sources that have no address are left out, unless they are the vendor's own."""
    return [entry for citation in citations if (entry := write_annotation(citation))]


def write_annotation(citation: Citation) -> dict[str, Any] | None:
    """One annotation; None for a source without an address."""
    if citation.family == RAW and isinstance(citation.raw, dict):
        return dict(citation.raw)
    link = write_url_citation(citation)
    return {"type": "url_citation", **link} if link else None


def read_texts(value: Any, path: str) -> tuple[Part, ...]:
    """`content` of a message of the assistant's, without the parts that say nothing."""
    return tuple(part for part in read_content(value, path) if not (isinstance(part, Text) and not part.text))


def listed(value: Any, path: str) -> list[dict[str, Any]]:
    """An array of objects, or BadRequest naming the place."""
    return [an_object(one, f"{path}[{at}]") for at, one in enumerate(a_list(value, path))]
