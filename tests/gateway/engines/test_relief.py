"""Whoever states how a call is routed gets that; whoever may not use the relieving model does not."""

from pathlib import Path

from tests.gateway.engines.test_offload import NAMED, PROMPT, World
from tests.gateway.pipeline.stage import KEYS, open_stage, whole
from tests.mocks.server import MockAnswer, MockRequest, MockServer
from tollway.core.caller import Caller, Scope
from tollway.core.engines import OffloadRules
from tollway.core.ids import CallId, KeyId, UserId
from tollway.gateway.engines.relief import relieved, told
from tollway.gateway.routing.explain import Imagined
from tollway.gateway.routing.plan import Plan

DEAF = """
[[models]]
id = "deaf"
provider = "openai"
served_by = { openai = "deaf" }
price = { input = 1, output = 1 }
context_window = 32000
max_output = 4000
"""
ADMIN = Caller(UserId("u"), KeyId("k"), Scope.ADMIN)


def plan(world: World, name: str = "qwen", route: str = "", call: str = "req_1", may: bool = True) -> Plan:
    asked = Imagined(CallId(call), ADMIN, PROMPT, name, route)
    return relieved(world.model(name), asked, world.now_s, world.router, world.offload, lambda model: may)


def order(*args: str, world: World, **more: str) -> list[str]:
    return [one.channel.id for one in plan(world, *args, **more).candidates]


def test_a_pinned_channel_is_the_only_one_however_busy() -> None:
    world = World()
    world.says("a", running=9, waiting=99)
    assert order(world=world) == ["router", "a"]
    pinned = plan(world, route="channel:a")
    assert [one.channel.id for one in pinned.candidates] == ["a"] and pinned.why == ""


def test_a_strategy_the_call_states_decides_among_replicas_but_not_whether_they_are_too_busy() -> None:
    world = World(("a", "b"), OffloadRules(models=NAMED))
    home = order(world=world)[0]
    firsts = [order(world=world, route="round_robin", call=f"req_{number}")[0] for number in range(4)]
    assert firsts in (["a", "b", "a", "b"], ["b", "a", "b", "a"]), "not the warm one each time"
    assert {order(world=world, call=f"req_{number}")[0] for number in range(4)} == {home}
    for name in ("a", "b"):
        world.says(name, running=9, waiting=99)
    assert order(world=world, route="round_robin")[0] == "router"


def test_a_caller_who_may_not_use_the_other_model_waits() -> None:
    world = World()
    world.says("a", running=9, waiting=99)
    assert plan(world, "alone").candidates[0].model.id == "gpt-5-mini"
    waiting = plan(world, "alone", may=False)
    assert [one.channel.id for one in waiting.candidates] == ["a"]
    assert waiting.why.endswith("nobody to relieve it")


def test_who_only_wants_to_know_leaves_no_trace() -> None:
    world = World(("a", "b"), OffloadRules(models=NAMED))
    asked = Imagined(CallId("req_1"), ADMIN, PROMPT, "qwen")
    beside = world.offload.beside()
    for _ in range(2):
        plan_told = relieved(world.model("qwen"), asked, world.now_s, world.router, beside, lambda model: True)
    assert not len(world.offload._prefixes), "nothing was read"
    world.says("a", running=3, waiting=1, kv_used=0.5)
    shown = told(plan_told, world.offload)
    assert shown["offload"].startswith("local: ") and set(shown["engines"]) == {"a", "b"}
    assert shown["engines"]["a"] | {"age_s": 0} == {
        "running": 3, "waiting": 1, "kv_used": 0.5, "first_token_ms": None, "age_s": 0, "trouble": "",
    }  # fmt: skip
    assert shown["engines"]["b"]["trouble"] == "not asked yet"


async def test_a_model_that_could_not_do_the_work_relieves_nobody(tmp_path: Path) -> None:
    def engine(request: MockRequest) -> MockAnswer:
        if request.path == "/metrics":
            return MockAnswer(200, {}, b"vllm:num_requests_running 9\nvllm:num_requests_waiting 9\n")
        return MockAnswer.of_json({"object": "list", "data": [{"id": "mine"}]})

    file = '[offload.models.mine]\nto = "deaf"\n' + DEAF
    with MockServer(engine) as server:
        async with open_stage(tmp_path, file, {**KEYS, "VLLM_BASE_URL": server.url}) as stage:
            await stage.hub.offload.engines.poll()
            await stage.hub.offload.engines.heard()
            plain = await stage.chat(whole(), model="mine")
            assert plain.headers["x-tollway-offload"].startswith("remote: vllm has 9 waiting")
            assert plain.headers["x-tollway-model"] == "deaf"
            tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
            with_tools = await stage.chat(whole(), model="mine", tools=tools)
            assert with_tools.headers["x-tollway-model"] == "vllm/mine"
            assert with_tools.headers["x-tollway-offload"].endswith("nobody to relieve it")
