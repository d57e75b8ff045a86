"""What the router costs one call, and how it shares calls out.

    python -m bench.routing [--save]

Only the router runs: no socket, no books. The floor is a model with one channel, whose plan is made in advance. Each
strategy is measured with a question at hand, as in a real call; the channels have been measured, and differ in weight.
Then the shares: three channels of weights 2, 3 and 5 whose third opens its circuit, and seven that take turns.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
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
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.seals import Seals
from tollway.gateway.routing.chain import STRATEGIES
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.memory import Memory
from tollway.gateway.routing.observations import Signals
from tollway.gateway.routing.router import Router
from tollway.gateway.stock import known_providers
from tollway.kit.uuid7 import uuid7

CHANNELS = 50
CALLS = 5000
ROUNDS = 5
AIM_US = 5.0
MOST_OFF = 0.02
PRICE = Price(version="bench", input=Decimal(1), output=Decimal(2), cache_read=Decimal("0.1"))


def main() -> int:
    """Measure every strategy; 1 when the one that holds where nobody states any costs more than it may."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--save", action="store_true", help="write the figures to bench/results")
    floor = measured("weighted", 1)
    figures = {name: measured(name, CHANNELS) for name in STRATEGIES}
    print(f"{'one channel':24}{floor:8.2f} µs")
    for name, cost_us in figures.items():
        print(f"{name:24}{cost_us:8.2f} µs with {CHANNELS} channels")
    opened, turns = weighted_after_opening(), turns_of_seven()
    off = max(abs(opened["c0"] - 0.4), abs(opened["c1"] - 0.6))
    print(f"weights 2, 3 and 5, the last one's circuit open: {opened}, {off:.2%} from 40 and 60")
    print(f"round robin over seven channels: each {set(turns.values())} of {sum(turns.values())} calls")
    if options.parse_args().save:
        RESULTS.mkdir(exist_ok=True)
        told = {"aim_us": AIM_US, "channels": CHANNELS, "one_channel_us": floor, "strategies_us": figures}
        told |= {"weighted_2_3_open_5": opened, "weighted_off": round(off, 5), "round_robin_of_7": turns}
        path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-routing.json"
        path.write_text(json.dumps(told, indent=1) + "\n")
    return int(figures["weighted"] - floor > AIM_US or off > MOST_OFF or len(set(turns.values())) > 1)


def measured(strategy: str, channels: int) -> float:
    """Microseconds of CPU for one call, the best of some rounds."""
    router, model = built(strategy, channels)
    calls = questions()
    return round(min(_round(router, model, calls) for _ in range(ROUNDS)) * 1e6 / CALLS, 2)


def _round(router: Router, model: Model, calls: list[Call]) -> float:
    started_s = time.thread_time()
    now_s = time.monotonic()
    for call in calls:
        for _ in router.plan(model, call.id, now_s, call).candidates:
            break
    return time.thread_time() - started_s


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
            weight=weights[at % len(weights)],
        )
        for at in range(channels)
    ]  # fmt: skip
    rules = RoutingRules()
    signals = Signals(Health(), Memory(rules), rules)
    router = Router([model], pool, known_providers(), signals)
    for at, one in enumerate(router.candidates):
        signals.health.answered(one, 0.0, 0.1 + at / 100)
    return router, model


def questions() -> list[Call]:
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
    return [msgspec.structs.replace(first, id=CallId("req_" + uuid7())) for _ in range(CALLS)]


if __name__ == "__main__":
    sys.exit(main())
