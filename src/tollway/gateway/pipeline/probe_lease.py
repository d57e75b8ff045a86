"""Who asks a lane, where several processes would: one of them, for as long as it may take and until all have heard."""

import contextlib
from typing import Protocol

from tollway.core.errors import Unavailable
from tollway.ports import KeyValue

ASKING_S = 35.0
"""How long nobody else asks, when whoever began to says no more."""
HEARD_S = 3.0
"""How long nobody else asks after an answer: until all have been told of it."""


class Leases(Protocol):
    """Says who may ask."""

    async def take(self, what: str, for_s: float = ASKING_S) -> bool:
        """Whether we are the one to ask."""

    async def answered(self, what: str) -> None:
        """We have heard, and will have told the others in a moment."""


class NoLeases:
    """There is nobody else."""

    async def take(self, what: str, for_s: float = ASKING_S) -> bool:
        """See Leases."""
        return True

    async def answered(self, what: str) -> None:
        """See Leases."""


class SharedLeases:
    """Kept in the store that the processes share. While that is away each asks for itself."""

    def __init__(self, store: KeyValue, me: str) -> None:
        self._store, self._me = store, me.encode()

    async def take(self, what: str, for_s: float = ASKING_S) -> bool:
        """See Leases."""
        try:
            return await self._store.swap(f"probe:{what}", None, self._me, for_s)
        except Unavailable:
            return True

    async def answered(self, what: str) -> None:
        """See Leases."""
        with contextlib.suppress(Unavailable):  # it ends by itself
            await self._store.swap(f"probe:{what}", self._me, self._me, HEARD_S)
