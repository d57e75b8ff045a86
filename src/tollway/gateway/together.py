"""What this gateway counts and finds out together with others, through the store that they share."""

import importlib
import secrets
from collections.abc import Callable

from tollway.gateway.auth.lockout import Lockout
from tollway.gateway.auth.neighbours import Neighbours
from tollway.gateway.limits.lane_shares import LaneShares
from tollway.gateway.limits.shares import Shares
from tollway.gateway.peers import Peers
from tollway.gateway.pipeline.probe_lease import SharedLeases
from tollway.gateway.routing.observations import Signals
from tollway.gateway.routing.sharing import Sharing
from tollway.gateway.routing.warmth import Warmth
from tollway.gateway.worker import Worker
from tollway.ports import Clock, KeyValue

COUNT_S = 0.2
TELL_S = 0.5
MEET_S = 1.0
AGREE_S = 0.005
"""Between two agreements at least; the next waits until there is something to say, or a tenth of a second."""
WARM_S = 0.5


class Together:
    """With `memory://` there is nobody to share with: then nothing is done, and nothing costs anything."""

    def __init__(self, url: str, clock: Clock, lockout: Lockout, *, reject: bool) -> None:
        """`reject`: no call is served while the store is away. Raises ValueError for a URL that is none."""
        self.store = open_store(url, clock)
        self.lockout, self._clock, self._me = lockout, clock, secrets.token_hex(8)
        alone = url.startswith("memory:")
        self.shares = None if alone else Shares(self.store, clock, self._me, reject=reject)
        """Of the limits of keys and plans; None where no other gateway can be heard of."""
        self.peers = None if alone else Peers(self.store, clock, self._me)
        """The other gateways; None where none can be heard of."""
        self.lanes = None if self.peers is None else LaneShares(self.peers, clock)
        """Of the limits of channels and their keys."""
        self.leases = None if alone else SharedLeases(self.store, self._me)
        """Who probes a lane; None: nobody else would."""
        self._neighbours = None if alone else Neighbours(lockout, self.store, clock)

    def begin(self, worker: Worker, signals: Signals, limited: Callable[[], bool]) -> None:
        """Start to tell and to listen, if there may be somebody. `limited`: whether any channel has limits now."""
        if self.peers is not None and self.lanes is not None:
            self.lanes.needed = limited
            sharing = Sharing(signals.health, self.store, self._clock, self._me)
            warmth = Warmth(signals.memory, signals.bonds, self.peers, self._clock)
            worker.every(COUNT_S, "count together with other gateways", self._count, at_once=True)
            worker.every(TELL_S, "share what is known of channels", sharing.round)
            worker.every(MEET_S, "see which other gateways there are", self.peers.attend, at_once=True)
            worker.every(AGREE_S, "come to terms about the limits of channels", self.lanes.attend, at_once=True)
            worker.every(WARM_S, "share where conversations were answered", warmth.round)

    async def _count(self) -> None:
        if self.shares is not None and self._neighbours is not None:
            await self.shares.round()
            if not self.shares.away:
                await self._neighbours.round()

    @property
    def wrong(self) -> str:
        """Why no call may be served now; empty when nothing is the matter."""
        return self.shares.refuse().message if self.shares is not None and self.shares.closed else ""


def open_store(url: str, clock: Clock) -> KeyValue:
    """The store that gateways share: `x://…` is the work of backends/x. Raises ValueError for a URL that is none."""
    kind = url.partition("://")[0]
    module = "redis" if kind == "rediss" else kind
    made: Callable[[str, Clock], KeyValue] = importlib.import_module(f"tollway.backends.{module}").key_value
    return made(url, clock)
