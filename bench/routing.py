"""What the router costs one call, and how it shares calls out.

    python -m bench.routing [--save]

Only the router runs: no socket, no books. The floor is a model with one channel, whose plan is made in advance. Each
strategy is measured with questions at hand, as in a real call: a short one, a talk of some turns and one about a
document of 100 KB, each as the first of its kind and as the next turn of a talk that is known. The channels have been
measured, differ in weight and in price, and, for `most_headroom`, state limits. What a call waits for is the plan; what
is noted after its answer is told apart. Of each few calls the best of some rounds counts: a busy machine tells less.
Then the shares: three channels of weights 2, 3 and 5 whose third opens its circuit, and seven that take turns.
"""

import argparse
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from bench.report import RESULTS
from tollway.core.caller import Caller
from tollway.core.errors import Fault, Remedy
from tollway.core.ids import CallId, ChannelId, KeyId, ModelId, UserId
from tollway.core.model import Channel, Model, Price
from tollway.core.routing import RoutingRules
from tollway.gateway.dialect import Envelope, Opaque, open_body
from tollway.gateway.dialects import openai_chat
from tollway.gateway.limits.lanes import LaneLimits
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.seals import Seals
from tollway.gateway.routing.chain import STRATEGIES
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.memory import Memory
from tollway.gateway.routing.observations import Signals
from tollway.gateway.routing.plan import Plan
from tollway.gateway.routing.router import Router
from tollway.gateway.serve import GC_EVERY
from tollway.gateway.stock import known_providers
from tollway.kit.uuid7 import uuid7

CHANNELS = 50
CALLS = 5000
CHAINS = (*STRATEGIES, "prefix_affinity,cheapest", "by_complexity,cheapest", "priority,least_latency")
PROMPTS = (
    ("1 KB, new", 1000, 1, False),
    ("8 KB, new", 8000, 9, False),
    ("8 KB, known", 8000, 9, True),
    ("100 KB, new", 100_000, 3, False),
    ("100 KB, known", 100_000, 3, True),
)
"""Name, bytes, turns, and whether the talk has been answered before its last two turns were said."""
MOST_TALKS, MOST_BYTES = 1000, 5_000_000
ROUNDS = 25
MOST_FRESH = 200_000
"""Bytes of bodies read before their calls are planned."""
AIM_US = 5.0
MOST_OFF = 0.02
CLOCK_S = min(-time.thread_time() + time.thread_time() for _ in range(1000))
"""What it takes to look at the clock."""
PRICE = Price(version="bench", input=Decimal(1), output=Decimal(2), cache_read=Decimal("0.1"))


def main() -> int:
    """Measure every strategy and some chains; 1 when any of them costs more than it may."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--save", action="store_true", help="write the figures to bench/results")
    gc.set_threshold(GC_EVERY)  # as in a gateway
    prompts = [Prompt(name, size, turns, known) for name, size, turns, known in PROMPTS]
    floor = measured("weighted", 1, prompts[0])[0]
    figures = {name: {each.name: measured(name, CHANNELS, each) for each in prompts} for name in CHAINS}
    print(f"µs of CPU a call; {floor:.2f} with one channel; with {CHANNELS}:")
    print(" " * 26 + "".join(f"{each.name:>15}" for each in prompts))
    for name, costs in figures.items():
        print(f"{name:26}" + "".join(f"{f'{plan:.2f} + {note:.2f}':>15}" for plan, note in costs.values()))
    opened, turns = weighted_after_opening(), turns_of_seven()
    off = max(abs(opened["c0"] - 0.4), abs(opened["c1"] - 0.6))
    print(f"weights 2, 3 and 5, the last one's circuit open: {opened}, {off:.2%} from 40 and 60")
    print(f"round robin over seven channels: each {set(turns.values())} of {sum(turns.values())} calls")
    if options.parse_args().save:
        RESULTS.mkdir(exist_ok=True)
        told = {"aim_us": AIM_US, "channels": CHANNELS, "one_channel_us": floor, "plan_and_note_us": figures}
        told |= {"weighted_2_3_open_5": opened, "weighted_off": round(off, 5), "round_robin_of_7": turns}
        path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-routing.json"
        path.write_text(json.dumps(told, indent=1) + "\n")
    worst = max(plan for costs in figures.values() for plan, _ in costs.values())
    return int(worst > AIM_US or off > MOST_OFF or len(set(turns.values())) > 1)


def measured(strategy: str, channels: int, prompt: "Prompt") -> tuple[float, float]:
    """Microseconds of CPU for the plan of one call, and for what is noted after its answer."""
    asked = [call for _, call in prompt.talks]
    plans, notes = [], []
    for _ in range(ROUNDS):
        router, model = built(strategy, channels)
        for before, _ in prompt.talks if prompt.known else ():
            _noted(_planned(router, model, [before], 0.0))
        costs = list(_round(router, model, asked))
        plans.append([cost for cost, _ in costs])
        notes.append([cost for _, cost in costs])
    first, second = (round(sum(map(min, *each)) * 1e6 / len(asked), 2) for each in (plans, notes))
    return first, second


def _round(router: Router, model: Model, calls: Sequence[Call]) -> Iterator[tuple[float, float]]:
    """Seconds of CPU for each few calls, whose bodies have just been read, as in real ones."""
    now_s = time.monotonic()
    at_once = max(1, MOST_FRESH // calls[0].size)
    for at in range(0, len(calls), at_once):
        some = calls[at : at + at_once]
        for call in some:
            msgspec.json.decode(call.body["messages"], type=list[msgspec.Raw])
        started_s = time.thread_time()
        plans = _planned(router, model, some, now_s)
        planned_s = time.thread_time()
        _noted(plans)
        noted_s = time.thread_time()
        yield planned_s - started_s - CLOCK_S, noted_s - planned_s - CLOCK_S


def _planned(router: Router, model: Model, calls: Sequence[Call], now_s: float) -> list[Plan]:
    plans = []
    for call in calls:
        plan = router.plan(model, call.id, now_s, call)
        for _ in plan.candidates:
            break
        plans.append(plan)
    return plans


def _noted(plans: Sequence[Plan]) -> None:
    for plan in plans:
        if plan.answered is not None:
            plan.answered(plan.candidates[0])


def weighted_after_opening() -> dict[str, float]:
    """The shares of three channels of weights 2, 3 and 5 while the third rests."""
    router, model = built("weighted", 3, (2, 3, 5))
    third = next(one for one in router.candidates if one.channel.id == "c2")
    refused = Fault("slow down", status=429, remedy=Remedy.NEXT_CHANNEL, retry_after_s=3600.0)
    router.health.failed(third, refused, 0.0, "usr_1")
    found = firsts(router, model)
    return {name: round(count / found.total(), 4) for name, count in sorted(found.items())}


def turns_of_seven() -> dict[str, int]:
    """How often each of seven channels of different weights came first."""
    router, model = built("round_robin", 7)
    return dict(sorted(firsts(router, model, CALLS // 7 * 7).items()))


def firsts(router: Router, model: Model, most: int = CALLS) -> Counter[str]:
    """Who came first, of so many calls."""
    calls = questions()[:most]
    return Counter(router.plan(model, call.id, 1.0, call).candidates[0].channel.id for call in calls)


def built(strategy: str, channels: int, weights: Sequence[int] = (1, 2, 3, 4, 5)) -> tuple[Router, Model]:
    """A router over a pool that has been in use for a while."""
    model = Model(
        id=ModelId("m"), name="m", provider="openai", category="fast", context_window=100_000, max_output=1000,
        price=PRICE, served_by={"openai": "m"}, family="openai", strategy=strategy,
    )  # fmt: skip
    pool = [
        Channel(
            id=ChannelId(f"c{at}"), provider="openai", base_url=f"https://c{at}.example/v1", keys=(f"k{at}",),
            weight=weights[at % len(weights)], price_factor=Decimal(100 + at) / 100,
            rpm=1000 if strategy == "most_headroom" else None,
        )
        for at in range(channels)
    ]  # fmt: skip
    rules = RoutingRules()
    limits = LaneLimits() if strategy == "most_headroom" else None
    signals = Signals(Health(), Memory(rules), rules, limits)
    router = Router([model], pool, known_providers(), signals)
    for at, one in enumerate(router.candidates):
        signals.health.answered(one, 0.0, 0.1 + at / 100)
    return router, model


class Prompt:
    """Calls of one kind, each with the same call before its last two turns were said."""

    def __init__(self, name: str, size: int, turns: int, known: bool) -> None:
        self.name, self.known = name, known
        count = min(MOST_TALKS, MOST_BYTES // size)
        talks = [list(_turns(f"talk {at}", size, turns)) for at in range(count)]
        self.talks = [(_call(talk[:-2]), _call(talk)) for talk in talks]


def _turns(of: str, size: int, turns: int) -> Iterator[dict[str, str]]:
    """Instructions common to all, one long turn, and questions and answers of usual length."""
    usual = size // 10 if turns > 3 else 400
    yield {"role": "system", "content": 'Be kind, and answer in JSON: {"said": ...}. ' * (usual // 40)}
    yield {"role": "user", "content": f"{of}: some words of a text, " * ((size - turns * usual) // 32)}
    for at in range(turns - 1):
        yield {"role": ("assistant", "user")[at % 2], "content": f"{at} " + f"a word of {of} " * (usual // 18)}


def _call(turns: Sequence[Mapping[str, str]]) -> Call:
    """One with an id of its own."""
    body = msgspec.json.encode({"model": "m", "messages": turns, "stream": True})
    return msgspec.structs.replace(questions(1)[0], id=CallId("req_" + uuid7()), body=open_body(body), size=len(body))


def questions(count: int = CALLS) -> list[Call]:
    """Calls with a short question, no two with the same id."""
    body = open_body(b'{"model":"m","messages":[{"role":"user","content":"' + b"word " * 200 + b'"}]}')
    first = Call(
        id=CallId(""),
        caller=Caller(UserId("usr_1"), KeyId("key_1")),
        surface="openai_chat",
        dialect=openai_chat.dialect,
        envelope=Envelope("m"),
        body=body,
        size=1100,
        headers={},
        heard={b"authorization": b"Bearer x", b"content-type": b"application/json"},
        options={},
        arrived_s=0.0,
        started_s=0.0,
        opaque=Opaque(b"x" * 32),
        seals=Seals(time.monotonic),
    )
    return [msgspec.structs.replace(first, id=CallId("req_" + uuid7())) for _ in range(count)]


if __name__ == "__main__":
    sys.exit(main())
