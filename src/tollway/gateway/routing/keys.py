"""Which key of a channel comes first: the next in turn, or the one whose prompt cache a caller has warmed."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence

from tollway.core.ids import ChannelId, LaneId
from tollway.core.model import Channel
from tollway.gateway.routing.plan import Candidate

BOUND_FOR_S = 300.0
"""A caller who does not come back for so long has lost his key: no provider keeps a prompt's cache for longer."""
SWEEP_AT = 1000
"""Callers bound to keys above which those who did not come back are forgotten."""
MOST_BOUND = 20_000


class KeyTurns:
    """Remembers whose turn it is and who is bound to which key; lives on when the router is replaced."""

    def __init__(self, bound_for_s: float = BOUND_FOR_S, most: int = MOST_BOUND) -> None:
        self._bound_for_s, self._most = bound_for_s, most
        self._last: dict[ChannelId, tuple[LaneId, int]] = {}
        """The lane that was first the last time, and its place then."""
        self._bound: OrderedDict[tuple[ChannelId, str], tuple[LaneId, float]] = OrderedDict()
        """(channel, caller) → lane and when the bond ends; the longest unused first."""
        self._callers: Counter[LaneId] = Counter()
        """How many callers are bound to each lane."""

    def __len__(self) -> int:
        return len(self._bound)

    def arranged(
        self, order: Iterable[Candidate], ready: Sequence[Candidate], caller: str, now_s: float
    ) -> Iterator[Candidate]:
        """`order` with the keys of each channel changing places among themselves, as their channel says.

        `ready`: all that `order` will give; `caller`: who asks; `now_s` in monotonic seconds. Lazy, as `order` is.
        """
        queues: dict[ChannelId, Iterator[Candidate]] = {}
        for one in order:
            if not chooses(one.channel):
                yield one
                continue
            queue = queues.get(one.channel.id)
            if queue is None:
                own = [other for other in ready if other.channel is one.channel and other.model is one.model]
                queue = queues[one.channel.id] = iter(self._ranked(own, caller, now_s))
            yield next(queue, one)

    def _ranked(self, own: list[Candidate], caller: str, now_s: float) -> list[Candidate]:
        return self._in_turn(own) if own[0].channel.key_choice == "round_robin" else self._bonded(own, caller, now_s)

    def _in_turn(self, own: list[Candidate]) -> list[Candidate]:
        """From the one after the last one on, round and round."""
        channel = own[0].channel
        places = {lane.id: at for at, lane in enumerate(channel.lanes)}
        last, at = self._last.get(channel.id, (LaneId(""), -1))
        start, count = places.get(last, at) + 1, len(places)
        ranked = sorted(own, key=lambda one: (places.get(one.lane, 0) - start) % count)
        self._last[channel.id] = ranked[0].lane, places.get(ranked[0].lane, 0)
        return ranked

    def _bonded(self, own: list[Candidate], caller: str, now_s: float) -> list[Candidate]:
        """The caller's own key while it can be used; else that of the fewest callers, which is his from now on."""
        name = own[0].channel.id, caller
        bond = self._bound.get(name)
        ranked = sorted(own, key=lambda one: self._callers[one.lane])
        if bond is not None and bond[1] > now_s:
            ranked.sort(key=lambda one: one.lane != bond[0])
        self._bind(name, ranked[0].lane, now_s)
        return ranked

    def _bind(self, name: tuple[ChannelId, str], lane: LaneId, now_s: float) -> None:
        self._unbind(name)
        if len(self._bound) >= SWEEP_AT:
            for other, (_, until_s) in list(self._bound.items()):
                if until_s > now_s and len(self._bound) < self._most:
                    break
                self._unbind(other)
        self._bound[name] = lane, now_s + self._bound_for_s
        self._callers[lane] += 1

    def _unbind(self, name: tuple[ChannelId, str]) -> None:
        bond = self._bound.pop(name, None)
        if bond is not None:
            self._callers[bond[0]] -= 1
            if self._callers[bond[0]] <= 0:
                del self._callers[bond[0]]


def chooses(channel: Channel) -> bool:
    """Whether the keys of this channel have an order of their own."""
    return channel.key_choice != "random" and len(channel.keys) > 1
