"""A gateway takes up what is stored, while calls go on."""

from pathlib import Path

from tests.gateway.pipeline.stage import Stage, open_stage, refused, whole

ROW = {"id": "eu", "provider": "openai", "key": "sk-old", "base_url": "http://old.test/v1", "models": ["gpt-5-mini"]}


def said_with(stage: Stage, at: int) -> tuple[str, bytes]:
    """Where a request went, and with which key."""
    request = stage.outside.asked[at]
    return request.origin, dict(request.headers)[b"authorization"]


async def test_a_key_that_was_refused_is_no_fault_of_the_one_that_replaces_it(tmp_path: Path) -> None:
    async with open_stage(tmp_path, "", {}) as stage:
        stored, hub = stage.hub.stored, stage.hub
        await stored.create(ROW, "ann")
        await stored.create({**ROW, "id": "spare", "base_url": "http://spare.test/v1", "priority": -1}, "ann")
        await hub.look_at_channels()
        assert (await stage.chat(refused(401), whole())).status == 200
        await stage.chat(whole())
        assert said_with(stage, -1)[0] == "http://spare.test", "the circuit of its key is open"
        await stored.change("eu", {"weight": 2}, "ann")
        await hub.look_at_channels()
        await stage.chat(whole())
        assert said_with(stage, -1)[0] == "http://spare.test", "another weight heals nothing"
        await stored.change("eu", {"key": "sk-new"}, "ann")
        await hub.look_at_channels()
        await stage.chat(whole())
        assert said_with(stage, -1) == ("http://old.test", b"Bearer sk-new")


async def test_what_the_file_states_is_stronger_than_what_is_stored_and_that_than_the_environment(
    tmp_path: Path,
) -> None:
    toml = '[[channels]]\nid = "main"\nprovider = "gemini"\nkey = "AIza"\nbase_url = "http://file.test"\n'
    async with open_stage(tmp_path, toml, {"OPENAI_API_KEY": "sk-env"}) as stage:
        stored, hub = stage.hub.stored, stage.hub
        await stored.create({**ROW, "id": "openai"}, "ann")
        await stored.create({**ROW, "id": "main"}, "ann")
        await hub.look_at_channels()
        found = {channel.id: channel.base_url for channel in hub.channels}
        assert (found["main"], found["openai"]) == ("http://file.test", "http://old.test/v1")
        await stored.remove("openai")
        await hub.look_at_channels()
        assert {channel.id: channel.key for channel in hub.channels}["openai"] == "sk-env"


async def test_a_channel_that_is_switched_off_gets_no_call(tmp_path: Path) -> None:
    async with open_stage(tmp_path, "", {}) as stage:
        stored, hub = stage.hub.stored, stage.hub
        await stored.create(ROW, "ann")
        await hub.look_at_channels()
        assert (await stage.chat(whole())).status == 200
        await stored.change("eu", {"enabled": False}, "ann")
        await hub.look_at_channels()
        assert (await stage.chat(whole())).status == 503
        assert len(stage.outside.asked) == 1
