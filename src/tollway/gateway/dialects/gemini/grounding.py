"""groundingMetadata and citations, both directions; Google counts bytes of UTF-8, we count characters."""

from collections.abc import Iterator, Sequence
from typing import Any

from tollway.core.chat import Citation
from tollway.gateway.dialects.gemini.answer import Grounding, GroundingChunk, Segment


def read_grounding(grounding: Grounding, texts: Sequence[str]) -> Iterator[tuple[int, Citation]]:
    """(index of the text part, citation) for each source of each supported stretch.

    A part whose text is not in `texts` gets no offsets. Sources that support nothing in particular are
    cited without a stretch, on part 0.
    """
    chunks = grounding.grounding_chunks or []
    cited: set[int] = set()
    for support in grounding.grounding_supports or ():
        segment = support.segment or Segment()
        told = texts[segment.part_index] if 0 <= segment.part_index < len(texts) else None
        for index in support.grounding_chunk_indices or ():
            if 0 <= index < len(chunks):
                cited.add(index)
                yield segment.part_index, _citation(chunks[index], segment, told)
    for index, chunk in enumerate(chunks):
        if index not in cited:
            yield 0, _citation(chunk, Segment(), None)


def _citation(chunk: GroundingChunk, segment: Segment, told: str | None) -> Citation:
    source = chunk.web or chunk.retrieved_context or chunk.maps
    start = end = None
    if told is not None and segment.end_index is not None:
        start, end = _characters(told, segment.start_index), _characters(told, segment.end_index)
    return Citation(
        url=source.uri if source else None,
        title=source.title if source else None,
        quote=segment.text,
        start=start,
        end=end,
    )


def _characters(told: str, offset: int) -> int:
    """A byte offset as a character offset."""
    if told.isascii():
        return min(offset, len(told))
    return len(told.encode()[:offset].decode(errors="ignore"))


def write_grounding(citations: Sequence[tuple[int, str, Citation]]) -> dict[str, Any] | None:
    """groundingMetadata for (part index, its text, citation); None when no source has an address."""
    chunks: dict[tuple[str, str | None], int] = {}
    supports: list[dict[str, Any]] = []
    for part, told, citation in citations:
        if citation.url is None:
            continue
        at = chunks.setdefault((citation.url, citation.title), len(chunks))
        if citation.end is None:
            continue
        start, end = len(told[: citation.start or 0].encode()), len(told[: citation.end].encode())
        segment: dict[str, Any] = {"partIndex": part} if part else {}
        segment |= {"startIndex": start, "endIndex": end}
        segment["text"] = citation.quote or told[citation.start or 0 : citation.end]
        supports.append({"segment": segment, "groundingChunkIndices": [at]})
    if not chunks:
        return None
    webs = [{"web": {"uri": url, "title": title} if title else {"uri": url}} for url, title in chunks]
    return {"groundingChunks": webs, "groundingSupports": supports} if supports else {"groundingChunks": webs}
