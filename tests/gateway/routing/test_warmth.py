"""A conversation that comes to another process stays with the channel that is warm; in the background, and bounded."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.gateway.ledger.books import StillClock
from tests.gateway.routing.pools import PROVIDERS, channel, model, question
from tests.valkey import Valkey

from tollway.backends.clock import SystemClock
from tollway.backends.memory.shelf import Shelf
from tollway.core.ids import LaneId
from tollway.core.routing import RoutingRules
from tollway.gateway.peers import MOST_BYTES, Peers
from tollway.gateway.routing.affinity import Bonds
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.memory import MOST_UNTOLD, Known, Memory
from tollway.gateway.routing.observations import Signals
from tollway.gateway.routing.prefix import Prompt
from tollway.gateway.routing.question import Question
from tollway.gateway.routing.router import Router
from tollway.gateway.routing.warmth import TOPIC, Warmth
from tollway.gateway.together import open_store
from tollway.ports import KeyValue
from tollway.stated.affinity import Affinity, AffinityRule, KeySource

BY_SESSION = AffinityRule(name="by session", key_sources=(KeySource(type="request_header", key="x-session"),))
MODEL = model(strategy="prefix_affinity")


class Process:
    """What one gateway remembers, and a router that goes by it."""

    def __init__(self, store: KeyValue, name: str, affinity: Affinity | None = None, **rules: float) -> None:
        self.clock = StillClock()
        self.clock.at_s += sum(map(ord, name))  # no two hosts count from the same second
        stated = RoutingRules(**rules)  # type: ignore[arg-type]
        self.memory = Memory(stated, shared=True)
        self.bonds = Bonds(affinity or Affinity(rules=()), shared=True)
        self.peers = Peers(store, self.clock, name)
        self.warmth = Warmth(self.memory, self.bonds, self.peers, self.clock)
        signals = Signals(Health(), self.memory, stated, bonds=self.bonds)
        self.router = Router([MODEL], [channel(one) for one in "abcdefgh"], PROVIDERS, signals)

    def call(self, asked: Question) -> str:
        """Who is asked first, and answers."""
        plan = self.router.plan(MODEL, asked.id, self.clock.monotonic_s(), asked)
        first = plan.candidates[0]
        assert plan.answered is not None
        plan.answered(first)
        return first.channel.id

    async def round(self) -> None:
        await self.peers.attend()
        await self.warmth.round()


async def met(*processes: Process) -> None:
    """They have heard of each other, and then what each had to say."""
    for _ in range(2):
        for process in processes:
            await process.round()


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[KeyValue]:
    own: Valkey | None = request.getfixturevalue("own_valkey") if request.param == "redis" else None
    made = open_store(own.url if own is not None else "memory://", SystemClock())
    yield made
    await made.close()


def turns(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]


async def test_a_conversation_that_goes_on_at_another_process_stays_with_its_warm_channel(store: KeyValue) -> None:
    one, two = Process(store, "one"), Process(store, "two")
    await met(one, two)
    first = {n: one.call(question(f"req_{n}", messages=turns(f"talk {n}"))) for n in range(30)}
    assert len(set(first.values())) > 3
    await met(one, two)
    for n, warm in first.items():
        asked = question(f"req_2_{n}", messages=turns(f"talk {n}", "an answer", "and then?"))
        assert two.call(asked) == warm


async def test_a_conversation_that_a_rule_knows_stays_too(store: KeyValue) -> None:
    rules = Affinity(rules=(BY_SESSION,), default_ttl_s=100)
    one, two = Process(store, "one", rules), Process(store, "two", rules)
    first = {n: one.call(question(f"req_{n}", heard={b"x-session": b"s%d" % n})) for n in range(10)}
    await met(one, two)
    for n, his in first.items():
        assert two.call(question(f"req_2_{n}", text=f"other {n}", heard={b"x-session": b"s%d" % n})) == his
    two.clock.at_s += 99
    assert two.bonds.find(question("r", heard={b"x-session": b"s1"}), MODEL.id, "default", two.clock.at_s)


def test_marks_are_the_same_in_every_process_where_they_are_shared() -> None:
    told = (
        "from tests.gateway.routing.pools import question\n"
        "from tollway.gateway.routing.prefix import Prompt\n"
        "asked = question(messages=[{'role': 'system', 'content': 'be kind'}, {'role': 'user', 'content': 'hi'}],"
        " prompt_cache_key='k')\n"
        "prompt = Prompt(asked, 'm')\n"
        "print(prompt.name_key, prompt.talk_key, prompt.head_key, prompt.check(prompt.end))"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    said = {
        subprocess.run(
            [sys.executable, "-c", told], env={**environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_shared_marks_tell_prompts_and_users_apart() -> None:
    prompts = [Prompt(question(messages=turns(text)), name) for text in ("a", "b", "ab") for name in ("m", "n")]
    assert len({one.talk_key for one in prompts}) == 6
    named = [Prompt(question(prompt_cache_key=text), name) for text in ("a", "b") for name in ("m", "n")]
    assert len({one.name_key for one in named}) == 4


async def test_what_is_told_is_bounded_and_what_is_new_comes_first() -> None:
    store = Shelf(StillClock())
    one, two = Process(store, "one"), Process(store, "two", affinity_entries=50)
    for n in range(3 * MOST_UNTOLD):
        one.call(question(f"req_{n}", text=f"talk {n}"))
    assert len(one.memory.untold) == MOST_UNTOLD
    await met(one, two)
    words = await store.get(f"{TOPIC}:one")
    assert words is not None and len(words) < MOST_BYTES
    assert len(two.memory) == 50
    assert two.memory.warm(Prompt(question(text=f"talk {3 * MOST_UNTOLD - 1}"), "m"), two.clock.at_s)
    assert not one.memory.untold


async def test_nobody_tells_on_what_he_was_told_and_the_newer_word_stands() -> None:
    store = Shelf(StillClock())
    one, two, three = (Process(store, name) for name in ("one", "two", "three"))
    asked = question("req_1", text="hello")
    one.call(asked)
    await met(one, two)
    assert not two.memory.untold
    for process in (one, two):
        process.clock.at_s += 5
    two.memory.note(Prompt(asked, "m"), next(iter(two.router.ways(MODEL).tiers)).every[7], two.clock.at_s)
    await met(one, two, three)
    assert three.call(question("req_3", text="hello")) == "h"


def poisons() -> list[bytes]:
    """Words that no gateway of ours would say."""
    name = ["r", "m", "g", "u", "v"]
    prompts = [[n, "nowhere", "m", 0.0, 0, 0] for n in range(5000)]
    strange = [[1, "a", "m", float("nan"), 0, 0], [2, "a", "m", -1e300, 9, 9], [3, "x" * 9999, "m", 0.0, -1, 0]]
    talks = [[name, "nowhere", float("inf")], [name, "a", float("nan")], [["x" * 9999] * 5, "a", 1.0]]
    pack = msgspec.msgpack.encode
    whole: bytes = pack([prompts, talks])
    return [
        b"",
        b"\x92",
        whole[:-7],
        pack([1, 2]),
        pack({"a": 1}),
        pack([strange, talks]),
        whole,
        b"\x90" * MOST_BYTES * 2,
    ]


@pytest.mark.parametrize("poison", poisons(), ids=range(8))
async def test_torn_poisoned_and_huge_words_do_no_harm(poison: bytes) -> None:
    store = Shelf(StillClock())
    rules = Affinity(rules=(BY_SESSION,), max_entries=20)
    one, two = Process(store, "one", rules), Process(store, "two", rules, affinity_entries=600)
    await met(one, two)
    await store.put(f"{TOPIC}:one", poison, 60.0)
    await two.warmth.round()
    assert len(two.memory) <= 600 and len(two.bonds) <= 20
    two.call(question("req_1", heard={b"x-session": b"s1"}))
    his = one.call(question("req_2", text="after all that", heard={b"x-session": b"s2"}))
    await met(one, two)
    assert two.call(question("req_3", text="after all that", heard={b"x-session": b"s2"})) == his


async def test_a_channel_that_only_others_know_changes_nothing_here() -> None:
    process = Process(Shelf(StillClock()), "one")
    asked = question("req_1", text="hello")
    prompt = Prompt(asked, "m")
    known = Known(LaneId("gone"), "m", process.clock.at_s, prompt.end, prompt.check(prompt.end))
    process.memory.adopt(prompt.talk_key, known)
    assert process.call(asked) in "abcdefgh"
