"""Citations, pictures and sounds of an answer as this wire spells them, in both directions."""

from typing import Any

from tollway.core.chat import Citation
from tollway.core.media import Media, MediaKind
from tollway.gateway.openai_family.citations import read_url_citation, write_url_citation
from tollway.gateway.openai_family.media import link_of


def read_citations(value: Any) -> list[Citation]:
    """`annotations[]`; what cannot be understood is passed over."""
    if not isinstance(value, list):
        return []
    links = [entry.get("url_citation") for entry in value if isinstance(entry, dict)]
    found = [read_url_citation(link) for link in links if isinstance(link, dict)]
    return [citation for citation in found if citation is not None]


def write_citation(citation: Citation) -> dict[str, Any] | None:
    """One annotation; None for a source without an address."""
    link = write_url_citation(citation)
    return {"type": "url_citation", "url_citation": link} if link else None


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
