"""Makes, changes and removes the channels that are kept in the database, their keys sealed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tollway.core.errors import BadRequest, NotFound, TollwayError
from tollway.core.groups import AUTO
from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.gateway.channels import store
from tollway.gateway.channels.form import HEADERS, KEYS, Form, Stated, check_id
from tollway.gateway.channels.groups import groups_in
from tollway.gateway.channels.mask import tails_of
from tollway.gateway.channels.store import ChannelRecord
from tollway.ports import Clock, Database, Transaction, Vault

MOST_CHANNELS = 10_000
TRIES = 5
"""So often a change is made anew on what somebody else changed meanwhile."""
_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class IdTaken(TollwayError):
    """There is a channel of that id already."""

    status, kind, code = 409, "invalid_request", "id_taken"


class Changed(TollwayError):
    """Somebody else changed the channel meanwhile."""

    status, kind, code = 409, "invalid_request", "changed_meanwhile"


class Outcome(NamedTuple):
    """How a test of a channel went."""

    ms: float
    problem: str
    """Empty: none."""


class StoredChannels:
    """The channels of the database."""

    def __init__(self, database: Database, clock: Clock, vault: Vault, form: Form) -> None:
        self._database, self._clock, self._vault, self._form = database, clock, vault, form

    async def all(self) -> list[ChannelRecord]:
        """Every one, by id; their keys stay sealed."""
        return await self._database.read(store.every)

    async def find(self, channel: str) -> ChannelRecord:
        """The channel of that id, its keys sealed. Raises NotFound."""
        check_id(channel)
        found = await self._database.read(lambda tx: store.find(tx, channel))
        if found is None:
            raise NotFound(f"no stored channel {channel!r}")
        return found

    async def create(self, values: Mapping[str, Any], author: str) -> ChannelRecord:
        """Keep a new channel; running gateways use it within moments.

        Raises BadRequest naming a bad field, IdTaken, OtherVault when those there are were sealed by keys unknown here.
        """
        return (await self.create_all([values], author))[0]

    async def create_all(self, rows: Sequence[Mapping[str, Any]], author: str) -> list[ChannelRecord]:
        """Keep all of them, or none. Raises like `create`."""
        stated = [self._form.read(values) for values in rows]
        await self._same_vault()
        now_s = self._clock.now_s()
        made = [await self._record(one, author, (1, now_s, now_s)) for one in stated]

        def keep(tx: Transaction) -> list[ChannelRecord]:
            if len(store.every(tx)) + len(made) > MOST_CHANNELS:
                raise BadRequest(f"more than {MOST_CHANNELS} channels")
            for one, new in zip(stated, made, strict=True):
                _check_groups(tx, one.channel)
                if not store.add(tx, new):
                    raise IdTaken(f"there already is a channel {new.id!r}", field="id")
            tx.announce()
            return made

        return await self._database.write(keep)

    async def change(
        self, channel: str, wanted: Mapping[str, Any], author: str, edition: int | None = None
    ) -> ChannelRecord:
        """The channel with the stated fields replaced, None taking one away; calls in flight keep what it was.

        `edition`: only if it is still the one that somebody looked at. Raises NotFound, Changed, BadRequest naming a
        bad field, OtherVault or BrokenSeal when its keys cannot be kept because they cannot be read.
        """
        if "id" in wanted and wanted["id"] != channel:
            raise BadRequest("id: a channel keeps its id", field="id")
        for _ in range(TRIES):
            old = await self.find(channel)
            if edition is not None and old.edition != edition:
                raise Changed(f"the channel {channel!r} is at edition {old.edition}, not {edition}: look at it again")
            new = await self._changed(old, wanted, author)
            if new is old or await self._database.write(lambda tx, new=new: _replace(tx, new)):  # type: ignore[misc]
                return new
        raise Changed(f"the channel {channel!r} is being changed by somebody else: try again")

    async def remove(self, channel: str) -> None:
        """Forget a channel; calls in flight through it go on to their end. Raises NotFound."""
        await self.find(channel)

        def forget(tx: Transaction) -> bool:
            gone = store.remove(tx, channel)
            tx.announce()
            return gone

        if not await self._database.write(forget):
            raise NotFound(f"no stored channel {channel!r}")

    async def opened(self, record: ChannelRecord) -> Channel:
        """The channel with its keys. Raises OtherVault, BrokenSeal, BadRequest when it is stated in words of another
        version."""
        return self._form.read(await self._values(record)).channel

    def sketch(self, record: ChannelRecord) -> Channel:
        """The channel without its keys and headers, which stay sealed."""
        try:
            stated = self._form.read({"id": record.id, "enabled": False, **_decode(record.body)})
        except BadRequest:  # in words of another version: it is shown all the same, and can be removed
            provider = str(_decode(record.body).get("provider", ""))
            return Channel(id=ChannelId(record.id), provider=provider, base_url="", enabled=record.enabled)
        return msgspec.structs.replace(stated.channel, enabled=record.enabled)

    async def note_test(self, channel: str, outcome: Outcome) -> None:
        """Write down how a test went."""
        now_s = self._clock.now_s()
        ms, problem = outcome.ms, outcome.problem[:500]
        await self._database.write(lambda tx: store.note_test(tx, channel, now_s, ms, problem))

    async def unopenable(self) -> list[str]:
        """What is wrong with the sealed keys of each channel that the vault does not open."""
        wrong = []
        for record in await self.all():
            try:
                await self._values(record)
            except TollwayError as error:
                wrong.append(f"{record.id}: {error.message}")
        return wrong

    async def reseal(self) -> tuple[int, list[str]]:
        """Seal all keys with the newest key of the vault: how many were, and what is wrong with the others."""
        done, wrong = 0, []
        for record in await self.all():
            if not record.sealed:
                continue
            try:
                secret = await self._vault.open(record.sealed, _context(record.id))
            except TollwayError as error:
                wrong.append(f"{record.id}: {error.message}")
                continue
            sealed = await self._vault.seal(secret, _context(record.id))
            change = (record.id, record.sealed, sealed)
            done += await self._database.write(lambda tx, change=change: store.reseal(tx, *change))  # type: ignore[misc]
        return done, wrong

    async def _changed(self, old: ChannelRecord, wanted: Mapping[str, Any], author: str) -> ChannelRecord:
        times = (old.edition + 1, old.created_at_s, self._clock.now_s())
        if set(wanted) <= {"id", "enabled"} and wanted.get("enabled") is False:  # possible whatever the vault says
            return old._replace(enabled=False, edition=times[0], changed_at_s=times[2], changed_by=author)
        values = await self._values(old)
        if any(wanted.get(name) is not None for name in KEYS):
            values = {name: value for name, value in values.items() if name not in KEYS}
        elif any(name in wanted for name in KEYS):  # null: take the keys away, whichever word was used
            values = {**values, "keys": None}
        stated = self._form.read({**values, **wanted})
        await self._database.read(lambda tx: _check_groups(tx, stated.channel))
        return await self._record(stated, author, times, old)

    async def _values(self, record: ChannelRecord) -> dict[str, Any]:
        """All that was stated of it, keys opened."""
        secret: dict[str, Any] = {}
        if record.sealed:
            secret = _decode(await self._vault.open(record.sealed, _context(record.id)))
        return {"id": record.id, "enabled": record.enabled, **_decode(record.body), **secret}

    async def _record(
        self, stated: Stated, author: str, times: tuple[int, float, float], old: ChannelRecord | None = None
    ) -> ChannelRecord:
        """What is kept of it; `times` are the edition, and when it was made and changed."""
        has = any(stated.secret.values())
        sealed = await self._vault.seal(_encode(stated.secret), _context(stated.id)) if has else ""
        edition, created_s, changed_s = times
        secret = stated.secret
        lines = [secret.get(name, {}) for name in HEADERS]
        tails = _encode(tails_of(secret.get("keys", ()), lines, secret.get("proxy", "")))
        tested = (None, None, "") if old is None else (old.tested_at_s, old.test_ms, old.test_problem)
        body, enabled = _encode(stated.open).decode(), stated.enabled
        return ChannelRecord(
            stated.id, body, sealed, tails.decode(), enabled, edition, created_s, changed_s, author, *tested
        )  # fmt: skip

    async def _same_vault(self) -> None:
        """Hosts with different keys would each seal what the others cannot open: raises OtherVault before that."""
        for record in await self.all():
            if record.sealed:
                await self._vault.open(record.sealed, _context(record.id))
                return


def _replace(tx: Transaction, new: ChannelRecord) -> bool:
    done = store.change(tx, new)
    tx.announce()
    return done


def _check_groups(tx: Transaction, channel: Channel) -> None:
    groups = groups_in(tx)
    for at, group in enumerate(channel.groups):
        if group == AUTO or not groups.knows(group):
            raise BadRequest(f"groups[{at}]: there is no group {group[:100]!r}", field=f"groups[{at}]")


def _context(channel: str) -> str:
    """What the keys are sealed for: those of one channel do not open as another's."""
    return f"channel:{channel}"
