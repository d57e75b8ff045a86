"""The provider's bytes, which several may want to hold back at once: a slow caller, and a hold that is used up."""

from tollway.kit.http1.wire import Inbound


class Tap:
    """Reading from one provider goes on when nobody wants it to wait."""

    __slots__ = ("_inbound", "_lags", "_waits")

    def __init__(self, inbound: Inbound) -> None:
        self._inbound = inbound
        self._lags = self._waits = False

    @property
    def is_held(self) -> bool:
        """Somebody on our side makes the provider wait."""
        return self._lags or self._waits

    def lag(self) -> None:
        """The caller is slow."""
        self._lags = True
        self._inbound.pause()

    def catch_up(self) -> None:
        """The caller is no longer slow."""
        self._lags = False
        if not self._waits:
            self._inbound.resume()

    def shut(self) -> None:
        """It is not known yet whether more may be said."""
        self._waits = True
        self._inbound.pause()

    def open(self) -> None:
        """More may be said."""
        self._waits = False
        if not self._lags:
            self._inbound.resume()

    def stop(self) -> None:
        """Nobody listens any more."""
        self._inbound.stop_pump()
