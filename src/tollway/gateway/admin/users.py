"""Makes and finds users."""

import re
import secrets
from collections.abc import Callable

from tollway.core.caller import KeyLimits, Scope
from tollway.core.errors import BadRequest, NotFound, TollwayError
from tollway.core.ids import UserId
from tollway.gateway.auth import store
from tollway.gateway.auth.api_keys import ApiKeys, NewKey
from tollway.gateway.auth.store import User
from tollway.ports import Clock, Database, Transaction

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class EmailTaken(TollwayError):
    """Somebody has that e-mail address already."""

    status, kind, code = 409, "invalid_request", "email_taken"


class Users:
    """All users."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keys: ApiKeys,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._database, self._clock, self._keys, self._entropy = database, clock, keys, entropy

    async def create(
        self, email: str, *, admin: bool = False, plan: str = "free", key_name: str = "Default"
    ) -> tuple[User, NewKey]:
        """A new user with a first API key. Raises BadRequest for a bad address, EmailTaken."""
        made = self.draft(email, admin=admin, plan=plan, key_name=key_name)

        def keep(tx: Transaction) -> None:
            if not self.keep(tx, *made):
                raise EmailTaken(f"there already is a user {made[0].email}", field="email")

        await self._database.write(keep)
        return made

    def draft(
        self, email: str, *, admin: bool = False, plan: str = "free", key_name: str = "Default"
    ) -> tuple[User, NewKey]:
        """A user and key, not kept anywhere yet. Raises BadRequest for a bad address."""
        user_id = UserId("usr_" + self._entropy(9).hex())
        user = User(user_id, check_email(email), plan, admin, self._clock.now_s())
        scope = Scope.ADMIN if admin else Scope.CALL
        return user, self._keys.mint(user_id, key_name, KeyLimits(), scope=scope)

    def keep(self, tx: Transaction, user: User, key: NewKey) -> bool:
        """Write a drafted user within a transaction of the caller's; False when the address is taken."""
        if not store.add_user(tx, user):
            return False
        self._keys.keep(tx, key)
        return True

    def taken(self, tx: Transaction, email: str) -> bool:
        """Whether somebody has that address."""
        return store.find_user(tx, email) is not None

    async def find(self, who: str) -> User:
        """The user with this id or e-mail address. Raises NotFound."""
        user = await self._database.read(lambda tx: store.find_user(tx, who)) if _could_name(who) else None
        if user is None:
            raise NotFound(f"no user {who[:100]!r}")
        return user

    async def plan_of(self, user: UserId) -> str:
        """The name of the plan a user has. Raises NotFound."""
        return (await self.find(user)).plan

    async def page(self, limit: int = 100, after: str = "") -> list[User]:
        """At most `limit` users in order of id, beginning behind the id `after`."""
        if after and not _could_name(after):
            raise BadRequest("after must be the id of a user", field="after")
        return await self._database.read(lambda tx: store.list_users(tx, limit, after))


def check_email(email: str) -> str:
    """The address, trimmed and in lower case. Raises BadRequest when it cannot be one."""
    trimmed = email.strip().lower()
    if len(trimmed) > 254 or not trimmed.isprintable() or not _EMAIL.fullmatch(trimmed):
        raise BadRequest(f"{email[:100]!r} is not an e-mail address", field="email")
    return trimmed


def _could_name(who: str) -> bool:
    """Whether the text could be an id or address at all; nothing else should reach the database."""
    return 0 < len(who) <= 254 and who.isprintable()
