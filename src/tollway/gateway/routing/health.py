"""Which channels are cooling down, and until when."""

from tollway.core.errors import Fault
from tollway.core.ids import ChannelId

COOL_DOWN_MAX_S = 3600.0
COOL_DOWN_DEFAULT_S = 5.0


class Health:
    """A channel that said 429 rests for as long as it asked, bounded; any good answer ends the rest."""

    __slots__ = ("_until", "epoch")

    def __init__(self) -> None:
        self._until: dict[ChannelId, float] = {}
        self.epoch = 0
        """Counts the changes of what is usable, so that others need look only when there was one."""

    @property
    def all_well(self) -> bool:
        """No channel rests."""
        return not self._until

    def usable(self, channel: ChannelId, now_s: float) -> bool:
        """Whether the channel may be tried now (monotonic seconds)."""
        until_s = self._until.get(channel)
        if until_s is not None and until_s <= now_s:
            del self._until[channel]
            return True
        return until_s is None

    def rests_until(self, channel: ChannelId) -> float:
        """Monotonic second at which its rest ends; 0 when it is not resting."""
        return self._until.get(channel, 0.0)

    def failed(self, channel: ChannelId, fault: Fault, now_s: float) -> None:
        """Take note of a fault."""
        if fault.status == 429:
            wait_s = COOL_DOWN_DEFAULT_S if fault.retry_after_s is None else fault.retry_after_s
            self.epoch += 1
            self._until[channel] = now_s + min(wait_s, COOL_DOWN_MAX_S)

    def answered(self, channel: ChannelId) -> None:
        """Take note of a good answer."""
        if self._until and self._until.pop(channel, None) is not None:
            self.epoch += 1
