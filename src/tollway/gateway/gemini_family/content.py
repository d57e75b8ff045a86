"""One content to be embedded, as Google writes it: its text, and what the vector is for."""

from typing import Any, NamedTuple

from tollway.core.chat import ChatRequest
from tollway.core.embedding import Embedding, Foreign, Input
from tollway.core.errors import Unsupported
from tollway.gateway.dialect import Body, Envelope, PathArgs
from tollway.gateway.gemini_family.spelling import fields, items, text, whole, wrong

FAMILY = "gemini"
MEDIA_MARKERS = (b'ata"',)
"""Ends of `inlineData`, `file_data` and their like."""
_KNOWN = frozenset({"model", "content", "taskType", "title", "outputDimensionality"})


class Wanted(NamedTuple):
    """One vector that is wanted."""

    content: Input
    dimensions: int | None
    task: str | None
    title: str | None
    leftover: tuple[str, ...]
    """Names of fields we have no word for."""


def read_wanted(given: dict[str, Any], path: str) -> Wanted:
    """Understand the fields of one request; `path` stands before their names. Raises BadRequest naming the place."""
    dimensions = None
    if "outputDimensionality" in given:
        dimensions = whole(given["outputDimensionality"], f"{path}outputDimensionality")
        if dimensions < 1:
            raise wrong(f"{path}outputDimensionality", "must be above zero")
    task = text(given["taskType"], f"{path}taskType") if "taskType" in given else None
    title = text(given["title"], f"{path}title") if "title" in given else None
    return Wanted(
        _content(given.get("content"), f"{path}content"),
        dimensions,
        task,
        title,
        tuple(name for name in given if name not in _KNOWN),
    )


def _content(given: Any, path: str) -> Input:
    """Its words; or the whole content, where there is more in it than words."""
    if given is None:
        raise wrong(path, "what is to be embedded is missing")
    parts = items(fields(given, path).get("parts", []), f"{path}.parts")
    words = []
    for at, part in enumerate(parts):
        said = fields(part, f"{path}.parts[{at}]")
        if "text" not in said:
            return Foreign(FAMILY, given)
        words.append(text(said["text"], f"{path}.parts[{at}].text"))
    if not any(words):
        raise wrong(f"{path}.parts", "must not be empty")
    return "\n".join(words)


def said(one: Input, asked: Embedding, place: str) -> dict[str, Any]:
    """One input as Google reads it. Raises Unsupported, which names it `place`."""
    row: dict[str, Any] = {"content": _written(one, place)}
    if asked.task is not None:
        row["taskType"] = asked.task
    if asked.title is not None:
        row["title"] = asked.title
    if asked.dimensions is not None:
        row["outputDimensionality"] = asked.dimensions
    return row


def _written(one: Input, place: str) -> Any:
    if isinstance(one, str):
        return {"parts": [{"text": one}]}
    if isinstance(one, Foreign) and one.family == FAMILY:
        return one.value
    raise Unsupported(f"{place}: this model reads text, not the tokens of another model's vocabulary", field=place)


def model_of(path: PathArgs) -> str | None:
    """The model a path names."""
    return path.get("model", "").removeprefix("models/") or None


def may_hold_media(body: Body) -> bool:
    """Whether anything but text may be among the parts."""
    return any(marker in bytes(value) for value in body.values() for marker in MEDIA_MARKERS)


def question(wanted: list[Wanted], envelope: Envelope, leftover: tuple[str, ...]) -> ChatRequest:
    """The canonical question of one or several contents that are alike but for their text."""
    first = wanted[0]
    for at, one in enumerate(wanted):
        if one.dimensions != first.dimensions:
            raise wrong(f"requests[{at}].outputDimensionality", "must be the same for all requests")
    unlike = tuple(
        name for name in ("task", "title") if any(getattr(one, name) != getattr(first, name) for one in wanted)
    )
    embedding = Embedding(
        inputs=tuple([one.content for one in wanted]),
        dimensions=first.dimensions,
        task=None if "task" in unlike else first.task,
        title=None if "title" in unlike else first.title,
    )
    left = [name for one in wanted for name in one.leftover]
    left += [{"task": "taskType"}.get(name, name) for name in unlike]
    return ChatRequest(
        model=envelope.model or "",
        messages=(),
        embedding=embedding,
        leftover=tuple(dict.fromkeys((*leftover, *left))),
    )
