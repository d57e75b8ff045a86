"""Organisations: users whose spending is bounded together."""

import secrets
from collections.abc import Callable, Sequence

import msgspec

from tollway.core.caller import Budget
from tollway.core.errors import NotFound, TollwayError
from tollway.gateway.auth import store
from tollway.gateway.auth.api_keys import check_name
from tollway.gateway.auth.budgets import check_budgets
from tollway.gateway.auth.store import Organisation, User
from tollway.ports import Clock, Database, Transaction


class NameTaken(TollwayError):
    """There is an organisation of that name already."""

    status, kind, code = 409, "invalid_request", "name_taken"


class Organisations:
    """All organisations and who belongs to them."""

    def __init__(self, database: Database, clock: Clock, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._database, self._clock, self._entropy = database, clock, entropy

    async def create(self, name: str, budgets: Sequence[Budget] = ()) -> Organisation:
        """A new organisation without users. Raises BadRequest naming a bad field, NameTaken."""
        identity = "org_" + self._entropy(9).hex()
        new = Organisation(identity, check_name(name), check_budgets(budgets), self._clock.now_s())
        if not await self._database.write(lambda tx: store.add_organisation(tx, new)):
            raise NameTaken(f"there already is an organisation {new.name!r}", field="name")
        return new

    async def find(self, which: str) -> Organisation:
        """The organisation with this id or name. Raises NotFound."""
        return await self._database.read(lambda tx: find_in(tx, which))

    async def all(self) -> list[tuple[Organisation, int]]:
        """Every organisation and how many users it has, by name."""

        def read(tx: Transaction) -> list[tuple[Organisation, int]]:
            members = store.count_members(tx)
            return [(one, members.get(one.id, 0)) for one in store.list_organisations(tx)]

        return await self._database.read(read)

    async def members(self, organisation: str, limit: int = 1000, after: str = "") -> list[User]:
        """At most `limit` of its users in order of id, beginning behind the id `after`."""
        found = await self._database.read(lambda tx: store.list_users(tx, limit, after, organisation))
        return [user.as_of(self._clock.now_s()) for user in found]

    async def change(self, which: str, budgets: Sequence[Budget]) -> Organisation:
        """Replace its budgets; they hold from the next call on, in every process. Raises NotFound, BadRequest."""
        checked = check_budgets(budgets)

        def rewrite(tx: Transaction) -> Organisation:
            changed = msgspec.structs.replace(find_in(tx, which), budgets=checked)
            store.change_organisation(tx, changed)
            tx.announce()
            return changed

        return await self._database.write(rewrite)


def find_in(tx: Transaction, which: str) -> Organisation:
    """The organisation with this id or name, within a transaction of the caller's. Raises NotFound."""
    found = store.find_organisation(tx, which) if 0 < len(which) <= 200 and which.isprintable() else None
    if found is None:
        raise NotFound(f"no organisation {which[:100]!r}")
    return found
