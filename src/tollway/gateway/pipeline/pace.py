"""How fast a stream goes on, looked at now and then."""

from tollway.core.health import HealthRules


class Pace:
    """What was said by when."""

    __slots__ = ("_said", "_since_s")

    def __init__(self, said: int, now_s: float) -> None:
        self._said, self._since_s = said, now_s

    def is_drip(self, said: int, now_s: float, rules: HealthRules) -> bool:
        """Whether next to nothing has come for as long as the rules bear it."""
        if said - self._said >= rules.drip_characters:
            self._said, self._since_s = said, now_s
            return False
        return now_s - self._since_s >= rules.drip_s
