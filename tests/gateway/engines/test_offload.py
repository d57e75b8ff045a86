"""Local first: who gets a call, decided by queues, speed and warm caches; engines' words are given by hand."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tollway.core.engines import EngineRules, OffloadRules, Relief
from tollway.core.ids import ChannelId
from tollway.core.model import Channel, Model
from tollway.gateway.catalog import Catalog
from tollway.gateway.dialect import open_body
from tollway.gateway.engine import Gauges
from tollway.gateway.engines.fleet import Engines
from tollway.gateway.engines.load import Busy
from tollway.gateway.engines.offload import Offload
from tollway.gateway.routing.plan import Plan
from tollway.gateway.routing.router import Router
from tollway.gateway.stock import known_providers
from tollway.kit.http1.client import Client
from tollway.kit.toml import parse

PROVIDERS = known_providers()
FILE = """
[[models]]
id = "qwen"
provider = "vllm"
served_by = { vllm = "qwen", openrouter = "qwen/qwen" }
price = { input = 1, output = 1 }
context_window = 32000
max_output = 4000
[[models]]
id = "alone"
provider = "vllm"
served_by = { vllm = "alone" }
price = { input = 1, output = 1 }
context_window = 32000
max_output = 4000
"""
NAMED = {"qwen": Relief(), "alone": Relief(to="gpt-5-mini")}


class World:
    """Engines `a`, `b`… with channels to OpenRouter and OpenAI beside them; time stands still until it is moved."""

    def __init__(self, engines: Sequence[str] = ("a",), rules: OffloadRules | None = None, **more: Any) -> None:
        self.now_s = 100.0
        self.ill: set[str] = set()
        self.catalog = Catalog.load(parse(FILE, "tollway.toml"), list(PROVIDERS))
        self.channels = [
            *(Channel(id=ChannelId(name), provider="vllm", base_url=f"http://{name}/v1", **more) for name in engines),
            Channel(id=ChannelId("router"), provider="openrouter", base_url="http://router/v1", priority=9),
            Channel(id=ChannelId("openai"), provider="openai", base_url="http://openai/v1"),
        ]
        fleet = Engines(PROVIDERS, Client(), EngineRules(), lambda: self.now_s)
        stated = rules or OffloadRules(models=NAMED)
        self.offload = Offload(fleet, (EngineRules(), stated), lambda: self.now_s)
        self.offload.take(self.catalog.models, self.channels, self.catalog.find)
        self.router = Router(self.catalog.models, self.channels, PROVIDERS)

    def model(self, name: str) -> Model:
        found = self.catalog.find(name)
        assert found is not None
        return found

    def busy(self, name: str) -> Busy:
        every = self.router.plan(self.model("qwen"), "x", self.now_s).candidates
        busy = self.offload.engines.busy(next(one for one in every if one.channel.id == name))
        assert busy is not None
        return busy

    def says(self, name: str, **gauges: Any) -> None:
        self.busy(name).told(Gauges(**gauges), self.now_s, self.now_s)

    def plan(self, name: str = "qwen", text: str = "hi", call: str = "req_1") -> Plan:
        model = self.model(name)
        concern = self.offload.concern(model)
        plan = self.router.plan(model, call, self.now_s)
        if concern is None:
            return plan
        to = concern.to
        ways = self.router.plan(to, call, self.now_s).candidates if to is not None else []
        spare = [one for one in ways if to is not None and one.model.id == to.id]
        body = open_body(json.dumps({"messages": [{"role": "user", "content": text}]}).encode())
        return self.offload.arranged(plan, spare, body, concern, lambda one: one.channel.id not in self.ill)

    def order(self, *args: str, **more: str) -> list[str]:
        return [one.channel.id for one in self.plan(*args, **more).candidates]


def test_it_is_off_unless_a_model_is_named() -> None:
    world = World(rules=OffloadRules())
    assert world.offload.active is None
    assert world.order() == ["router", "a"], "the operator's priorities, and nothing else"


def test_an_engine_without_a_queue_comes_first_whatever_the_priorities() -> None:
    world = World()
    world.says("a", running=50, waiting=0)
    plan = world.plan()
    assert [one.channel.id for one in plan.candidates] == ["a", "router"]
    assert plan.why == "local: a has 0 waiting"


def test_a_full_queue_sends_the_call_elsewhere_and_the_engine_is_the_last_resort() -> None:
    world = World()
    world.says("a", running=50, waiting=4)
    plan = world.plan()
    assert [one.channel.id for one in plan.candidates] == ["router", "a"]
    assert plan.why == "remote: a has 4 waiting, at most 4 may"


def test_a_short_queue_is_weighed_against_the_first_token_by_the_engines_own_speed() -> None:
    world = World()
    world.says("a", running=9, waiting=0, prompt_tokens=0.0, prompt_seconds=0.0)
    world.says("a", running=9, waiting=2, prompt_tokens=1000.0, prompt_seconds=1.0)
    assert world.plan().why.startswith("local: a has 2 waiting, first token in 1.0 s of 2 s")
    far = world.plan(text="x" * 8000)
    assert far.why == "remote: a has 2 waiting, first token in 3.0 s of 2 s"
    world.says("a", running=9, waiting=2, prompt_tokens=101_000.0, prompt_seconds=2.0)
    assert world.plan(text="x" * 8000).why.startswith("local: "), "it reads faster than it was thought to"


def test_a_queue_at_an_engine_of_unknown_speed_is_borne_up_to_its_limit() -> None:
    world = World()
    world.says("a", running=9, waiting=3)
    assert world.plan().why == "local: a has 3 waiting, its speed is not known yet"


def test_a_burst_between_two_looks_does_not_all_go_to_the_engine() -> None:
    world = World()
    world.says("a", running=0, waiting=0)
    went = []
    for number in range(50):
        first = world.order(call=f"req_{number}")[0]
        went.append(first)
        if first == "a":
            world.busy("a").began(10, world.now_s + 0.001)
    assert went == ["a"] * 4 + ["router"] * 46


def test_old_figures_are_not_believed() -> None:
    world = World()
    world.says("a", running=50, waiting=40)
    assert world.order()[0] == "router"
    world.now_s += 5.1
    assert world.plan().why == "local: a has 0 waiting, by our own calls alone"
    for _ in range(4):
        world.busy("a").began(10, world.now_s)
    assert world.plan().why == "remote: a has 4 waiting, by our own calls alone, at most 4 may"


def test_another_model_may_answer_instead_and_its_price_is_reckoned_with() -> None:
    world = World()
    world.says("a", running=9, waiting=9)
    plan = world.plan("alone")
    assert [one.model.id for one in plan.candidates] == ["gpt-5-mini", "gpt-5-mini", "alone"], "no fallback of it"
    assert plan.candidates[-1].channel.id == "a" and plan.model.id == "alone"
    assert {model.id for model in plan.facts.models} == {"alone", "gpt-5-mini"}
    assert plan.facts is world.plan("alone").facts, "worked out once"


def test_an_engine_that_does_not_answer_is_relieved_too() -> None:
    world = World(("a", "b"))
    world.ill = {"a"}
    assert world.order()[0] == "b"
    world.ill = {"a", "b"}
    plan = world.plan()
    assert plan.candidates[0].channel.id == "router" and "is not well" in plan.why


def test_with_nobody_to_relieve_it_the_engine_keeps_its_queue() -> None:
    world = World(rules=OffloadRules(models={"alone": Relief()}))
    world.says("a", running=9, waiting=9)
    plan = world.plan("alone")
    assert [one.channel.id for one in plan.candidates] == ["a"]
    assert plan.why == "local: a has 9 waiting, at most 4 may; nobody to relieve it"


def test_each_model_may_have_its_own_limits() -> None:
    world = World(rules=OffloadRules(max_queue=1, models={"qwen": Relief(max_queue=8)}))
    world.says("a", running=9, waiting=7)
    assert world.order()[0] == "a"
    world.says("a", running=9, waiting=8)
    assert world.order()[0] == "router"


def test_of_two_engines_the_one_that_takes_the_call_comes_first() -> None:
    world = World(("a", "b"))
    world.says("a", running=9, waiting=9)
    world.says("b", running=9, waiting=0)
    assert world.order() == ["b", "router", "a"]
    assert world.plan().why == "local: b has 0 waiting"


PROMPT = "".join(f"line {number} of a long file\n" for number in range(400))


def test_of_replicas_the_one_whose_cache_is_warm_gets_the_prompt() -> None:
    world = World(("a", "b", "c"), OffloadRules())
    homes = {}
    for number in range(12):
        text = f"{number} {PROMPT}"
        homes[text] = world.order(text=text, call=f"req_{number}")[0] if number else "router"
    world = World(("a", "b", "c"), OffloadRules(models={"qwen": Relief()}))
    for number in range(12):
        homes[f"{number} {PROMPT}"] = world.order(text=f"{number} {PROMPT}", call=f"req_{number}")[0]
    assert set(homes.values()) == {"a", "b", "c"}, "cold prompts are spread"
    for number in range(12):
        text = f"{number} {PROMPT}"
        assert world.order(text=f"{text} and now another question", call=f"req_x{number}")[0] == homes[text]


@pytest.mark.parametrize("aware", [True, False])
def test_whether_prompts_go_where_they_were_read_is_a_setting(aware: bool) -> None:
    world = World(("a", "b", "c"), OffloadRules(models={"qwen": Relief()}))
    rules = EngineRules(prefix_aware=aware)
    world.offload = Offload(world.offload.engines, (rules, OffloadRules(models={"qwen": Relief()})), lambda: 100.0)
    world.offload.take(world.catalog.models, world.channels, world.catalog.find)
    first = {world.order(text=PROMPT, call=f"req_{number}")[0] for number in range(30)}
    assert len(first) == (1 if aware else 3)


def test_a_warm_replica_is_left_when_waiting_for_it_costs_more_than_reading_anew() -> None:
    world = World(("a", "b"), OffloadRules(models={"qwen": Relief()}))
    home = world.order(text=PROMPT)[0]
    other = {"a": "b", "b": "a"}[home]
    tokens = len(PROMPT) // 4
    world.says(home, running=1, waiting=0)
    world.says(other, running=0, waiting=0)
    assert world.order(text=PROMPT)[0] == home, "one request beside it costs less than the whole prompt"
    for _ in range(3):
        world.busy(home).began(tokens, world.now_s + 0.001)
    assert world.order(text=PROMPT)[0] == other
    assert world.order(text=PROMPT)[0] == other, "which has read it meanwhile"


def test_a_replica_whose_cache_overflows_is_left() -> None:
    world = World(("a", "b"), OffloadRules(models={"qwen": Relief()}))
    text = PROMPT[:1600]
    home = world.order(text=text)[0]
    world.says(home, running=0, waiting=0, kv_used=0.99)
    assert world.order(text=text)[0] != home


def test_replicas_of_a_lower_priority_stay_behind() -> None:
    world = World(("a",), OffloadRules(models={"qwen": Relief()}))
    world.channels.append(Channel(id=ChannelId("small"), provider="vllm", base_url="http://small/v1", priority=-1))
    world.offload.take(world.catalog.models, world.channels, world.catalog.find)
    world.router = Router(world.catalog.models, world.channels, PROVIDERS)
    for number in range(5):
        assert world.order(text=PROMPT, call=f"req_{number}") == ["a", "small", "router"]


def test_one_engine_alone_is_chosen_without_a_look_at_the_prompt() -> None:
    world = World(("a",), OffloadRules())
    assert world.offload.concern(world.model("qwen")) is None


@pytest.mark.parametrize("name", ["qwen", "openrouter/qwen", "qwen/qwen"])
def test_a_model_may_be_named_by_any_of_its_names(name: str) -> None:
    world = World(rules=OffloadRules(models={name: Relief()}))
    assert world.offload.concern(world.model("qwen")) is not None


def test_a_name_that_nobody_sells_decides_nothing() -> None:
    assert World(rules=OffloadRules(models={"nonesuch": Relief()})).offload.active is None
