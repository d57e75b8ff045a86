"""Everything an administrator does with channels, over HTTP or from the command line."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tollway.core.errors import BadRequest, NotFound
from tollway.core.model import Channel, Lane, Model
from tollway.gateway.catalog import Catalog
from tollway.gateway.channels.kept import IdTaken, Outcome, StoredChannels
from tollway.gateway.channels.mask import mask
from tollway.gateway.channels.roster import Listed, Source
from tollway.gateway.channels.show import show_channel, show_record, show_stated, tails_in
from tollway.gateway.channels.store import ChannelRecord

Shown = dict[str, Any]
AT_ONCE = 8
MOST_LANES = 50
"""Keys of one channel that one test asks."""
_ELSEWHERE = {
    Source.FILE: "is stated in tollway.toml: change it there",
    Source.ENVIRONMENT: "comes from the environment: make a stored channel of that id to replace it",
    Source.INSIDE: "is built in: make a stored channel of that id to replace it",
}


class Tried(Protocol):
    """How one key of a channel answered."""

    @property
    def status(self) -> int:
        """HTTP status; 0: there was no answer at all."""

    @property
    def ms(self) -> float: ...

    @property
    def problem(self) -> str:
        """Empty: it works."""


Trial = Callable[[Channel, Model, str, Sequence[Lane]], Awaitable[Sequence[Tried]]]
"""Asks a channel a tiny question under the upstream's name of a model, through each of the lanes."""
Choose = Callable[[Channel, Catalog, str | None], tuple[Model, str] | None]
"""A model to test a channel with, and its upstream's name."""


def _well(channel: str) -> float:
    return 0.0


def _noted(lane: Lane, model: Model, took_s: float) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class ChannelDesk:
    """Channels from everywhere."""

    stored: StoredChannels
    roster: Callable[[], Sequence[Listed]]
    """All that this process knows; those of the database are looked up anew."""
    catalog: Callable[[], Catalog]
    choose: Choose
    trial: Trial
    rests_for_s: Callable[[str], float] = _well
    """How long a channel still cools down."""
    works: Callable[[Lane, Model, float], None] = _noted
    """Hears of each lane whose test went well, and of the seconds it took."""
    problems: Callable[[], Mapping[str, str]] = dict
    """Why stored channels are not used as they are stated, by id."""

    async def all(self) -> list[Shown]:
        """Every channel, those of the file first."""
        return [await self._shown(listed, record) for listed, record in await self._every()]

    async def one(self, channel: str) -> Shown:
        """A channel; a stored one with its settings as stated. Raises NotFound."""
        listed, record = await self._find(channel)
        shown = await self._shown(listed, record)
        if record is not None:
            shown["settings"] = show_stated(record)
        known = self.catalog()
        # without a price nothing can be sold
        shown["unknown_models"] = [name for name in shown["models"] or () if known.find(name) is None]
        return shown

    async def create(self, values: Mapping[str, Any], author: str) -> Shown:
        """Keep a new channel. Raises BadRequest naming the field, IdTaken."""
        for one in self.roster():
            if one.channel.id == values.get("id") and one.source is Source.FILE:
                raise IdTaken(f"the channel {one.channel.id!r} {_ELSEWHERE[one.source]}", field="id")
        return await self.one((await self.stored.create(values, author)).id)

    async def change(self, channel: str, values: Mapping[str, Any], author: str, edition: int | None = None) -> Shown:
        """Change a stored channel. Raises NotFound, BadRequest, Changed."""
        await self._only_stored(channel)
        await self.stored.change(channel, values, author, edition)
        return await self.one(channel)

    async def remove(self, channel: str) -> None:
        """Forget a stored channel. Raises NotFound, BadRequest for one that is not stored."""
        await self._only_stored(channel)
        await self.stored.remove(channel)

    async def test(self, channel: str, asked: str | None = None) -> Shown:
        """Ask it a tiny question through each of its keys; nobody is billed.

        Raises NotFound, and BadRequest when it serves no model that could be asked.
        """
        listed, record = await self._find(channel)
        opened = listed.channel if record is None else await self.stored.opened(record)
        chosen = self.choose(opened, self.catalog(), asked)
        if chosen is None:
            raise BadRequest(f"the channel {channel!r} serves no model that is on sale: name one", field="model")
        model, upstream = chosen
        gate, lanes = asyncio.Semaphore(AT_ONCE), opened.lanes[:MOST_LANES]

        async def ask(lane: Lane) -> Shown:
            async with gate:
                (tried,) = await self.trial(opened, model, upstream, (lane,))
            if not tried.problem:
                self.works(lane, model, tried.ms / 1000)
            problem = tried.problem.replace(lane.key, mask(lane.key)) if lane.key else tried.problem
            return {"key": mask(lane.key), "status": tried.status, "ms": tried.ms, "problem": problem}

        results = await asyncio.gather(*map(ask, lanes))
        problem = next((one["problem"] for one in results if one["problem"]), "")
        worst_ms = max(one["ms"] for one in results)
        if record is not None:
            await self.stored.note_test(channel, Outcome(worst_ms, problem))
        shown = {"id": channel, "ok": not problem, "model": model.id, "upstream_model": upstream}
        return shown | {"status": results[0]["status"], "ms": worst_ms, "problem": problem, "keys": results}

    async def _every(self) -> list[tuple[Listed, ChannelRecord | None]]:
        """Each channel that counts and each stored one, with what is kept of the latter."""
        records = {record.id: record for record in await self.stored.all()}
        fixed = [one for one in self.roster() if one.source is not Source.STORED]
        kept = [(Listed(self.stored.sketch(record), Source.STORED), record) for record in records.values()]
        file = [(one, None) for one in fixed if one.source is Source.FILE]
        rest = [(one, None) for one in fixed if one.source is not Source.FILE and one.channel.id not in records]
        return [*file, *kept, *rest]

    async def _find(self, channel: str) -> tuple[Listed, ChannelRecord | None]:
        found = next((pair for pair in await self._every() if pair[0].channel.id == channel), None)
        if found is None:
            raise NotFound(f"no channel {channel[:100]!r}")
        return found

    async def _only_stored(self, channel: str) -> None:
        listed, record = await self._find(channel)
        if record is None:
            raise BadRequest(f"the channel {channel!r} {_ELSEWHERE[listed.source]}", field="id")

    async def _shown(self, listed: Listed, record: ChannelRecord | None) -> Shown:
        channel = listed.channel
        shown = show_channel(channel, listed.source, None if record is None else tails_in(record))
        rests_for_s = max(0.0, self.rests_for_s(channel.id))
        problem = self.problems().get(channel.id, "") if record is not None else ""
        if record is not None:
            file = any(one.channel.id == record.id and one.source is Source.FILE for one in self.roster())
            problem = "tollway.toml states a channel of this id, which is stronger" if file else problem
            shown |= show_record(record)
        state = "cooling_down" if rests_for_s else "ready"
        if not channel.enabled:
            state = "disabled"
        return shown | {
            "state": "broken" if problem else state,
            "rests_for_s": round(rests_for_s, 3),
            "problem": problem,
        }
