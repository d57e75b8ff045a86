"""Local first: decides for each call whether an engine takes it, which of several, or somebody else instead."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tollway.core.engines import EngineRules, OffloadRules, Relief
from tollway.core.ids import LaneId, ModelId
from tollway.core.model import CHAT, Channel, Model
from tollway.gateway.engines.fleet import Engines
from tollway.gateway.engines.load import TYPICAL_TOKENS, Busy, EngineLoad
from tollway.gateway.engines.prefixes import Prefixes, beginnings_of
from tollway.gateway.engines.watch import BYTES_PER_TOKEN
from tollway.gateway.routing.plan import Candidate, Facts, Plan, facts_of, prompts_of

BESIDE_TOKENS = 32
"""What each request an engine works on costs a newcomer, in tokens of a prompt."""
FULL = 0.95
"""A key-value cache as full as this drops what it knows to make room."""
MOST_FACTS = 1000
NO_ENGINE = "remote: no engine can be used"
Usable = Callable[[Candidate], bool]
"""Whether the circuit of a candidate lets a call through."""


class Concern(NamedTuple):
    """What must be decided for calls to one model."""

    relief: Relief | None
    to: Model | None
    """Another model that answers instead."""
    replicas: bool
    """Several engines serve it."""


class Verdict(NamedTuple):
    """Whether one engine takes a call, and why."""

    takes: bool
    why: str


class Offload:
    """What holds for calls to models that local engines serve; it lives on when models and channels are replaced."""

    def __init__(
        self,
        engines: Engines,
        rules: tuple[EngineRules, OffloadRules],
        now_s: Callable[[], float],
    ) -> None:
        self.engines, self._now_s = engines, now_s
        self._rules, self._offload = rules
        self._prefixes = Prefixes(self._rules.prefix_entries, self._rules.prefix_ttl_s)
        self._remembers = True
        self._concerns: dict[ModelId, Concern] = {}
        self._facts: dict[tuple[int, ModelId], tuple[Facts, Facts]] = {}

    def take(self, models: Iterable[Model], channels: Sequence[Channel], find: Callable[[str], Model | None]) -> None:
        """These are the models and channels now; `find` knows a model by any of its names."""
        self.engines.take(channels)
        named = {found.id: name for name in self._offload.models if (found := find(name)) is not None}
        local = [channel for channel in channels if channel.enabled and self.engines.leads_to(channel)]
        concerns: dict[ModelId, Concern] = {}
        for model in models if local else ():
            if model.type != CHAT:
                continue  # vectors of another model are of no use, and no prompt of it stays warm
            here = sum(channel.name_of(model) is not None for channel in local)
            relief = self._offload.of(named[model.id]) if model.id in named else None
            replicas = here > 1 and self._rules.prefix_aware
            if here and (relief is not None or replicas):
                to = find(relief.to) if relief is not None and relief.to else None
                concerns[model.id] = Concern(relief, to, replicas)
        self._concerns = concerns
        self._facts.clear()

    def beside(self) -> "Offload":
        """This one for whoever only wants to know: it remembers no prompt."""
        other = copy.copy(self)
        other._remembers = False
        return other

    @property
    def active(self) -> "Offload | None":
        """Itself, if there is anything to decide for any model."""
        return self if self._concerns else None

    def concern(self, model: Model) -> Concern | None:
        """What must be decided for calls to this model; None when nothing."""
        return self._concerns.get(model.id)

    def arranged(
        self, plan: Plan, spare: Sequence[Candidate], body: Mapping[str, Any], concern: Concern, usable: Usable
    ) -> Plan:
        """The plan with the best engine first, or with the engines last when all are too busy.

        `spare`: the ways to the other model, if there is one and this caller may use it; `usable`: who is well.
        """
        now_s = self._now_s()
        every = list(plan.candidates)
        local = [one for one in every if one.provider.engine is not None and one.model.id == plan.model.id]
        facts = self._with(plan.facts, spare) if spare else plan.facts
        if not local:
            if not spare:
                return plan
            return Plan(plan.model, [*every, *spare], facts, plan.answered, NO_ENGINE, plan.shape)
        prompt = beginnings_of(body, plan.model.id)
        warm = self._prefixes.warm(prompt, [one.lane for one in local], now_s) if concern.replicas else {}
        tokens = prompt.size / BYTES_PER_TOKEN
        if concern.replicas and len(local) > 1:
            local = self._by_expected_work(local, warm, tokens, now_s)
            every = _in_their_places(every, local)
        why = ""
        if concern.relief is not None:
            remote = [one for one in every if one not in local] + list(spare)
            verdicts = [
                self._verdict(one, concern.relief, tokens * (1 - warm.get(one.lane, 0.0)))
                if usable(one)
                else Verdict(False, f"{one.channel.id} is not well")
                for one in local
            ]
            every, why = _relieved(local, remote, verdicts)
        if concern.replicas and self._remembers and every[0].provider.engine is not None:
            self._prefixes.read(prompt, every[0].lane, now_s)
        return Plan(plan.model, every, facts, plan.answered, why, plan.shape)

    def _with(self, own: Facts, spare: Sequence[Candidate]) -> Facts:
        """The worst case of a plan with another model in it, worked out once."""
        other = spare[0].model
        known = self._facts.get((id(own), other.id))
        if known is None or known[0] is not own:
            if len(self._facts) >= MOST_FACTS:
                self._facts.clear()
            facts = facts_of((*own.models, other), (*own.prompts, *prompts_of(spare)))
            known = self._facts[(id(own), other.id)] = (own, facts)
        return known[1]

    # -- which of several --------------------------------------------------------------------------------------

    def _by_expected_work(
        self, local: Sequence[Candidate], warm: Mapping[LaneId, float], tokens: float, now_s: float
    ) -> list[Candidate]:
        """Those of one priority by what they would have to do until the first word; equals stay as they came."""

        def work(one: Candidate) -> float:
            busy = self.engines.busy(one)
            cold = tokens * (1 - warm.get(one.lane, 0.0))
            return cold if busy is None else cold + _work_before(busy, busy.load(now_s))

        return sorted(local, key=lambda one: (-one.channel.priority, one.channel.weight == 0, work(one)))

    # -- whether at all ----------------------------------------------------------------------------------------

    def _verdict(self, one: Candidate, relief: Relief, cold_tokens: float) -> Verdict:
        busy = self.engines.busy(one)
        if busy is None:
            return Verdict(True, "not watched yet")
        load = busy.load(self._now_s())
        told = "" if load.age_s is not None else ", by our own calls alone"
        queue = f"{one.channel.id} has {load.waiting} waiting{told}"
        if load.waiting < 1:
            return Verdict(True, queue)
        if relief.max_queue is not None and load.waiting >= relief.max_queue:
            return Verdict(False, f"{queue}, at most {relief.max_queue} may")
        expected_s = busy.first_token_in_s(cold_tokens, load)
        if expected_s is None or relief.first_token_s is None:
            return Verdict(True, f"{queue}, its speed is not known yet")
        said = f"{queue}, first token in {expected_s:.1f} s of {relief.first_token_s:g} s"
        return Verdict(expected_s <= relief.first_token_s, said)


def _relieved(
    local: Sequence[Candidate], remote: Sequence[Candidate], verdicts: Sequence[Verdict]
) -> tuple[list[Candidate], str]:
    """Engines that take the call, then the remote candidates, then the busy engines; and why."""
    takers = [one for one, verdict in zip(local, verdicts, strict=True) if verdict.takes]
    others = [one for one in local if one not in takers]
    if not remote:
        return [*takers, *others], f"local: {verdicts[0].why}; nobody to relieve it"
    if not takers:
        return [*remote, *others], f"remote: {verdicts[0].why}"
    first = next(verdict for verdict in verdicts if verdict.takes)
    return [*takers, *remote, *others], f"local: {first.why}"


def _work_before(busy: Busy, load: EngineLoad) -> float:
    """Tokens of prompts an engine would have to read, or the like of it, before a newcomer's."""
    work = busy.ahead_tokens(load) + load.running * BESIDE_TOKENS
    if busy.slots is not None and load.running >= busy.slots:
        work += (load.waiting + 1) * TYPICAL_TOKENS
    return work + TYPICAL_TOKENS if load.kv_used is not None and load.kv_used >= FULL else work


def _in_their_places(every: Sequence[Candidate], local: Sequence[Candidate]) -> list[Candidate]:
    """All candidates, the local ones in their new order at the places where local ones stood."""
    fresh = iter(local)
    chosen = set(local)
    return [next(fresh) if one in chosen else one for one in every]
