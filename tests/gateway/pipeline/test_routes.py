"""The way of a call, as the operator, the key and the caller state it: seen through a whole gateway."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import Stage, chat_body, open_stage
from tests.gateway.pipeline.test_calls import claude, whole
from tollway.core.caller import KeyLimits, Scope
from tollway.core.errors import BadRequest
from tollway.core.money import NanoUsd
from tollway.gateway.admin.users import Users
from tollway.gateway.auth.api_keys import ApiKeys, KeyRules, NewKey
from tollway.gateway.routing.chain import STRATEGIES

CHAT = "/v1/chat/completions"
THREE = "".join(
    f'[[channels]]\nid = "{name}"\nprovider = "openai"\nkey = "sk-{name}"\nprice_factor = {factor}\n'
    f'base_url = "https://{name}.example/v1"\n'
    for name, factor in (("dear", 3), ("middle", 2), ("cheap", 1))
)


async def asked(stage: Stage, calls: int = 1, key: str = "", route: str = "", **stated: Any) -> Counter[str]:
    """Who was asked, of so many calls."""
    before = len(stage.outside.asked)
    headers = {"x_tollway_route": route} if route else {}
    for _ in range(calls):
        ear = await stage.ask(CHAT, chat_body(**stated), whole(), key=key, **headers)
        assert ear.status == 200, ear.data
    return Counter(one.origin.removeprefix("https://").partition(".")[0] for one in stage.outside.asked[before:])


async def key_of(stage: Stage, route: str | None = None, scope: Scope = Scope.CALL) -> str:
    """A further key of the stage's user; an administering one of an administrator with credits of his own."""
    hub, owner = stage.hub, stage.user
    keys = ApiKeys(hub.database, hub.clock, KeyRules(90, strategies=frozenset(STRATEGIES)))
    if scope is Scope.ADMIN:
        users = Users(hub.database, hub.clock, keys, hub.subscriptions)
        owner = (await users.create(f"root-{route}@example.com", admin=True))[0].id
        await hub.ledger.grant(owner, NanoUsd(10**12), "topup", "test", "test")
    return (await keys.create(owner, "another", KeyLimits(route=route), scope=scope)).api_key


async def test_a_model_has_the_strategy_its_row_states_and_others_that_of_the_routing_table(tmp_path: Path) -> None:
    own = '[routing]\nstrategy = "round_robin"\n[[models]]\nid = "gpt-5-mini"\nstrategy = "cheapest"\n' + THREE
    async with open_stage(tmp_path, own) as stage:
        assert await asked(stage, 6) == {"cheap": 6}
        assert await asked(stage, 6, model="gpt-5.2") == {"dear": 2, "middle": 2, "cheap": 2}


async def test_a_request_may_choose_its_strategy_and_a_wrong_one_is_a_400_that_names_those_there_are(
    tmp_path: Path,
) -> None:
    async with open_stage(tmp_path, THREE) as stage:
        assert await asked(stage, 5, route="cheapest") == {"cheap": 5}
        ear = await stage.ask(CHAT, chat_body(), x_tollway_route="quickest")
        assert ear.status == 400 and "known are by_complexity, cheapest" in ear.json["error"]["message"]


async def test_a_key_has_its_own_strategy_until_a_request_says_otherwise(tmp_path: Path) -> None:
    async with open_stage(tmp_path, THREE) as stage:
        key = await key_of(stage, "cheapest")
        assert await asked(stage, 5, key=key) == {"cheap": 5}
        turns = await asked(stage, 6, key=key, route="round_robin")
        assert turns == {"dear": 2, "middle": 2, "cheap": 2}
        with pytest.raises(BadRequest, match="'quickest' is no strategy"):
            await key_of(stage, "quickest")
        with pytest.raises(BadRequest, match="'channel:dear' is no strategy"):
            await key_of(stage, "channel:dear")


async def test_only_an_administrators_key_pins_a_channel(tmp_path: Path) -> None:
    async with open_stage(tmp_path, THREE) as stage:
        for header in ({"x_tollway_route": "channel:dear"}, {"x_channel_id": "dear"}):
            ear = await stage.ask(CHAT, chat_body(), **header)
            assert ear.status == 403, ear.data
        admin = await key_of(stage, scope=Scope.ADMIN)
        assert await asked(stage, 4, admin, "channel:dear") == {"dear": 4}
        ear = await stage.ask(CHAT, chat_body(), key=admin, x_tollway_route="channel:nobody")
        assert ear.status == 400 and "no channel 'nobody' serves" in ear.json["error"]["message"]
        ear = await stage.ask(CHAT, chat_body(), key=admin, x_tollway_route="channel:")
        assert ear.status == 400 and "names no channel" in ear.json["error"]["message"]
        pinned = await key_of(stage, "channel:cheap", Scope.ADMIN)
        assert await asked(stage, 4, key=pinned) == {"cheap": 4}


async def test_a_pinned_channel_that_is_switched_off_is_refused_as_that(tmp_path: Path) -> None:
    off = THREE + "enabled = false\n"
    async with open_stage(tmp_path, off) as stage:
        admin = await key_of(stage, scope=Scope.ADMIN)
        for field, pin in (("x-tollway-route", "channel:cheap"), ("x-channel-id", "cheap")):
            ear = await stage.ask(CHAT, chat_body(), key=admin, **{field.replace("-", "_"): pin})
            error = ear.json["error"]
            assert (ear.status, error["param"]) == (403, field) and "switched off" in error["message"], error


async def test_a_conversation_stays_where_its_cache_is_warm(tmp_path: Path) -> None:
    async with open_stage(tmp_path, '[routing]\nstrategy = "prefix_affinity"\n' + THREE) as stage:
        for talk in range(4):
            turns = [{"role": "user", "content": f"talk {talk}: hello"}]
            found = Counter[str]()
            for turn in range(5):
                found += await asked(stage, messages=turns)
                turns += [{"role": "assistant", "content": "hi"}, {"role": "user", "content": f"and {turn}?"}]
            assert len(found) == 1, found


@pytest.mark.parametrize("named", [{}, {"model": None}, {"model": "auto"}], ids=["omitted", "null", "auto"])
async def test_a_request_without_a_model_gets_one_that_suits_it(stage: Stage, named: dict[str, Any]) -> None:
    for text, model, line in (
        ("Fix this bug please", "gpt-5-mini", whole()),
        ("Prove the theorem step by step", "gpt-5.2", whole()),
        ("Tell me of the sea. " * 250, "claude-haiku", claude()),
    ):
        body = {"messages": [{"role": "user", "content": text}], **named}
        ear = await stage.ask(CHAT, body, line)
        assert (ear.status, ear.headers.get("x-tollway-model")) == (200, model), ear.data


async def test_a_key_of_the_old_form_may_carry_the_channel_if_an_administrator_owns_it(tmp_path: Path) -> None:
    async with open_stage(tmp_path, THREE) as stage:
        hub, raw = stage.hub, "sk-" + "a" * 48
        keys = ApiKeys(hub.database, hub.clock, KeyRules(90))
        root = (await Users(hub.database, hub.clock, keys, hub.subscriptions).create("root@example.com", admin=True))[0]
        await hub.ledger.grant(root.id, NanoUsd(10**12), "topup", "test", "test")
        old = NewKey(keys.mint(root.id, "old", KeyLimits(), scope=Scope.ADMIN).record, raw)
        await hub.database.write(lambda tx: keys.keep(tx, old))
        assert await asked(stage, 4, raw + "-dear") == {"dear": 4}
        assert await asked(stage, 4, raw + "-cheap") == {"cheap": 4}
        assert len(await asked(stage, 40, raw)) == 3, "without a hint it is a key like any other"
