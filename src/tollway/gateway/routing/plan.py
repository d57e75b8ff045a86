"""The channels that may answer one call, in the order they will be tried, drawn only as far as they are needed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, overload

import msgspec

from tollway.core.ids import LaneId, ModelId
from tollway.core.model import Channel, Model, Price
from tollway.core.money import round_up_ratio
from tollway.gateway.dialect import Target
from tollway.gateway.provider import Provider
from tollway.gateway.shaping.shape import Shape


class Cost(NamedTuple):
    """Nano-dollars that a token costs us at one address; input, input read from the provider's cache, output."""

    input: float
    cached: float
    output: float
    long_over: float
    """Prompt tokens above which the `long_` costs hold."""
    long_input: float
    long_cached: float
    long_output: float

    def of(self, input_tokens: float, output_tokens: float, warm: float) -> float:
        """What a call costs of whose input that share (0 to 1) is read from the cache."""
        if input_tokens > self.long_over:
            into, cached, out = self.long_input, self.long_cached, self.long_output
        else:
            into, cached, out = self.input, self.cached, self.output
        return input_tokens * (into + (cached - into) * warm) + output_tokens * out

    def never_above(self, other: "Cost") -> bool:
        """Whether no call, with nothing in a cache, costs more by this card than by the other."""
        return (
            self.input <= other.input
            and self.output <= other.output
            and self.long_input <= other.long_input
            and self.long_output <= other.long_output
            and self.long_over == other.long_over
        )


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One way to get one model: everything about it that can be worked out before a request comes."""

    channel: Channel
    provider: Provider
    model: Model
    upstream_model: str
    target: Target
    origin: str
    paths: tuple[bytes, bytes]
    """Request targets for whole answers and for streams."""
    headers: tuple[tuple[bytes, bytes], ...]
    said_by: tuple[tuple[bytes, bytes], ...]
    """Response headers that tell the caller who answered."""
    lane: LaneId
    """Channel and key: health, cool-downs, limits and exclusion go by it."""
    weight: float
    """Its share of the calls of its tier; the lanes of one channel share the channel's weight."""
    cost: Cost
    limited: bool
    """Its channel states limits of its own."""
    key: str = ""
    """Which of its channel's keys, by its digest; empty where it has one."""
    account: str = ""
    """The account that lends its credential to this call."""
    fallback: bool = False
    """Asked with the paid key, because no account was left."""
    shape: Shape | None = None
    """What the channel changes in each call; None: nothing that has to be looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What a plan's worst case rests on; the same for every order of its candidates."""

    models: tuple[Model, ...]
    """Each model of the plan once."""
    prices: tuple[Price, ...]
    able: frozenset[str]
    """What every model of the plan can do."""
    most_output: int
    """The largest output limit among the models."""
    dearest: tuple[int, int]
    """Nano-dollars that one input and one output token cost at most, margin included, rounded upward each."""
    pictured: bool
    """Some model is paid by the picture."""
    prompts: tuple[str, ...] = ()
    """System prompts that channels may add to the question."""
    prompt_bytes: int = 0
    """Of the largest of them."""
    narrower: dict[frozenset[ModelId], "Facts"] = field(default_factory=dict)
    """What was worked out for plans without some of the models."""

    def without(self, barred: frozenset[ModelId]) -> "Facts":
        """The same for a plan without these models."""
        facts = self.narrower.get(barred)
        if facts is None:
            left = (one for one in self.models if one.id not in barred)
            facts = self.narrower[barred] = facts_of(left, self.prompts)
        return facts


def facts_of(every: Iterable[Model], prompts: Iterable[str] = ()) -> Facts:
    """Work out what a worst case of these models rests on, and of these system prompts beside the question."""
    added = tuple(dict.fromkeys(prompts))
    models = tuple({model.id: model for model in every}.values())
    rates = [rates for each in models for rates in (each.price.rates, each.price.long_rates)]
    ins = [round_up_ratio(each.dearest_in * each.charge_numerator, each.charge_denominator) for each in rates]
    outs = [round_up_ratio(each.dearest_out * each.charge_numerator, each.charge_denominator) for each in rates]
    return Facts(
        models,
        tuple(each.price for each in models),
        frozenset.intersection(*(each.abilities for each in models)) if models else frozenset(),
        max((each.max_output for each in models), default=0),
        (max(ins, default=0), max(outs, default=0)),
        any(each.price.per_image for each in models),
        added,
        max((len(prompt.encode()) for prompt in added), default=0),
    )


def prompts_of(every: Iterable[Candidate]) -> list[str]:
    """The system prompts that these may add to a question."""
    prompts = (one.shape.prompt for one in every if one.shape is not None)
    return [prompt.text for prompt in prompts if prompt is not None]


class Lineup(Sequence[Candidate]):
    """An order that is worked out as far as somebody looks: most calls need its first candidate only."""

    __slots__ = ("_known", "_more")

    def __init__(self, known: list[Candidate], more: Iterator[Candidate]) -> None:
        self._known = known
        self._more: Iterator[Candidate] | None = more

    def _next(self) -> bool:
        """Draw one more; False when there is none."""
        if self._more is None:
            return False
        one = next(self._more, None)
        if one is None:
            self._more = None
            return False
        self._known.append(one)
        return True

    def __iter__(self) -> Iterator[Candidate]:
        return chain(self._known, self._later())

    def _later(self) -> Iterator[Candidate]:
        """Those after the ones that are known when this is asked for."""
        known, at = self._known, len(self._known)
        while at < len(known) or self._next():
            yield known[at]
            at += 1

    @overload
    def __getitem__(self, at: int) -> Candidate: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Candidate]: ...
    def __getitem__(self, at: int | slice) -> Candidate | Sequence[Candidate]:
        most = at if isinstance(at, int) and at >= 0 else None
        while (most is None or most >= len(self._known)) and self._next():
            pass
        return self._known[at]

    def __len__(self) -> int:
        while self._next():
            pass
        return len(self._known)


class Plan(msgspec.Struct):
    """The channels that may answer one call, in the order they will be tried. Never changed once made."""

    model: Model
    candidates: Sequence[Candidate]
    """Look at as few as possible: later ones are ordered only when somebody asks for them."""
    facts: Facts
    answered: Callable[[Candidate], None] | None = None
    """To be told which candidate answered to a good end; None: nobody wants to know."""
    why: str = ""
    """What was decided between local engines and others, for the answer's head and the receipt."""
    shape: Shape | None = None
    """What is changed in the call whichever candidate it goes to."""

    def without(self, barred: frozenset[ModelId]) -> "Plan | None":
        """The plan without these models, its order as far undecided as before; None when nothing is left."""
        left = (one for one in self.candidates if one.model.id not in barred)
        first = next(left, None)
        if first is None:
            return None
        return msgspec.structs.replace(self, candidates=Lineup([first], left), facts=self.facts.without(barred))


def plan_of(model: Model, candidates: Sequence[Candidate]) -> Plan:
    """A plan with these candidates in this order."""
    return Plan(model, candidates, facts_of((one.model for one in candidates), prompts_of(candidates)))
