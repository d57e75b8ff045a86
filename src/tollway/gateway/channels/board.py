"""The stored channels and groups a running process works with, and how it learns of others."""

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import NamedTuple

from tollway.core.errors import BadRequest, BrokenSeal, OtherVault, Unavailable
from tollway.core.groups import USUAL_GROUPS, Groups
from tollway.core.model import Channel
from tollway.gateway.channels import store
from tollway.gateway.channels.groups import groups_in
from tollway.gateway.channels.kept import StoredChannels
from tollway.gateway.channels.store import ChannelRecord
from tollway.ports import Clock, Database

log = logging.getLogger(__name__)
LOOK_AGAIN_S = 60.0
"""The longest that a change whose news was lost on its way stays unheard."""
RETRY_S = 1.0


class News(NamedTuple):
    """What is kept in the database, as it is now."""

    channels: tuple[Channel, ...]
    groups: Groups


class ChannelBoard:
    """Knows the stored channels, and learns of changes from the shared epoch.

    A channel whose keys cannot be opened any more stays as it was last known; a database that is away changes nothing.
    """

    def __init__(self, database: Database, clock: Clock, stored: StoredChannels) -> None:
        self._database, self._clock, self._stored = database, clock, stored
        self._looking = asyncio.Lock()
        self._epoch = -1
        self._look_again_s = self._rest_until_s = -math.inf
        self._opened: dict[str, tuple[ChannelRecord, Channel]] = {}
        self.told = News((), USUAL_GROUPS)
        """What it has said last."""
        self.problems: dict[str, str] = {}
        """Why stored channels are not used as they are stated, by id."""

    async def news(self) -> News | None:
        """Channels and groups when they are others than the last time; None when nothing changed.

        Cheap when nothing happened.
        """
        async with self._looking:  # who looks later must not be overtaken by an older look
            return await self._news()

    async def _news(self) -> News | None:
        epoch, now_s = self._database.epoch(), self._clock.now_s()
        if now_s < self._look_again_s and (epoch == self._epoch or now_s < self._rest_until_s):
            return None
        try:
            records, groups = await self._database.read(lambda tx: (store.every(tx), groups_in(tx)))
        except Unavailable as error:
            log.warning("changed channels cannot be looked up now: %s", error.message)
            self._look_again_s = self._rest_until_s = now_s + RETRY_S
            return None
        self._epoch, self._look_again_s = epoch, now_s + LOOK_AGAIN_S
        found = News(await self._open(records), groups)
        if found == self.told:
            return None
        self.told = found
        return found

    async def begin(self) -> News:
        """What a process begins with. Raises OtherVault when its vault lacks the keys of a channel that is in use."""
        await self.news()
        for record in await self._stored.all():
            if record.enabled and record.id not in self._opened and record.sealed:
                await self._say_foreign(record)
        return self.told

    async def _say_foreign(self, record: ChannelRecord) -> None:
        try:
            await self._stored.opened(record)
        except (BrokenSeal, BadRequest) as error:
            log.error("the channel %s is left out: %s", record.id, error.message)
        except OtherVault as error:
            raise OtherVault(f"the keys of the channel {record.id!r} were {error.message}") from error

    async def _open(self, records: Sequence[ChannelRecord]) -> tuple[Channel, ...]:
        """The channels with their keys; only what changed is opened."""
        known, self._opened, problems = self._opened, {}, {}
        for record in records:
            had = known.get(record.id)
            try:
                fresh = had[1] if had is not None and _same(had[0], record) else await self._stored.opened(record)
                self._opened[record.id] = record, fresh
            except (OtherVault, BrokenSeal, BadRequest) as error:
                problems[record.id] = error.message
                if had is not None and record.enabled:
                    self._opened[record.id] = had
                if problems[record.id] != self.problems.get(record.id):
                    log.error("the channel %s cannot be used as it is stated now: %s", record.id, error.message)
        self.problems = problems
        return tuple(channel for _, channel in self._opened.values())


def _same(old: ChannelRecord, new: ChannelRecord) -> bool:
    """Whether nothing changed but what a test found."""
    return (old.edition, old.body, old.sealed, old.enabled) == (new.edition, new.body, new.sealed, new.enabled)
