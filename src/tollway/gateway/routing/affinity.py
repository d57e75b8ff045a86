"""Conversations that stay with the channel that has answered them before, as long as it can be used."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tollway.core.ids import LaneId, ModelId
from tollway.gateway.dialect import Body
from tollway.gateway.routing.question import Question
from tollway.gateway.shaping.paths import found, steps_of
from tollway.gateway.shaping.shape import Shape, template_shape
from tollway.stated.affinity import Affinity, AffinityRule, KeySource, template_of

MOST_PAIRS = 4096
"""(path, model) pairs whose rules are remembered."""
MOST_UNTOLD = 500
"""Bonds kept for other processes until they are told; what comes after pushes out the oldest."""
Name = tuple[str, ...]
Entries = OrderedDict[Name, tuple[LaneId, float]]
"""Lane and when the bond ends (monotonic seconds), the longest unused first."""


class Rule:
    """One rule, compiled."""

    def __init__(self, stated: AffinityRule, default_ttl_s: float) -> None:
        self.stated = stated
        self.ttl_s = stated.ttl_seconds or default_ttl_s
        template = template_of(stated)
        self.shape: Shape | None = template_shape(template) if template is not None else None
        self._models = [re.compile(pattern) for pattern in stated.model_regex]
        self._paths = [re.compile(pattern) for pattern in stated.path_regex]
        self._agents = [name.lower() for name in stated.user_agent_include]
        self._value = re.compile(stated.value_regex)

    def suits(self, path: str, model: str) -> bool:
        """Whether calls to this path for this model are the rule's."""
        return _any(self._models, model) and _any(self._paths, path)

    def value(self, asked: Question, group: str, model: ModelId) -> str:
        """What names the conversation of a call, hashed: it may be long, or a secret. Empty when nothing does."""
        if self._agents:
            agent = asked.heard.get(b"user-agent", b"").decode("latin-1").lower()
            if not any(name in agent for name in self._agents):
                return ""
        for source in self.stated.key_sources:
            value = _found(source, asked, group, model)
            if value and self._value.search(value):
                return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return ""


@dataclass(frozen=True, slots=True)
class Bond:
    """A conversation that a rule knows."""

    rule: Rule
    name: Name
    lane: LaneId | None
    """Where it was answered last; None: nowhere, as far as is known."""

    @property
    def is_exclusive(self) -> bool:
        """No other channel may be tried. Only ever after a real hit: a first request falls back as any other."""
        return self.lane is not None and self.rule.stated.skip_retry_on_failure


class Bonds:
    """Which conversation is with which lane; lives on when the router is replaced."""

    def __init__(self, rules: Affinity, shared: bool = False) -> None:
        """`shared`: what is answered here is kept in `untold`, for other processes."""
        self._stated, self._shared = rules, shared
        self.untold: dict[Name, tuple[LaneId, float]] = {}
        """Bonds made or confirmed here since somebody took them."""
        self._longest_s = max((rule.ttl_seconds or 0.0 for rule in rules.rules), default=0.0)
        self._rules = tuple(Rule(one, rules.default_ttl_s) for one in rules.rules) if rules.enabled else ()
        self._suit: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._entries: Entries = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def lanes(self) -> list[LaneId]:
        """Where conversations stay, one for each."""
        return [lane for lane, _ in self._entries.values()]

    def find(self, asked: Question, model: ModelId, group: str, now_s: float) -> Bond | None:
        """The bond of a call's conversation, by the first rule that suits it and finds a value; None without one."""
        pair = asked.path, model
        rules = self._suit.get(pair)
        if rules is None:
            if len(self._suit) >= MOST_PAIRS:
                self._suit.clear()
            rules = self._suit[pair] = tuple(rule for rule in self._rules if rule.suits(*pair))
        for rule in rules:
            value = rule.value(asked, group, model)
            if value:
                name = _name(rule.stated, model, group, (asked.caller.user, value))
                return Bond(rule, name, self._lane(name, now_s))
        return None

    def answered(self, bond: Bond, lane: LaneId, now_s: float) -> None:
        """The conversation was answered there."""
        if bond.lane is not None and bond.lane != lane and not self._stated.switch_on_success:
            return
        self._keep(bond.name, lane, now_s + bond.rule.ttl_s)
        if self._shared:
            untold = self.untold
            untold.pop(bond.name, None)
            untold[bond.name] = lane, now_s + bond.rule.ttl_s
            if len(untold) > MOST_UNTOLD:
                del untold[next(iter(untold))]

    def adopt(self, name: Name, lane: LaneId, ends_s: float, now_s: float) -> None:
        """Another process says that the conversation was answered there; a later word of ours stands."""
        ends_s = min(ends_s, now_s + max(self._longest_s, self._stated.default_ttl_s))
        known = self._entries.get(name)
        if ends_s > now_s and (known is None or known[1] < ends_s):
            self._keep(name, lane, ends_s)

    def _keep(self, name: Name, lane: LaneId, ends_s: float) -> None:
        entries = self._entries
        entries.pop(name, None)
        while len(entries) >= self._stated.max_entries:
            entries.popitem(last=False)
        entries[name] = lane, ends_s

    def lost(self, bond: Bond) -> Bond:
        """The lane of a bond is switched off, gone, or serves this no more: the bond as it is from now on."""
        if self._stated.keep_on_channel_disabled:
            return bond
        self._entries.pop(bond.name, None)
        return Bond(bond.rule, bond.name, None)

    def _lane(self, name: Name, now_s: float) -> LaneId | None:
        entry = self._entries.get(name)
        if entry is None:
            return None
        if entry[1] <= now_s:
            del self._entries[name]
            return None
        return entry[0]


def _any(patterns: Sequence[re.Pattern[str]], text: str) -> bool:
    return not patterns or any(pattern.search(text) for pattern in patterns)


def _name(rule: AffinityRule, model: str, group: str, whose: tuple[str, str]) -> Name:
    """What an entry is kept under: one user's value never leads to another's channel."""
    parts = (
        rule.name if rule.include_rule_name else "",
        model if rule.include_model_name else "",
        group if rule.include_using_group else "",
    )
    return (*parts, *whose)


def _found(source: KeySource, asked: Question, group: str, model: ModelId) -> str:
    if source.type == "request_header":
        return asked.heard.get(source.key.lower().encode("latin-1", "replace"), b"").decode("latin-1")
    if source.type == "gjson":
        return next((_text(value) for value in _in_body(source.path, asked.body)), "")
    known = {"user_id": asked.caller.user, "key_id": asked.caller.key, "group": group, "model": model}
    return {**known, "path": asked.path}.get(source.key, "")


def _in_body(path: str, body: Body) -> Iterator[Any]:
    steps = steps_of(path)
    value = body.get(steps[0])
    if isinstance(value, msgspec.Raw):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
    yield from found(value, steps[1:])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""
