"""The doctor names what is wrong, where it stands and what to do about it."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.mocks.exchange import MockAnswer
from tests.mocks.fault import Kind
from tests.mocks.server import MockServer
from tollway.backends import sql
from tollway.core.finding import Finding, Level
from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.gateway import providers
from tollway.gateway.admin import database_health, doctor
from tollway.gateway.admin.probe import Prober
from tollway.gateway.catalog import Catalog
from tollway.gateway.provider import Provider
from tollway.kit.http1.client import Client
from tollway.kit.registry import discover
from tollway.kit.toml import parse

PROVIDERS = discover(providers, "provider", Provider)
ECHO = Channel(id=ChannelId("echo"), provider="echo", base_url="http://echo.inside/v1")
OPENAI = Channel(id=ChannelId("openai"), provider="openai", base_url="https://api.openai.com/v1", keys=("sk-secret",))
FILE = """
[[channels]]
id = "gpu"
provider = "vllm"
models = ["mine", "gone"]

[[models]]
id = "mine"
provider = "vllm"
context_window = 1000
max_output = 100
served_by.vllm = "m"
fallbacks = ["gpt-9"]
price.input = 1
price.output = 1

[[models]]
id = "lonely"
provider = "mistral"
context_window = 1000
max_output = 100
served_by.mistral = "l"
price.input = 1
price.output = 1

[fallbacks]
lonely = ["lonely"]
"""
NOVEMBER = 1_795_300_000.0


class StillClock:
    def __init__(self, now_s: float = NOVEMBER) -> None:
        self._now_s = now_s

    def now_s(self) -> float:
        return self._now_s

    def monotonic_s(self) -> float:
        return self._now_s


def of(level: Level, found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.level is level]


@pytest.fixture
async def database(tmp_path):
    opened = sql.open("sqlite://", tmp_path)
    yield opened
    await opened.close()


async def test_a_fresh_hub_is_well(tmp_path, database):
    await database.migrate()
    subject = doctor.Subject(Catalog.load(), [ECHO], tmp_path, database, "sqlite://", StillClock())
    found = await doctor.examine(subject)
    assert not of(Level.ERROR, found)
    assert {finding.what for finding in found} >= {"clock", "data folder", "database", "prices", "channel echo"}


async def test_findings_about_the_settings_come_first(tmp_path, database):
    earlier = Finding(Level.WARN, "settings", "is no setting of Tollway", "TOLLWAY_PROT")
    subject = doctor.Subject(Catalog.load(), [ECHO], tmp_path, database, "sqlite://", StillClock(), findings=[earlier])
    assert (await doctor.examine(subject))[0] == earlier


def test_a_file_is_judged_by_its_lines():
    sheet = parse(FILE, "tollway.toml")
    catalog = Catalog.load(sheet)
    gpu = Channel(id=ChannelId("gpu"), provider="vllm", base_url="http://gpu", models={"mine": "m", "gone": "gone"})
    found = doctor.channels([gpu], catalog, sheet) + doctor.models([gpu], catalog, sheet)
    found += doctor.fallbacks(catalog, sheet)
    wrong = {(finding.what, finding.where): finding.message for finding in of(Level.ERROR, found)}
    assert wrong == {
        ("channel gpu", "tollway.toml:5: channels[0].models"): "serves gone, which is not on sale",
        ("model lonely", "tollway.toml:17: models[1]"): "no channel serves it; it is sold by mistral",
        ("model mine", "tollway.toml:13: models[0].fallbacks"): "falls back to gpt-9, which is not on sale",
        ("model lonely", "tollway.toml:27: fallbacks.lonely"): "falls back to lonely, itself",
    }
    assert all(finding.remedy for finding in of(Level.ERROR, found))


def test_our_own_models_without_a_channel_are_one_warning():
    (finding,) = doctor.models([ECHO], Catalog.load(), None)
    assert finding.level is Level.WARN
    assert "claude-haiku" in finding.message
    assert "echo" not in finding.message


def test_no_channel_at_all_is_an_error():
    (finding,) = doctor.channels([], Catalog.load(), None)
    assert finding.level is Level.ERROR


@pytest.mark.parametrize(("now_s", "level"), [(NOVEMBER, Level.OK), (0.0, Level.ERROR)])
def test_a_clock_before_our_price_table_is_wrong(now_s, level):
    (finding,) = doctor.clock(now_s, "2026-11-21+abc")
    assert finding.level is level


def test_secrets_that_others_may_read_are_found(tmp_path):
    for name, mode in (("first-run.json", 0o644), ("tollway.db", 0o600)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    (warning,) = of(Level.WARN, doctor.data_folder(tmp_path))
    assert (warning.where, warning.remedy) == (
        str(tmp_path / "first-run.json"),
        f"chmod 600 {tmp_path / 'first-run.json'}",
    )


def test_a_data_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    (finding,) = doctor.data_folder(tmp_path / "file")
    assert finding.level is Level.ERROR
    (finding,) = doctor.data_folder(tmp_path / "not there yet")
    assert finding.level is Level.OK


async def test_an_empty_database_is_told_and_a_migrated_one_is_well(database):
    assert [finding.level for finding in await doctor.database(database, "sqlite://")] == [Level.WARN]
    await database.migrate()
    assert [finding.level for finding in await doctor.database(database, "sqlite://")] == [Level.OK]


async def test_a_database_of_a_newer_tollway_is_an_error(database):
    await database.migrate()
    await database.write(lambda tx: tx.run("UPDATE alembic_version SET version_num = '9999'"))
    (finding,) = await doctor.database(database, "sqlite://")
    assert (finding.level, "9999" in finding.message) == (Level.ERROR, True)


async def test_a_database_that_cannot_be_reached_is_an_error(tmp_path):
    closed = sql.open("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1", tmp_path)
    (finding,) = await doctor.database(closed, "postgresql://…")
    await closed.close()
    assert (finding.level, finding.where) == (Level.ERROR, "TOLLWAY_DATABASE_URL")


async def test_a_probe_that_never_ends_is_cut_short():
    async def hang(channel: Channel) -> str:
        await asyncio.sleep(3600)
        return ""

    (finding,) = await doctor.reach([OPENAI], hang, limit_s=0.05)
    assert "no answer" in finding.message


ANSWERS = {
    "a complaint about the empty question": (400, '{"error": {"message": "you must provide a model"}}', ""),
    "a refused key": (401, '{"error": {"message": "Incorrect API key provided"}}', "refuses the key"),
    "a refused key told as a bad request": (400, '{"error": {"message": "API key not valid."}}', "refuses the key"),
    "an outage": (503, '{"error": {"message": "overloaded"}}', "answers 503"),
    "a wrong address": (404, "<html>nothing here</html>", "answers 404"),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_a_provider_is_asked_nothing_and_still_tells(case):
    status, body, told = ANSWERS[case]
    with MockServer(lambda request: MockAnswer(status, body=body.encode())) as server:
        client = Client()
        prober = Prober(client, PROVIDERS, Catalog.load())
        problem = await prober(msgspec.structs.replace(OPENAI, base_url=server.url + "/v1"))
        await client.close()
    assert problem.startswith(told)
    assert bool(problem) == bool(told)
    assert "sk-secret" not in problem
    (request,) = server.requests
    assert (request.path, request.body) == ("/v1/chat/completions", b"{}")


@pytest.mark.parametrize("name", sorted(set(PROVIDERS) - {"echo"}))
async def test_every_provider_can_be_probed(name):
    with MockServer(lambda request: MockAnswer(400, body=b'{"error": {"message": "empty"}}')) as server:
        client = Client()
        channel = Channel(id=ChannelId(name), provider=name, base_url=server.url, keys=("k",))
        assert await Prober(client, PROVIDERS, Catalog.load())(channel) == ""
        await client.close()


async def test_a_provider_that_is_not_there_is_an_error(tmp_path: Path):
    client = Client()
    channel = msgspec.structs.replace(OPENAI, base_url="http://127.0.0.1:1/v1")
    (finding,) = await doctor.reach([channel], Prober(client, PROVIDERS, Catalog.load()))
    await client.close()
    assert (finding.level, finding.where) == (Level.ERROR, channel.base_url)
    assert "cannot be reached" in finding.message


async def test_a_provider_that_hangs_up_is_an_error():
    with MockServer(lambda request: MockAnswer(200)) as server:
        server.fail(Kind.RESET, times=9)
        client = Client()
        channel = msgspec.structs.replace(OPENAI, base_url=server.url)
        (finding,) = await doctor.reach([channel], Prober(client, PROVIDERS, Catalog.load()))
        await client.close()
    assert finding.level is Level.ERROR


async def test_echo_is_always_well():
    assert await Prober(Client(), PROVIDERS, Catalog.load())(ECHO) == ""


async def test_a_postgresql_tells_its_version_and_its_room(postgresql_url, tmp_path):
    server = sql.open(postgresql_url, tmp_path)
    schema, state = await doctor.database(server, postgresql_url)
    assert (schema.level, state.level) == (Level.OK, Level.OK)
    assert "connections in use" in state.message
    await server.close()


async def test_why_a_postgresql_cannot_be_reached_is_told(tmp_path):
    server = sql.open("postgresql://nobody:s3cret@127.0.0.1:1/none", tmp_path)
    (finding,) = await doctor.database(server, "postgresql://…")
    assert finding.level is Level.ERROR
    assert "Connection refused" in finding.message
    assert "s3cret" not in str(finding)
    await server.close()


def test_a_postgresql_that_will_not_do_is_told_with_what_would():
    well = database_health.ServerState("18.4", 180_004, "UTF8", True, 97, 10)
    assert [finding.level for finding in database_health.server(well)] == [Level.OK]
    unwell = database_health.ServerState("13.2 (Debian)", 130_002, "SQL_ASCII", False, 97, 96)
    found = database_health.server(unwell)
    assert [finding.level for finding in found] == [Level.WARN, Level.ERROR, Level.ERROR, Level.WARN]
    assert all(finding.remedy for finding in found)


def test_whoever_relieves_a_local_engine_must_be_on_sale():
    sheet = parse('[offload.models."vllm/m"]\nto = "gpt-nine"\n', "tollway.toml")
    named = {"vllm/m": "gpt-nine", "vllm/other": "gpt-5-mini", "vllm/third": ""}
    (found,) = doctor.relief(named, Catalog.load(), sheet)
    assert (found.level, found.what) == (Level.ERROR, "offload of vllm/m")
    assert "gpt-nine, which is not on sale" in found.message and found.where.startswith("tollway.toml:2: ")
