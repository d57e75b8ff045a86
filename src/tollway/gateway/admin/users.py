"""Makes, finds and changes users."""

import re
import secrets
from collections.abc import Callable

import msgspec

from tollway.core.caller import Budget, KeyLimits, Scope
from tollway.core.errors import BadRequest, NotFound, TollwayError
from tollway.core.ids import UserId
from tollway.gateway.auth import store
from tollway.gateway.auth.api_keys import ApiKeys, NewKey
from tollway.gateway.auth.budgets import check_budgets
from tollway.gateway.auth.organisations import find_in
from tollway.gateway.auth.store import User
from tollway.gateway.billing.plans import NONE, Plans
from tollway.gateway.billing.subscriptions import Subscriptions
from tollway.gateway.billing.terms import Terms
from tollway.gateway.channels.groups import check_user_group
from tollway.ports import Clock, Database, Transaction

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class EmailTaken(TollwayError):
    """Somebody has that e-mail address already."""

    status, kind, code = 409, "invalid_request", "email_taken"


class UserChange(msgspec.Struct, frozen=True):
    """What is to be different about a user; None leaves a thing as it is."""

    budgets: tuple[Budget, ...] | None = None
    """Replaces all budgets."""
    strict: bool | None = None
    organisation: str | None = None
    """An organisation's id or name; empty: none."""
    group: str | None = None


AS_USUAL = UserChange()


class Users:
    """All users."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keys: ApiKeys,
        subscriptions: Subscriptions | None = None,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`subscriptions` give newcomers their plan; by default those of our own table on our own terms."""
        self._database, self._clock, self._keys, self._entropy = database, clock, keys, entropy
        self._subscriptions = subscriptions or Subscriptions(database, clock, Plans.load(), Terms())

    async def create(
        self,
        email: str,
        *,
        admin: bool = False,
        plan: str | None = None,
        key_name: str = "Default",
        wanted: UserChange = AS_USUAL,
    ) -> tuple[User, NewKey]:
        """A new user with a first API key. Raises BadRequest for a bad address or an unknown plan, EmailTaken,
        NotFound without the wanted organisation."""
        made, key = self.draft(email, admin=admin, plan=plan, key_name=key_name)

        def keep(tx: Transaction) -> User:
            if not self.keep(tx, made, key):
                raise EmailTaken(f"there already is a user {made.email}", field="email")
            if wanted == AS_USUAL:
                return made
            user = _changed(tx, made, wanted)
            store.change_user(tx, user)
            return user

        return await self._database.write(keep), key

    def draft(
        self, email: str, *, admin: bool = False, plan: str | None = None, key_name: str = "Default"
    ) -> tuple[User, NewKey]:
        """A user and key, not kept anywhere yet. Raises BadRequest for a bad address or an unknown plan.

        Where no plan is stated, an administrator has none and others have the default one.
        """
        user_id = UserId("usr_" + self._entropy(9).hex())
        wanted = self._subscriptions.plans.find(plan or (NONE if admin else self._subscriptions.terms.default_plan))
        user = User(user_id, check_email(email), wanted.name, admin, self._clock.now_s())
        scope = Scope.ADMIN if admin else Scope.CALL
        return user, self._keys.mint(user_id, key_name, KeyLimits(), scope=scope)

    def keep(self, tx: Transaction, user: User, key: NewKey) -> bool:
        """Write a drafted user within a transaction of the caller's; False when the address is taken."""
        if not store.add_user(tx, user):
            return False
        self._keys.keep(tx, key)
        self._subscriptions.begin(tx, user)
        return True

    async def change(self, who: str, wanted: UserChange) -> User:
        """The user (id or e-mail address) as he is from his next call on, in every process.

        Raises NotFound without such a user or organisation, BadRequest naming a bad field.
        """
        user = (await self.find(who)).id

        def rewrite(tx: Transaction) -> User:
            old = store.find_user(tx, user) if store.lock_user(tx, user) else None
            if old is None:
                raise NotFound(f"no user {who[:100]!r}")
            new = _changed(tx, old.as_of(self._clock.now_s()), wanted)
            store.change_user(tx, new)
            tx.announce()
            return new

        return await self._database.write(rewrite)

    def taken(self, tx: Transaction, email: str) -> bool:
        """Whether somebody has that address."""
        return store.find_user(tx, email) is not None

    async def find(self, who: str) -> User:
        """The user with this id or e-mail address. Raises NotFound."""
        user = await self._database.read(lambda tx: store.find_user(tx, who)) if _could_name(who) else None
        if user is None:
            raise NotFound(f"no user {who[:100]!r}")
        return user.as_of(self._clock.now_s())

    async def plan_of(self, user: UserId) -> str:
        """The name of the plan a user has. Raises NotFound."""
        return (await self.find(user)).plan

    async def page(self, limit: int = 100, after: str = "") -> list[User]:
        """At most `limit` users in order of id, beginning behind the id `after`."""
        if after and not _could_name(after):
            raise BadRequest("after must be the id of a user", field="after")
        found = await self._database.read(lambda tx: store.list_users(tx, limit, after))
        return [user.as_of(self._clock.now_s()) for user in found]


def _changed(tx: Transaction, user: User, wanted: UserChange) -> User:
    organisation = user.organisation
    if wanted.organisation is not None:
        organisation = find_in(tx, wanted.organisation).id if wanted.organisation else None
    return msgspec.structs.replace(
        user,
        budgets=user.budgets if wanted.budgets is None else check_budgets(wanted.budgets),
        strict=user.strict if wanted.strict is None else wanted.strict,
        organisation=organisation,
        group=user.group if wanted.group is None else check_user_group(tx, wanted.group),
    )


def check_email(email: str) -> str:
    """The address, trimmed and in lower case. Raises BadRequest when it cannot be one."""
    trimmed = email.strip().lower()
    if len(trimmed) > 254 or not trimmed.isprintable() or not _EMAIL.fullmatch(trimmed):
        raise BadRequest(f"{email[:100]!r} is not an e-mail address", field="email")
    return trimmed


def _could_name(who: str) -> bool:
    """Whether the text could be an id or address at all; nothing else should reach the database."""
    return 0 < len(who) <= 254 and who.isprintable()
