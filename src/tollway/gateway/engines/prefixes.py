"""Remembers which engine has read which beginning of a prompt, so that it need not be read again elsewhere."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tollway.core.ids import LaneId

FIELDS = (
    *("tools", "functions", "system", "system_instruction", "systemInstruction", "instructions"),
    *("messages", "contents", "input", "prompt"),
)
"""What makes up a prompt, in the order in which engines read it."""
MOST_LANES = 4
"""Engines remembered for one beginning."""


def _bounds() -> tuple[int, ...]:
    """Where pieces of a prompt end, in bytes: fine at first, coarser later, so that no prompt has many."""
    bounds: list[int] = []
    for size, upto in ((256, 8 << 10), (1 << 10, 64 << 10), (8 << 10, 1 << 20)):
        bounds += range((bounds[-1] if bounds else 0) + size, upto + 1, size)
    return tuple(bounds)


BOUNDS = _bounds()


class Beginnings(NamedTuple):
    """A prompt as the chain of its beginnings, each of which stands for all that comes before it."""

    chain: tuple[int, ...]
    size: int
    """Bytes of the whole prompt."""


def beginnings_of(body: Mapping[str, Any], model: str) -> Beginnings:
    """The chain of a request's body, whose top-level fields may still be raw JSON.

    The chain is good within this process only.
    """
    told = [body[name] for name in FIELDS if name in body]
    prompt = b"".join(bytes(one) if isinstance(one, msgspec.Raw) else msgspec.json.encode(one) for one in told)
    link, start, chain = hash(model), 0, []
    for bound in BOUNDS:
        if bound > len(prompt):
            break
        link = hash((link, prompt[start:bound]))
        chain.append(link)
        start = bound
    return Beginnings(tuple(chain), len(prompt))


class Prefixes:
    """Which lanes have read which beginnings; the longest unused is forgotten first. Times are monotonic seconds."""

    def __init__(self, most: int, ttl_s: float) -> None:
        """`most`: beginnings remembered at once; `ttl_s`: how long a lane is believed to hold one."""
        self._most, self._ttl_s = most, ttl_s
        self._nodes: OrderedDict[int, tuple[tuple[LaneId, float], ...]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._nodes)

    def warm(self, prompt: Beginnings, lanes: Sequence[LaneId], now_s: float) -> dict[LaneId, float]:
        """How much of the prompt each of these lanes has read lately, 0 to 1; those that read nothing are left out."""
        found: dict[LaneId, float] = {}
        chain = prompt.chain
        for place in range(len(chain) - 1, -1, -1):
            for lane, read_s in self._nodes.get(chain[place], ()):
                if lane not in found and lane in lanes and now_s - read_s <= self._ttl_s:
                    found[lane] = BOUNDS[place] / prompt.size
            if len(found) == len(lanes):
                break
        return found

    def read(self, prompt: Beginnings, lane: LaneId, now_s: float) -> None:
        """This lane reads the prompt now."""
        nodes = self._nodes
        for link in reversed(prompt.chain):  # the shortest last: every beginning outlives those that go on from it
            others = [one for one in nodes.pop(link, ()) if one[0] != lane and now_s - one[1] <= self._ttl_s]
            nodes[link] = ((lane, now_s), *others[: MOST_LANES - 1])
        while len(nodes) > self._most:
            nodes.popitem(last=False)
