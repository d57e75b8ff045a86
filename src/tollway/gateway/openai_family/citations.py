"""Sources of an answer as the family spells them."""

from typing import Any

from tollway.core.chat import Citation


def read_url_citation(link: dict[str, Any]) -> Citation | None:
    """The source behind a link's fields; None without an address."""
    if not isinstance(link.get("url"), str):
        return None
    return Citation(
        url=link["url"],
        title=_text(link.get("title")),
        quote=_text(link.get("content")),
        start=_whole(link.get("start_index")),
        end=_whole(link.get("end_index")),
    )


def write_url_citation(citation: Citation) -> dict[str, Any] | None:
    """The fields of a link; None for a source without an address."""
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
    return link


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
