"""How much answers usually say: a p95 of billed output tokens for each model and key, learned as calls end."""

from collections import OrderedDict
from math import frexp
from typing import TypeVar

from tollway.core.ids import KeyId, ModelId

Name = TypeVar("Name")

FIRST_GUESS = 1024
"""Output tokens, reasoning included, of a model that nobody has asked yet."""
ENOUGH = 8
"""Answers that must have been seen before their p95 is believed."""
MOST_KEPT = 8192
"""(model, key) pairs remembered; the one not asked for longest is forgotten first."""
_FORGET_AT = 256
"""Answers after which the older half of what was learned fades."""
_ONE_IN = 8
"""Of a key's many answers one in so many is learnt from: enough, and its habits do not drown those of others."""
_STEPS = 4
"""Buckets between two powers of two: an edge is at most a quarter above what it holds."""


class _Seen:
    """Answers counted by size, in buckets that grow; `p95` is the upper edge of the bucket it falls into."""

    __slots__ = ("_buckets", "_sum", "count", "p95", "told")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self._sum = 0
        self.count = 0
        """Answers learnt from."""
        self.told = 0
        """Answers there were."""
        self.p95 = 0

    def add(self, tokens: int) -> None:
        bucket = _bucket(tokens)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self._sum += 1
        self.count += 1
        if self._sum >= _FORGET_AT:
            self._buckets = {name: count // 2 for name, count in self._buckets.items() if count > 1}
            self._sum = sum(self._buckets.values())
        if self.count <= 2 * ENOUGH or self.count % ENOUGH == 0:
            self.p95 = self._find()

    def _find(self) -> int:
        above = self._sum // 20
        for bucket in sorted(self._buckets, reverse=True):
            above -= self._buckets[bucket]
            if above < 0:
                return _edge(bucket)
        return 0


class UsualOutput:
    """What was learned in this process; bounded, and never a promise: holds grow when an answer is longer."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[tuple[ModelId, KeyId], _Seen] = OrderedDict()
        self._by_model: OrderedDict[ModelId, _Seen] = OrderedDict()

    def learn(self, model: ModelId, key: KeyId, tokens: int) -> None:
        """An answer ended by itself, having been billed for so many output tokens, reasoning included."""
        if tokens <= 0:
            return
        seen = self._by_key.get((model, key))
        if seen is not None and seen.told >= _FORGET_AT:
            seen.told += 1
            if seen.told % _ONE_IN:
                return
        seen = _of(self._by_key, (model, key))
        seen.told += 1
        seen.add(tokens)
        _of(self._by_model, model).add(tokens)

    def tokens(self, model: ModelId, key: KeyId, limit: int) -> int:
        """Output tokens that 19 of 20 answers stay within: of this key, else of everybody, else a first guess.

        Never above `limit`.
        """
        seen = self._by_key.get((model, key))
        if seen is None or seen.count < ENOUGH:
            seen = self._by_model.get(model)
        usual = FIRST_GUESS if seen is None or seen.count < ENOUGH else seen.p95
        return usual if usual < limit else limit


def _of(known: OrderedDict[Name, _Seen], name: Name) -> _Seen:
    seen = known.get(name)
    if seen is None:
        seen = known[name] = _Seen()
        if len(known) > MOST_KEPT:
            known.popitem(last=False)
    else:
        known.move_to_end(name)
    return seen


def _bucket(tokens: int) -> int:
    """The bucket of a size: `_STEPS` to each power of two."""
    share, power = frexp(tokens)
    return power * _STEPS + int((share - 0.5) * 2 * _STEPS)


def _edge(bucket: int) -> int:
    """The largest size that falls into the bucket, rounded up."""
    power, step = divmod(bucket, _STEPS)
    share = 0.5 + (step + 1) / (2 * _STEPS)
    return int(share * (1 << power)) if power >= 0 else 1
