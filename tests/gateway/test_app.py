"""The composition root: what settings make of the hub, and how it goes down."""

import json
import logging
from pathlib import Path

import pytest

from tests.gateway.pipeline.stage import KEYS, Outside, chat_body, open_stage, vendors, whole
from tests.gateway.pipeline.test_calls import REFUSED
from tollway.core.errors import Unavailable
from tollway.gateway.app import Hub
from tollway.gateway.auth.identify import KeyRing
from tollway.gateway.ledger.ledger import FolderInUse
from tollway.settings import load

TWO = """
[[channels]]
id = "main"
provider = "openai"
key = "sk-main"
base_url = "http://main.test/v1/"
priority = 5
models = { gpt-5-mini = "deployment-7" }
headers = { X-Team = "blue" }
connect_timeout_s = 1.5
first_byte_timeout_s = 2.5
idle_timeout_s = 3.5
total_timeout_s = 4.5

[[channels]]
id = "spare"
provider = "openai"
key_env = "SPARE_KEY"
base_url = "http://spare.test"
"""


async def test_a_stated_channel_is_used_as_stated(tmp_path: Path) -> None:
    async with open_stage(tmp_path, TWO, {"SPARE_KEY": "sk-spare"}) as stage:
        ear = await stage.chat(REFUSED, whole())
        assert ear.status == 200
        main, spare = stage.outside.asked
        assert (main.origin, main.target) == ("http://main.test", b"/v1/chat/completions")
        assert json.loads(main.body)["model"] == "deployment-7"
        assert dict(main.headers)[b"x-team"] == b"blue" and dict(main.headers)[b"authorization"] == b"Bearer sk-main"
        times = (main.connect_timeout_s, main.first_byte_timeout_s, main.idle_timeout_s, main.total_timeout_s)
        assert times == (1.5, 2.5, 3.5, 4.5)
        assert (spare.origin, spare.target) == ("http://spare.test", b"/chat/completions")
        assert dict(spare.headers)[b"authorization"] == b"Bearer sk-spare"
        assert (spare.connect_timeout_s, spare.first_byte_timeout_s) == (10.0, 60.0)


async def test_weights_share_the_calls_out(tmp_path: Path) -> None:
    rows = "".join(
        f'[[channels]]\nid = "{name}"\nprovider = "openai"\nkey = "k"\n'
        f'base_url = "http://{name}.test"\nweight = {weight}\n'
        for name, weight in (("heavy", 9), ("light", 1))
    )
    async with open_stage(tmp_path, rows, {}) as stage:
        for _ in range(60):
            await stage.chat(whole())
        heavy = sum(one.origin == "http://heavy.test" for one in stage.outside.asked)
        assert 40 <= heavy < 60


async def test_fallbacks_models_and_prices_may_be_stated(tmp_path: Path) -> None:
    toml = '[fallbacks]\ngpt-5-mini = ["claude-haiku"]\n'
    async with open_stage(tmp_path, toml) as stage:
        model = stage.hub.catalog.find("gpt-5-mini")
        assert model is not None
        plan = stage.hub.router.plan(model, "req_1", 0.0)
        assert [one.model.id for one in plan.candidates] == ["gpt-5-mini", "claude-haiku"]


async def test_a_model_that_nobody_serves_is_a_503_that_says_so(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={}) as stage:
        ear = await stage.chat()
        assert (ear.status, ear.json["error"]["code"]) == (503, "model_not_found")
        await stage.quiet()


async def test_a_callers_own_name_for_a_local_model_breaks_no_header(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={"VLLM_BASE_URL": "http://127.0.0.1:9/v1"}) as stage:
        for name in ("vllm/a\r\nx-evil: 1", "vllm/gr\u00fc\u00df"):
            assert (await stage.ask("/v1/chat/completions", chat_body(name))).status == 404
        contents = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        path = "/v1beta/models/vllm%2Fa%0D%0Ax:generateContent"
        assert (await stage.ask(path, contents)).status == 404
        assert (await stage.chat(whole(), model="vllm/org/fine:7b")).headers["x-tollway-model"] == "vllm/org/fine:7b"
        await stage.quiet()


class Away(KeyRing):
    """Keys whose database went away."""

    async def note_use(self) -> None:
        raise Unavailable("the database is away")


async def test_going_down_without_a_database_still_closes_the_books(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with open_stage(tmp_path) as stage:
            await stage.chat(whole())
            stage.hub.keys = Away(stage.hub.database, stage.hub.clock)
    assert "keys were last used" in caplog.text
    assert not list((tmp_path / "journal").glob("*"))


async def test_two_hubs_do_not_share_a_folder(tmp_path: Path) -> None:
    async with open_stage(tmp_path):
        second = Hub(load({"TOLLWAY_DATA_DIR": str(tmp_path)}, {}, vendors(), tmp_path))
        with pytest.raises(FolderInUse):
            await second.start()
        await second.close()


async def test_the_key_that_seals_opaque_state_is_made_once_and_kept_private(tmp_path: Path) -> None:
    async with open_stage(tmp_path):
        first = (tmp_path / "opaque.key").read_bytes()
        assert len(first) == 32 and (tmp_path / "opaque.key").stat().st_mode & 0o777 == 0o600
    async with open_stage(tmp_path / "other"):
        assert (tmp_path / "other" / "opaque.key").read_bytes() != first


async def test_ready_says_when_the_hub_is_draining(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        assert (await stage.ask("/ready", b"")).json == {"status": "ready"}
        stage.hub.draining = True
        ear = await stage.ask("/ready", b"")
        assert (ear.status, ear.json["reason"]) == (503, "draining")
        assert (await stage.ask("/health", b"")).status == 200


async def test_no_log_and_no_representation_holds_a_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = {name: f"sk-very-secret-{at}" for at, name in enumerate(KEYS)}
    with caplog.at_level(logging.DEBUG):
        async with open_stage(tmp_path, environ=keys) as stage:
            await stage.chat(REFUSED, REFUSED, REFUSED)
            assert "very-secret" not in repr(stage.hub.settings) + repr(stage.hub.channels)
            assert stage.key not in caplog.text
    assert "very-secret" not in caplog.text
    assert isinstance(stage.outside, Outside)


@pytest.mark.parametrize(("failures", "last"), [(2, 429), (0, 401)])
async def test_too_many_bad_keys_shut_an_address_out_as_settled(tmp_path: Path, failures: int, last: int) -> None:
    async with open_stage(tmp_path, f"[keys]\nlockout_failures = {failures}") as stage:
        heard = [await stage.ask("/v1/chat/completions", chat_body(), key="inf_wrong") for _ in range(3)]
        assert [ear.status for ear in heard] == [401, 401, last]


async def test_a_channel_of_weight_nothing_is_asked_last(tmp_path: Path) -> None:
    rows = [f'[[channels]]\nid = "{name}"\nprovider = "openai"\nkey = "k"\nbase_url = "http://{name}.test"\n'
            f"weight = {weight}\n" for name, weight in (("spare", 0), ("main", 3))]  # fmt: skip
    async with open_stage(tmp_path, "".join(rows), {}) as stage:
        for _ in range(5):
            await stage.chat(whole())
        assert {asked.origin for asked in stage.outside.asked} == {"http://main.test"}
        await stage.chat(REFUSED, whole())
        assert [asked.origin for asked in stage.outside.asked[-2:]] == ["http://main.test", "http://spare.test"]
