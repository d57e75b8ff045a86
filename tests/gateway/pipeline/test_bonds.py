"""Conversations stay with the channel that answered them, and fall back like any other when it fails."""

import json
from pathlib import Path

import pytest

from tests.gateway.pipeline.stage import Ear, Played, Stage, claude, open_stage, refused, whole

TWO = "".join(f'[[channels]]\nid = "{name}"\nprovider = "openai"\nkey = "k-{name}"\n' for name in ("a", "b", "c", "d"))
RULE = """
[[affinity.rules]]
name = "by session"
model_regex = ["^gpt-"]
path_regex = ["/chat/completions$"]
key_sources = [{ type = "request_header", key = "X-Session" }, { type = "gjson", path = "metadata.session" }]
value_regex = "^s"
"""


async def ask(stage: Stage, session: str, *lines: Played, **more: object) -> Ear:
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}], **more}
    named = {"x_session": session} if session else {}
    return await stage.ask("/v1/chat/completions", body, *lines, **named)


async def tried(stage: Stage, ear: Ear) -> list[str]:
    return [one.channel for one in (await stage.receipt(ear.call)).attempts]


async def test_a_conversation_stays_with_the_channel_that_answered_it(tmp_path: Path) -> None:
    async with open_stage(tmp_path, TWO + RULE, {}) as stage:
        for session in ("s1", "s2", "s3"):
            first = await tried(stage, await ask(stage, session, whole()))
            for _ in range(6):
                assert await tried(stage, await ask(stage, session, whole())) == first
        named = await ask(stage, "", whole(), metadata={"session": "s1"})
        assert await tried(stage, named) == await tried(stage, await ask(stage, "s1", whole()))
        await stage.quiet()


async def test_calls_that_no_rule_finds_a_value_for_go_where_chance_sends_them(tmp_path: Path) -> None:
    async with open_stage(tmp_path, TWO + RULE, {}) as stage:
        used = {(await tried(stage, await ask(stage, "odd", whole())))[0] for _ in range(40)}
        assert used == {"a", "b", "c", "d"}
        bonds = stage.hub.signals.bonds
        assert bonds is not None
        assert len(bonds) == 0
        await stage.quiet()


async def test_a_conversation_falls_back_when_its_channel_fails_and_stays_where_it_was_answered(tmp_path: Path) -> None:
    async with open_stage(tmp_path, TWO + RULE, {}) as stage:
        (his,) = await tried(stage, await ask(stage, "s1", whole()))
        first, other = await tried(stage, await ask(stage, "s1", refused(500), whole()))
        assert first == his != other
        assert await tried(stage, await ask(stage, "s1", whole())) == [other]
        await stage.quiet()


async def test_a_conversation_does_not_move_where_it_shall_not(tmp_path: Path) -> None:
    file = TWO + "[affinity]\nswitch_on_success = false\n" + RULE
    async with open_stage(tmp_path, file, {}) as stage:
        (his,) = await tried(stage, await ask(stage, "s1", whole()))
        await ask(stage, "s1", refused(500), whole())
        assert await tried(stage, await ask(stage, "s1", whole())) == [his]
        await stage.quiet()


async def test_retries_are_skipped_only_after_a_real_hit(tmp_path: Path) -> None:
    async with open_stage(tmp_path, TWO + RULE + "skip_retry_on_failure = true\n", {}) as stage:
        first = await ask(stage, "s1", refused(500), whole())  # matched, but nobody has answered it yet
        assert (first.status, len(await tried(stage, first))) == (200, 2)
        _, his = await tried(stage, first)
        again = await ask(stage, "s1", refused(500))
        assert (again.status, await tried(stage, again)) == (502, [his])
        await stage.quiet()


async def test_a_full_or_resting_channel_is_left_even_where_retries_are_skipped(tmp_path: Path) -> None:
    async with open_stage(tmp_path, TWO + RULE + "skip_retry_on_failure = true\n", {}) as stage:
        (his,) = await tried(stage, await ask(stage, "s1", whole()))
        assert (await ask(stage, "s1", refused(429, retry_after="30"))).status == 429
        (other,) = await tried(stage, await ask(stage, "s1", whole()))
        assert other != his
        await stage.quiet()


@pytest.mark.parametrize("keeps", [False, True])
async def test_a_channel_that_is_switched_off_loses_its_conversations_unless_they_are_kept(
    tmp_path: Path, keeps: bool
) -> None:
    file = TWO + f"[affinity]\nkeep_on_channel_disabled = {str(keeps).lower()}\nswitch_on_success = false\n" + RULE
    async with open_stage(tmp_path, file, {}) as stage:
        (his,) = await tried(stage, await ask(stage, "s1", whole()))
        hub = stage.hub
        every = hub.engines._every  # nothing public switches a channel of the file off
        hub.engines._every = [one for one in every if one.id != his]
        hub._take_stock()
        (other,) = await tried(stage, await ask(stage, "s1", whole()))
        hub.engines._every = every
        hub._take_stock()
        assert await tried(stage, await ask(stage, "s1", whole())) == [his if keeps else other]
        await stage.quiet()


async def test_one_users_value_never_leads_to_another_users_channel(tmp_path: Path) -> None:
    async with open_stage(tmp_path, TWO + RULE, {}) as stage:
        await ask(stage, "s1-" + "x" * 9000, whole())
        bonds = stage.hub.signals.bonds
        assert bonds is not None
        (name,) = bonds._entries
        assert stage.user in name
        assert not any("s1-" in part for part in name)  # nor is what callers send kept as it came
        await stage.quiet()


async def test_the_usual_rules_know_the_command_line_tools_and_pass_their_own_headers(tmp_path: Path) -> None:
    rows = "".join(
        f'[[channels]]\nid = "{name}"\nprovider = "anthropic"\nkey = "k-{name}"\nmodels = ["claude-haiku"]\n'
        for name in ("a", "b", "c")
    )
    async with open_stage(tmp_path, rows, {}) as stage:
        body = {"model": "claude-haiku", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
        body |= {"metadata": {"user_id": "user_1_session_2"}}
        used = set()
        for _ in range(6):
            ear = await stage.ask("/v1/messages", body, claude(), user_agent="claude-cli/2", x_app="cli", cookie="c")
            used |= set(await tried(stage, ear))
            sent = dict(stage.outside.asked[-1].headers)
            assert (sent[b"user-agent"], sent[b"x-app"]) == (b"claude-cli/2", b"cli")
            assert b"cookie" not in sent
            assert json.loads(stage.outside.asked[-1].body)["metadata"] == body["metadata"]
        assert len(used) == 1
        await stage.quiet()


async def test_affinity_can_be_switched_off(tmp_path: Path) -> None:
    async with open_stage(tmp_path, TWO + "[affinity]\nenabled = false\n" + RULE, {}) as stage:
        used = {(await tried(stage, await ask(stage, "s1", whole())))[0] for _ in range(40)}
        assert used == {"a", "b", "c", "d"}
        await stage.quiet()
