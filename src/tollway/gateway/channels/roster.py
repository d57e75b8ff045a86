"""All channels of a process from everywhere they may come from; of those with one id, one counts."""

import enum
from collections.abc import Iterable
from typing import NamedTuple

from tollway.core.ids import ChannelId
from tollway.core.model import Channel


class Source(enum.Enum):
    """Where a channel comes from, strongest first."""

    FILE = "file"
    STORED = "stored"
    ENVIRONMENT = "environment"
    """A provider's key is at hand."""
    INSIDE = "inside"
    """A provider within the process."""


class Listed(NamedTuple):
    """A channel, and where it comes from."""

    channel: Channel
    source: Source


class Fixed(NamedTuple):
    """The channels that do not come from the database."""

    file: tuple[Channel, ...]
    environment: tuple[Channel, ...]
    inside: tuple[Channel, ...]

    def with_stored(self, stored: Iterable[Channel]) -> list[Listed]:
        """All of them, each id once: what the file states is stronger than what is stored, and that than the rest."""
        ranked = (
            (Source.FILE, self.file),
            (Source.STORED, tuple(stored)),
            (Source.ENVIRONMENT, self.environment),
            (Source.INSIDE, self.inside),
        )
        listed: dict[ChannelId, Listed] = {}
        for source, channels in ranked:
            for channel in channels:
                listed.setdefault(channel.id, Listed(channel, source))
        return list(listed.values())


def moved_channels(old: Iterable[Listed], new: Iterable[Listed]) -> set[str]:
    """Those that have other keys, another address or another proxy than before."""
    known = {one.channel.id: one.channel for one in old}
    pairs = ((known.get(one.channel.id), one.channel) for one in new)
    return {
        now.id
        for before, now in pairs
        if before is not None and (before.base_url, before.keys, before.proxy) != (now.base_url, now.keys, now.proxy)
    }


def used(listed: Iterable[Listed]) -> list[Channel]:
    """The channels that calls may take."""
    return [one.channel for one in listed if one.channel.enabled]


def switched_off(listed: Iterable[Listed]) -> list[Channel]:
    """The channels that calls may not take; whoever names one is told so."""
    return [one.channel for one in listed if not one.channel.enabled]
