"""Groups at call time: which channels serve a caller, what he pays, and what his receipt says of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from math import ceil
from pathlib import Path

import pytest

from tests.gateway.pipeline.stage import Ear, Played, Stage, open_stage, refused, spoken, whole
from tollway.core.caller import KeyLimits
from tollway.core.groups import Groups
from tollway.gateway.admin.users import UserChange, Users
from tollway.gateway.auth.api_keys import ApiKeys, KeyChange, KeyRules
from tollway.gateway.channels.groups import GroupBook
from tollway.kit.http1.wire import Request

ROWS = """
[[channels]]
id = "common"
provider = "openai"
key = "k-common"
groups = ["default", "cheap"]
[[channels]]
id = "vip"
provider = "openai"
key = "k-vip"
groups = ["vip"]
[[channels]]
id = "all"
provider = "openai"
key = "k-all"
priority = -1
"""
RATIOS = {"default": Decimal(1), "vip": Decimal("1.5"), "cheap": Decimal("0.333333"), "free": Decimal(0)}
USABLE = {"default": "D", "vip": "V", "cheap": "C", "free": "F"}


class Grouped:
    """A stage with groups, whose user and keys change theirs."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.keys = ApiKeys(stage.hub.database, stage.hub.clock, KeyRules(90))

    async def key(self, group: str, crosses: bool | None = None) -> str:
        """A key of this group."""
        limits = KeyLimits(cross_group_retry=crosses)
        return (await self.keys.create(self.stage.user, group, limits, wanted=KeyChange(group=group))).api_key

    def hold(self, **changes: object) -> None:
        """The groups are these from now on."""
        fields: dict[str, object] = {"group_ratio": RATIOS, "user_usable_groups": USABLE}
        self.stage.hub.groups = Groups(**(fields | changes))  # type: ignore[arg-type]
        self.stage.hub._take_stock()  # as when news of groups comes

    async def ask(self, *lines: Played, key: str = "", **more: object) -> Ear:
        body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}], **more}
        return await self.stage.ask("/v1/chat/completions", body, *lines, key=key)

    async def channels(self, ear: Ear) -> list[str]:
        return [one.channel for one in (await self.stage.receipt(ear.call)).attempts]


@asynccontextmanager
async def grouped(folder: Path, rows: str = ROWS) -> AsyncIterator[Grouped]:
    async with open_stage(folder, rows, {}) as stage:
        made = Grouped(stage)
        book = GroupBook(stage.hub.database, stage.hub.clock)
        await book.change({"group_ratio": RATIOS, "user_usable_groups": USABLE}, "test")
        made.hold()
        yield made
        await stage.quiet()


async def test_a_channel_serves_its_groups_and_one_without_serves_all(tmp_path: Path) -> None:
    async with grouped(tmp_path) as here:
        assert await here.channels(await here.ask(refused(500), whole())) == ["common", "all"]
        vip = await here.key("vip")
        assert await here.channels(await here.ask(refused(500), whole(), key=vip)) == ["vip", "all"]
        free = await here.key("free")
        assert await here.channels(await here.ask(whole(), key=free)) == ["all"]


async def test_the_ratio_of_the_group_multiplies_the_charge_exactly_and_stands_on_the_receipt(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 1001, "completion_tokens": 333, "total_tokens": 1334}
    async with grouped(tmp_path) as here:
        usual = await here.stage.receipt((await here.ask(whole(usage=usage))).call)
        assert (usual.group, usual.ratio) == ("", "")
        for group in ("vip", "cheap", "free"):
            ear = await here.ask(whole(usage=usage), key=await here.key(group))
            receipt = await here.stage.receipt(ear.call)
            exact = Decimal(receipt.provider_cost_nano_usd) * Decimal("1.4") * RATIOS[group]
            assert receipt.provider_cost_nano_usd == usual.provider_cost_nano_usd
            assert receipt.charge_nano_usd == ceil(exact)
            assert (receipt.group, receipt.ratio) == (group, f"{RATIOS[group]}")
            assert float(ear.headers["x-tollway-cost"]) == pytest.approx(receipt.charge_nano_usd / 1e6, abs=1e-6)


async def test_the_hold_covers_the_ratio_of_the_group(tmp_path: Path) -> None:
    async with grouped(tmp_path) as here:
        holds = {}
        for group in ("default", "vip", "free"):
            ear = await here.ask(whole(), key=await here.key(group), max_tokens=1000)
            holds[group] = (await here.stage.receipt(ear.call)).hold_nano_usd
        assert holds["vip"] == pytest.approx(holds["default"] * 1.5, rel=1e-6)
        assert holds["free"] == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_who_has_just_enough_for_the_usual_price_gets_less_in_a_dearer_group(
    tmp_path: Path, stream: bool
) -> None:
    async with grouped(tmp_path) as here:
        await here.stage.hub.ledger.grant(here.stage.user, -(100_000 - 1) * 1_000_000, "topup", "t", "back")  # type: ignore[arg-type]
        answer = Played([spoken()]) if stream else whole()
        ear = await here.ask(answer, key=await here.key("vip"), max_tokens=100_000, stream=stream)
        assert ear.status == 200
        receipt = await here.stage.receipt(ear.call)
        assert receipt.hold_nano_usd <= 1_000_000
        assert receipt.charge_nano_usd <= receipt.hold_nano_usd


async def test_the_ratio_between_a_users_group_and_the_using_group_replaces_the_usual_one(tmp_path: Path) -> None:
    async with grouped(tmp_path) as here:
        vip = await here.key("vip")
        here.hold(group_group_ratio={"default": {"vip": Decimal("0.9")}})
        assert (await here.stage.receipt((await here.ask(whole(), key=vip)).call)).ratio == "0.9"


async def test_a_key_without_a_group_calls_in_that_of_its_owner(tmp_path: Path) -> None:
    async with grouped(tmp_path) as here:
        users = Users(here.stage.hub.database, here.stage.hub.clock, here.keys)
        await users.change(here.stage.user, UserChange(group="vip"))
        ear = await here.ask(whole())
        assert await here.channels(ear) == ["vip"]
        assert (await here.stage.receipt(ear.call)).group == "vip"


async def test_an_unknown_group_is_refused_at_call_time_and_costs_nothing(tmp_path: Path) -> None:
    async with grouped(tmp_path) as here:
        cheap = await here.key("cheap")
        gone = {name: ratio for name, ratio in RATIOS.items() if name != "cheap"}
        here.hold(group_ratio=gone, user_usable_groups={"default": "D"})
        ear = await here.ask(key=cheap)
        assert (ear.status, ear.json["error"]["code"]) == (403, "group_not_allowed")
        assert "'cheap' does not exist" in ear.json["error"]["message"]
        assert here.stage.outside.asked == []


async def test_a_group_a_user_may_use_no_more_is_refused(tmp_path: Path) -> None:
    async with grouped(tmp_path) as here:
        vip = await here.key("vip")
        here.hold(group_special_usable_group={"default": {"-:vip": ""}})
        ear = await here.ask(key=vip)
        assert (ear.status, ear.json["error"]["code"]) == (403, "group_not_allowed")
        assert "may not be used" in ear.json["error"]["message"]


async def test_auto_takes_the_first_group_that_serves_the_model_and_its_price(tmp_path: Path) -> None:
    rows = ROWS.split('[[channels]]\nid = "all"')[0]
    async with grouped(tmp_path, rows) as here:
        auto = await here.key("auto")
        here.hold(auto_groups=("free", "vip", "default"))
        ear = await here.ask(whole(), key=auto)  # no channel serves the group `free`
        assert await here.channels(ear) == ["vip"]
        receipt = await here.stage.receipt(ear.call)
        assert (receipt.group, receipt.ratio) == ("vip", "1.5")
        ear = await here.ask(refused(500), key=auto)  # retries stay in the group
        assert (ear.status, await here.channels(ear)) == (502, ["vip"])


async def test_a_key_may_go_on_to_the_next_group_at_the_price_of_the_one_that_answers(tmp_path: Path) -> None:
    rows = ROWS.split('[[channels]]\nid = "all"')[0]
    async with grouped(tmp_path, rows) as here:
        auto = await here.key("auto", crosses=True)
        here.hold(auto_groups=("free", "cheap", "vip"))
        ear = await here.ask(refused(500), whole(), key=auto, max_tokens=1000)
        assert await here.channels(ear) == ["common", "vip"]
        receipt = await here.stage.receipt(ear.call)
        assert (receipt.group, receipt.ratio) == ("vip", "1.5")
        vip = await here.ask(whole(), key=await here.key("vip"), max_tokens=1000)
        held = (await here.stage.receipt(vip.call)).hold_nano_usd
        ear = await here.ask(whole(), key=auto, max_tokens=1000)
        receipt = await here.stage.receipt(ear.call)
        assert (receipt.group, receipt.hold_nano_usd) == ("cheap", held)  # the dearest of the plan is held


async def test_no_channel_is_tried_twice_because_it_serves_two_groups(tmp_path: Path) -> None:
    async with grouped(tmp_path) as here:
        auto = await here.key("auto", crosses=True)
        here.hold(auto_groups=("cheap", "vip"))
        ear = await here.ask(refused(503), refused(503), refused(503), key=auto)
        assert (ear.status, await here.channels(ear)) == (502, ["common", "all", "vip"])


async def test_a_group_without_a_channel_for_the_model_is_told_so(tmp_path: Path) -> None:
    rows = ROWS.split('[[channels]]\nid = "all"')[0]
    async with grouped(tmp_path, rows) as here:
        ear = await here.ask(key=await here.key("free"))
        assert ear.status == 503
        assert "no channel serves this model" in ear.json["error"]["message"]


NARROW = ROWS.replace('"k-common"', '"k-common"\nmodels = ["gpt-5-mini"]').replace(
    '"k-vip"', '"k-vip"\nmodels = ["gpt-5.2"]'
)


async def test_a_caller_is_shown_the_models_of_his_groups_in_every_list(tmp_path: Path) -> None:
    async with grouped(tmp_path, NARROW.replace('"k-all"', '"k-all"\nmodels = ["gpt-5-nano"]')) as here:

        async def listed(path: str, key: str) -> Ear:
            ear = Ear()
            said = {b"authorization": f"Bearer {key}".encode()}
            await here.stage.front.handle(Request("GET", path, "", said, b"", "192.0.2.1"), ear)
            return ear

        vip = await here.key("vip")
        for key, seen, hidden in ((here.stage.key, "gpt-5-mini", "gpt-5.2"), (vip, "gpt-5.2", "gpt-5-mini")):
            rows = (await listed("/v1/models", key)).json["data"]
            names = {row["id"] for row in rows}
            talkers = {row["id"] for row in rows if "openai" in row["supported_endpoint_types"]}
            assert seen in names and hidden not in names and "echo" in names
            assert {row["id"] for row in (await listed("/v1beta/openai/models", key)).json["data"]} == names
            assert {row["baseModelId"] for row in (await listed("/v1beta/models", key)).json["models"]} == names
            assert {row["id"] for row in (await listed("/models", key)).json["models"]} == talkers < names
            assert (await listed(f"/v1/models/{seen}", key)).status == 200
            assert (await listed(f"/v1/models/{hidden}", key)).status == 404
