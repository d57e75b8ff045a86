"""Each channel in its turn, whatever its weight; a channel with several keys takes one of them each time."""

from collections.abc import Iterator, Sequence

from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.strategy import Observations, Strategy


def order(candidates: Sequence[Candidate], seen: Observations) -> Iterator[Sequence[Candidate]]:
    """One lane of each channel, beginning with the channel whose turn it is; then the lanes that are left."""
    lanes = seen.once("lanes", candidates, _lanes)
    lap, first = divmod(seen.turn, len(lanes))
    yield (lanes[first][lap % len(lanes[first])],)
    turned = [*lanes[first:], *lanes[:first]]
    for step in range(max(map(len, lanes))):
        for each in turned:
            if step < len(each) and (step or each is not lanes[first]):
                yield (each[(lap + step) % len(each)],)


def _lanes(candidates: Sequence[Candidate]) -> Sequence[Sequence[Candidate]]:
    """The lanes of each channel."""
    channels: dict[tuple[str, str], list[Candidate]] = {}
    for one in candidates:
        channels.setdefault((one.channel.id, one.model.id), []).append(one)
    return list(channels.values())


strategy = Strategy("round_robin", order)
