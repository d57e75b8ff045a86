"""Pools on one state file before one vendor, and a clock that the test turns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.mocks.accounts import CLIENT_ID, TOKEN_PATH, Vendor, state_file
from tests.mocks.server import MockServer
from tollway.core.errors import Fault, Remedy
from tollway.gateway.accounts.account import Account, Grant, Patience
from tollway.gateway.accounts.errand import Errand
from tollway.gateway.accounts.oauth import TokenAddress, renew
from tollway.gateway.accounts.pool import Pool, Rules
from tollway.gateway.accounts.state_file import StateFile
from tollway.gateway.provider import Loan
from tollway.kit.http1.client import Client

NOW_S = 1_800_000_000.0
SOON = int(NOW_S * 1000) + 60_000
"""Within the margin: such a token is renewed before it is used."""
LATER = int(NOW_S * 1000) + 3_600_000


@dataclass
class Bench:
    """Opens pools, which all read and write the same file."""

    path: Path
    vendor: Vendor
    server: MockServer
    client: Client
    now_s: float = NOW_S
    pools: list[Pool] = field(default_factory=list)

    def kept(self, *names: str, expires_at: int = LATER, **fields: Any) -> None:
        """The state file holds these of the vendor's subscribers."""
        chosen = [self.vendor[name] for name in names or self.vendor.subscribers]
        self.path.write_text(state_file(*chosen, expires_at=expires_at, **fields))

    def pool(self, rules: Rules | None = None, on_renew: Callable[[], None] | None = None) -> Pool:
        """A pool as another process would have it."""
        address = TokenAddress(f"{self.server.url}{TOKEN_PATH}", CLIENT_ID)

        async def renewed(account: Account) -> Grant:
            if on_renew is not None:
                on_renew()
            return await renew(account, address, self.client, self.now_s)

        made = Pool("pool", StateFile(self.path), rules or Rules(Patience()), renewed, lambda: self.now_s)
        self.pools.append(made)
        return made

    def in_file(self, name: str) -> Account:
        """What the file says of an account, as a process that starts now would read it."""
        return StateFile(self.path).load()[0][name]

    async def written(self) -> None:
        """All pools have written what happened."""
        for pool in self.pools:
            await pool.roster.written(10)

    async def close(self) -> None:
        for pool in self.pools:
            await pool.close()


def fault(status: int, **head: str) -> Fault:
    """What an upstream's refusal looks like to the pool."""
    made = Fault("refused", status=status, remedy=Remedy.NEXT_CHANNEL)
    made.head = {name.replace("_", "-").encode(): value.encode() for name, value in head.items()}
    return made


async def lent(pool: Pool, session: str = "", caller: str = "key") -> Loan:
    """One call that is answered."""
    errand = Errand(pool, caller, session)
    loan = await errand.borrow()
    assert loan is not None
    pool.worked(loan.account)
    errand.give_back(loan)
    return loan


async def all_of(errand: Errand) -> list[str]:
    """Every account that one call may try."""
    found = []
    while (loan := await errand.borrow()) is not None:
        found.append(loan.account)
        errand.give_back(loan)
    return found


def renewals(bench: Bench) -> int:
    return bench.vendor.asked
