"""What a local engine says of itself: which models it serves, and how busy it is."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tollway.kit.prometheus import Sample, samples

NAME_MAX = 256
PARALLEL_COPIES = frozenset({"tp_rank", "pp_rank", "moe_ep_rank"})
"""Labels of series that say the same for several parts of one engine; those of other labels add up."""
Pages = Sequence[bytes | None]
"""What was read from an engine's own addresses, in their order; None for one that did not answer."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model an engine serves."""

    name: str
    context: int | None = None
    """Tokens one request may fill, where the engine says so."""


@dataclass(frozen=True, slots=True)
class Gauges:
    """How busy an engine said it is; None for what it does not say."""

    running: int | None = None
    waiting: int | None = None
    kv_used: float | None = None
    """Of its key-value cache, 0 to 1."""
    slots: int | None = None
    """How many requests it works on at once, when that is a fixed number."""
    prompt_tokens: float | None = None
    """Tokens of prompts worked through since its start, those from the cache not counted."""
    prompt_seconds: float | None = None
    """What it took to work through them."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Where an engine is asked about itself, and how its answers are read.

    An address that begins with a slash stands below the server's root, which is the API's base without its `/v1`;
    any other below that base.
    """

    lists: tuple[str, ...]
    """What tells the models."""
    read_list: Callable[[Pages], list[Served]]
    """Raises ValueError or msgspec.DecodeError for what is no list."""
    gauges: tuple[str, ...]
    """What tells how busy it is."""
    read_gauges: Callable[[Pages], Gauges]
    """Raises ValueError or msgspec.DecodeError for what says nothing of the kind."""
    slots: int | None = None
    """How many requests it works on at once by itself, where it never says."""
    usual_tag: str = ""
    """An ending of names that may be left out."""


class _Meta(msgspec.Struct):
    n_ctx: int | None = None


class _Row(msgspec.Struct):
    id: str
    max_model_len: int | None = None
    meta: _Meta | None = None


class _Rows(msgspec.Struct):
    data: list[_Row]


def openai_list(pages: Pages) -> list[Served]:
    """`GET /v1/models`, with the context length where vLLM, SGLang and llama.cpp put it."""
    rows = msgspec.json.decode(pages[0] or b"", type=_Rows).data
    return [
        Served(row.id, positive(row.max_model_len) or positive(row.meta.n_ctx if row.meta else None))
        for row in rows
        if is_speakable(row.id)
    ]


def positive(number: int | None) -> int | None:
    """The number, unless it is none of anything."""
    return number if number is not None and number > 0 else None


def is_speakable(name: str) -> bool:
    """A name becomes part of paths, response headers and receipts."""
    return 0 < len(name) <= NAME_MAX and name.isascii() and name.isprintable()


def text_of(page: bytes | None) -> str:
    """A page of metrics. Raises ValueError when there is none."""
    if page is None:
        raise ValueError("no answer")
    return page.decode()


NO_SHARE = 1.5
"""More than a share that is only badly rounded."""


class Series:
    """The series of one reading, summed over the parts of an engine that work beside each other."""

    def __init__(self, text: str, names: Collection[str]) -> None:
        """Raises ValueError when none of the names is there, or one is there and cannot be read."""
        found: dict[str, list[Sample]] = {}
        for sample in samples(text, names):
            found.setdefault(sample.name, []).append(sample)
        if not found:
            raise ValueError("none of the metrics of this engine")
        self._parts = {name: _parts(every) for name, every in found.items()}

    def total(self, *names: str) -> float | None:
        """The sum of the first of these series that is there."""
        every = self._first(names)
        return sum(every) if every else None

    def count(self, *names: str) -> int | None:
        """The sum as a whole number, never below nothing."""
        total = self.total(*names)
        return None if total is None else max(0, round(total))

    def fullest(self, *names: str) -> float | None:
        """The largest of the first of these series that is there, within 0 and 1; what is no share at all counts for
        nothing, or an engine that tells rubbish would seem to be full."""
        every = [share for share in self._first(names) if share <= NO_SHARE]
        return min(1.0, max(0.0, *every)) if every else None

    def _first(self, names: Iterable[str]) -> list[float]:
        return next((self._parts[name] for name in names if self._parts.get(name)), [])


def _parts(every: Sequence[Sample]) -> list[float]:
    """One value for each part that counts for itself."""
    if any(sample.labels.get("priority") == "" for sample in every):  # SGLang: the sum, then each priority
        every = [sample for sample in every if sample.labels.get("priority") == ""]
    values: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in every:
        if math.isfinite(sample.value):
            part = tuple(sorted(pair for pair in sample.labels.items() if pair[0] not in PARALLEL_COPIES))
            values[part] = max(sample.value, values.get(part, -math.inf))
    return list(values.values())


def json_page(page: bytes | None) -> Mapping[str, Any]:
    """A page that holds one JSON object. Raises ValueError or msgspec.DecodeError."""
    if page is None:
        raise ValueError("no answer")
    return msgspec.json.decode(page, type=dict[str, Any])
