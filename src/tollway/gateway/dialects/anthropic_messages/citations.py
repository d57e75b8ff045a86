"""Sources of a text, both ways."""

from typing import Any

from tollway.core.chat import Citation

FAMILY = "anthropic"


def read_citation(wire: Any) -> Citation | None:
    """The canonical source; the vendor's own object stays with it for the way back."""
    if not isinstance(wire, dict):
        return None
    index = wire.get("document_index")
    return Citation(
        url=_text(wire.get("url")),
        title=_text(wire.get("title")) or _text(wire.get("document_title")),
        quote=_text(wire.get("cited_text")),
        document=index if type(index) is int else None,
        family=FAMILY,
        raw=wire,
    )


def read_citations(wire: Any) -> tuple[Citation, ...]:
    """Sources of one text block; empty when it has none."""
    found = (read_citation(one) for one in wire) if isinstance(wire, list) else ()
    return tuple(one for one in found if one is not None)


def own_citations(citations: tuple[Citation, ...]) -> list[Any]:
    """Sources that may be replayed to the vendor: only its own objects, as it checks them."""
    return [one.raw for one in citations if one.family == FAMILY and one.raw is not None]


def write_citation(citation: Citation) -> dict[str, Any] | None:
    """A source in the vendor's words; None when it names neither page nor document."""
    if citation.family == FAMILY and isinstance(citation.raw, dict):
        return citation.raw
    quote = citation.quote or ""
    if citation.url is not None:
        place = {"type": "web_search_result_location", "url": citation.url, "title": citation.title}
        return place | {"encrypted_index": "", "cited_text": quote}
    if citation.document is None:
        return None
    return {
        "type": "char_location",
        "document_index": citation.document,
        "document_title": citation.title,
        "start_char_index": 0,
        "end_char_index": len(quote),
        "cited_text": quote,
    }


def write_citations(citations: tuple[Citation, ...]) -> list[dict[str, Any]] | None:
    """Sources of one text block, as the vendor writes them: null when there are none."""
    said = [one for one in map(write_citation, citations) if one is not None]
    return said or None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
