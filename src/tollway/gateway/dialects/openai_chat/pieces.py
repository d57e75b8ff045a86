"""Citations, pictures and sounds of an answer as this wire spells them, in both directions."""

from typing import Any

from tollway.core.chat import Citation
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialects.openai_chat.parts import link_of


def read_citations(value: Any) -> list[Citation]:
    """`annotations[]`; what cannot be understood is passed over."""
    if not isinstance(value, list):
        return []
    links = [entry.get("url_citation") for entry in value if isinstance(entry, dict)]
    return [_citation(link) for link in links if isinstance(link, dict) and isinstance(link.get("url"), str)]


def _citation(link: dict[str, Any]) -> Citation:
    return Citation(
        url=link["url"],
        title=_text(link.get("title")),
        quote=_text(link.get("content")),
        start=_whole(link.get("start_index")),
        end=_whole(link.get("end_index")),
    )


def write_citation(citation: Citation) -> dict[str, Any] | None:
    """One annotation; None for a source without an address."""
    if citation.url is None:
        return None
    link: dict[str, Any] = {
        "url": citation.url,
        "title": citation.title or "",
        "start_index": citation.start or 0,
        "end_index": citation.end or 0,
    }
    if citation.quote is not None:
        link["content"] = citation.quote
    return {"type": "url_citation", "url_citation": link}


def read_pictures(value: Any) -> list[Media]:
    """`images[]`; what cannot be understood is passed over."""
    if not isinstance(value, list):
        return []
    links = [entry.get("image_url") for entry in value if isinstance(entry, dict)]
    urls = [link.get("url") if isinstance(link, dict) else link for link in links]
    return [_picture(url) for url in urls if isinstance(url, str) and url]


def _picture(url: str) -> Media:
    if not url.startswith("data:"):
        return Media(kind=MediaKind.IMAGE, url=url)
    head, _, data = url[5:].partition(",")
    return Media(kind=MediaKind.IMAGE, mime=head.partition(";")[0] or None, data=data)


def write_picture(media: Media) -> dict[str, Any]:
    """One entry of `images[]`."""
    return {"type": "image_url", "image_url": {"url": link_of(media)}}


def markdown(media: Media) -> str:
    """The picture in the text, for clients that know no `images[]`."""
    return f"![image]({link_of(media)})"


def read_sound(value: Any) -> Media | None:
    """`audio` of an answer or a delta; None when it brings neither sound nor words."""
    if not isinstance(value, dict):
        return None
    data, transcript = _text(value.get("data")), _text(value.get("transcript"))
    if not data and not transcript:
        return None
    return Media(kind=MediaKind.AUDIO, data=data or "", transcript=transcript)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
