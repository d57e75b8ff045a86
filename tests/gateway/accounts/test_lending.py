"""Calls through a pool: which account answers, who is tried next, and when the paid key is used."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.gateway.accounts.hall import PAID, open_hall, said
from tests.gateway.pipeline.stage import claude, open_stage, whole
from tests.mocks.accounts import TOKEN_PATH, refusal
from tests.mocks.exchange import MockAnswer
from tests.mocks.fault import Fault, Kind
from tollway.core.receipt import Reason
from tollway.gateway.accounts.account import State
from tollway.gateway.ledger.show import show_receipt

ENDED = {"expires_at": 1_000}
"""Tokens that have ended."""


async def test_an_account_answers_whole_and_streaming_on_both_surfaces(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann") as hall:
        whole = [await hall.chat("hello"), await hall.messages("hello")]
        assert [said(ear) for ear in whole] == ["You said: hello"] * 2
        streams = [await hall.chat("hello", stream=True), await hall.messages("hello", stream=True)]
        assert all(b"You" in ear.data and ear.ending == "end" for ear in streams)
        assert hall.who() == ["at-ann-0"] * 4
        for ear in whole + streams:
            receipt = await hall.receipt(ear)
            (attempt,) = receipt.attempts
            assert (receipt.reason, attempt.channel, attempt.provider) == (
                Reason.COMPLETED,
                "claude",
                "claude_subscription",
            )
            assert (attempt.account, attempt.fallback) == ("ann", False)
            assert receipt.charge_nano_usd > 0
        await hall.stage.quiet()


async def test_serving_5_the_anthropic_path_is_kept_for_accounts_where_there_are_any(tmp_path: Path) -> None:
    dear = (
        '[[channels]]\nid = "dear"\nprovider = "anthropic"\nbase_url = "http://127.0.0.1:9"\nkey = "k"\npriority = 9\n'
    )
    dear += '[[channels]]\nid = "other"\nprovider = "openai"\nkey = "k"\n'
    async with open_hall(tmp_path, "ann", more=dear) as hall:
        ear = await hall.messages("hello", path="/anthropic/v1/messages")
        assert said(ear) == "You said: hello"
        assert [one.channel for one in (await hall.receipt(ear)).attempts] == ["claude"]
        ear = await hall.messages("hello")  # the vendor's own path leads to whoever comes first
        assert [one.channel for one in (await hall.receipt(ear)).attempts] == ["dear", "claude"]
        ear = await hall.messages(path="/anthropic/v1/messages", more={"model": "gpt-5-mini"})
        assert (ear.status, ear.json["error"]["type"]) == (404, "not_found_error")


async def test_without_accounts_the_anthropic_path_is_the_vendors_own(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        body = {"model": "claude-haiku", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        assert (await stage.ask("/anthropic/v1/messages", body, claude())).status == 200
        body["model"] = "gpt-5-mini"
        assert (await stage.ask("/anthropic/v1/messages", body, whole())).status == 200


async def test_one_pool_serves_both_surfaces(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", "bob") as hall:
        for _ in range(3):
            await hall.chat()
            await hall.messages()
        assert Counter(hall.who()) == {"at-ann-0": 3, "at-bob-0": 3}
        assert hall.who()[0] != hall.who()[1]


async def test_a_conversation_keeps_its_account(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", "bob", "eve") as hall:
        for _ in range(4):
            await hall.chat(x_session_id="talk")
            await hall.chat()
        assert len(set(hall.who()[::2])) == 1
        before = len(hall.who())
        for _ in range(4):
            await hall.messages(more={"metadata": {"user_id": "talk-2"}})
            await hall.messages()
        assert len(set(hall.who()[before::2])) == 1


# -- 401, 403, 429 -----------------------------------------------------------------------------------------------


async def test_a_401_is_a_forced_refresh_and_one_retry_on_the_same_account(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", "bob") as hall:
        hall.vendor.forget_tokens("ann", "bob")
        ear = await hall.chat("hello")
        assert said(ear) == "You said: hello"
        assert hall.who() == ["at-ann-0", "at-ann-1"]
        await hall.written()
        assert (hall.in_file("ann").refresh_token, hall.in_file("ann").consecutive_failures) == ("rt-ann-1", 0)
        assert [one.status for one in (await hall.receipt(ear)).attempts] == [401, 200]


async def test_a_second_401_sends_the_call_to_the_remaining_accounts(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", "bob", paid=True) as hall:
        hall.vendor["ann"].always = refusal(401)
        assert said(await hall.chat("hello")) == "You said: hello"
        assert hall.who() == ["at-ann-0", "at-ann-1", "at-bob-0"]
        await hall.written()
        assert hall.in_file("ann").consecutive_failures == 1


@pytest.mark.parametrize("surface", ["chat", "messages"])
@pytest.mark.parametrize("stream", [False, True])
async def test_defect_7_a_grant_that_ended_in_the_retry_of_a_401_leaves_the_other_accounts(
    tmp_path: Path, surface: str, stream: bool
) -> None:
    """The paid key waits until no account is left."""
    async with open_hall(tmp_path, "ann", "bob", paid=True) as hall:
        hall.vendor.forget_tokens("ann")
        hall.vendor["ann"].ends = True
        ear = await getattr(hall, surface)("hello", stream=stream)
        assert b"hello" in ear.data
        assert hall.who() == ["at-ann-0", "at-bob-0"]
        assert hall.in_file("ann").state is State.REVOKED


@pytest.mark.parametrize("surface", ["chat", "messages"])
async def test_defect_6_invalid_grant_revokes_whatever_the_surface(tmp_path: Path, surface: str) -> None:
    async with open_hall(tmp_path, "ann", "bob", kept=ENDED) as hall:
        hall.vendor["ann"].ends = True
        assert said(await getattr(hall, surface)("hello")) == "You said: hello"
        assert hall.in_file("ann").state is State.REVOKED
        assert hall.in_file("ann").revoke_reason.startswith("invalid_grant")


@pytest.mark.parametrize("refuses", [True, False])
async def test_defect_6_a_refresh_that_fails_in_the_retry_is_told_in_the_callers_envelope(
    tmp_path: Path, refuses: bool
) -> None:
    async with open_hall(tmp_path, "ann") as hall:
        hall.vendor.forget_tokens("ann")
        if refuses:
            hall.vendor.refuses.append(MockAnswer.of_json({"error": "server_error"}, 500))
        else:
            hall.vendor["ann"].ends = True
        ear = await hall.messages()
        assert ear.status == 503
        assert ear.json["type"] == "error"
        assert ear.json["error"]["type"] == "overloaded_error"
        await hall.stage.quiet()


async def test_a_token_address_that_hangs_costs_the_call_its_patience_and_not_its_answer(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", "bob", more="refresh_timeout_s = 0.2\n") as hall:
        hall.vendor.forget_tokens("ann")
        hall.server.fail(Fault(Kind.HANG, when=lambda request: request.path == TOKEN_PATH))
        assert said(await hall.chat("hello")) == "You said: hello"
        assert hall.who() == ["at-ann-0", "at-bob-0"]
        await hall.written()
        assert hall.in_file("ann").consecutive_failures == 1


async def test_a_403_sends_the_call_to_the_next_account_and_three_in_a_row_make_a_rest(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", "bob") as hall:
        hall.vendor["ann"].always = refusal(403)
        for _ in range(6):
            assert (await hall.chat()).status == 200
        await hall.written()
        assert hall.in_file("ann").state is State.COOLDOWN
        assert hall.vendor["ann"].calls == 3


async def test_defect_12_the_reset_header_of_a_429_says_how_long_an_account_rests(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", "bob") as hall:
        until = int(time.time()) + 5_000
        hall.vendor["ann"].says.append(refusal(429, anthropic_ratelimit_unified_reset=str(until), retry_after="3"))
        assert (await hall.chat(stream=True)).status == 200
        await hall.written()
        known = hall.in_file("ann")
        assert known.state is State.COOLDOWN
        assert abs(known.cooldown_until - until * 1000) < 10_000
        for _ in range(3):
            await hall.chat()
        assert hall.who()[1:] == ["at-bob-0"] * 4


async def test_defect_11_what_the_operator_is_shown_is_what_the_pool_goes_by(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", "bob") as hall:
        hall.vendor["ann"].says += [refusal(403), refusal(403)]
        for _ in range(2):
            await hall.chat()
        await hall.written()
        assert hall.in_file("ann").consecutive_failures == 2
        await hall.chat()
        await hall.written()
        assert hall.in_file("ann").consecutive_failures == 0


async def test_many_401s_at_once_make_one_refresh(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann") as hall:
        assert (await hall.chat()).status == 200
        hall.vendor.forget_tokens("ann")
        ears = await asyncio.gather(*(hall.chat(f"hello {number}") for number in range(30)))
        assert {ear.status for ear in ears} == {200}
        assert hall.vendor.asked == 1


# -- nobody is left ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_the_paid_key_answers_when_no_account_is_left_and_is_marked(tmp_path: Path, stream: bool) -> None:
    more = 'query = "beta=true"\nheaders = { anthropic-beta = "oauth-x" }\n'
    async with open_hall(tmp_path, "ann", "bob", paid=True, more=more) as hall:
        hall.vendor["ann"].always = hall.vendor["bob"].always = refusal(429)
        ear = await hall.chat("hello", stream=stream)
        assert b"hello" in ear.data
        assert hall.who() == ["at-ann-0", "at-bob-0", PAID]
        assert [one.query for one in hall.calls()] == ["beta=true", "beta=true", ""]
        assert "authorization" not in hall.calls()[-1].headers
        assert ear.headers["x-tollway-provider"] == "anthropic"
        attempts = (await hall.receipt(ear)).attempts
        assert [(one.account, one.fallback, one.provider) for one in attempts] == [
            ("ann", False, "claude_subscription"),
            ("bob", False, "claude_subscription"),
            ("", True, "anthropic"),
        ]
        receipt = await hall.receipt(ear)
        of_user, of_admin = show_receipt(receipt, to_admin=False), show_receipt(receipt, to_admin=True)
        assert of_user["fallback"] is of_admin["fallback"] is True
        assert [one["account"] for one in of_admin["attempts"]] == ["ann", "bob", ""]
        assert not any("account" in one for one in of_user["attempts"])
        await hall.chat()
        assert hall.who()[3:] == [PAID]  # both rest: nobody is asked in vain
        await hall.stage.quiet()


async def test_a_paid_key_that_fails_says_nothing_about_the_pool(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", paid=True) as hall:
        hall.vendor["ann"].says += [refusal(429, retry_after="1")]
        hall.vendor.wire = lambda request: refusal(401)
        assert (await hall.chat()).status == 502
        assert hall.stage.hub.health.all_well


async def test_without_a_paid_key_the_caller_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann") as hall:
        hall.vendor["ann"].says.append(refusal(429, retry_after="40"))
        for _ in range(2):
            ear = await hall.messages()
            assert (ear.status, ear.json["error"]["type"]) == (503, "overloaded_error")
            assert 35 <= int(ear.headers["retry-after"]) <= 40
        ear = await hall.chat()
        assert (ear.status, ear.json["error"]["code"]) == (503, "all_providers_failed")
        assert len(hall.calls()) == 1
        await hall.stage.quiet()


async def test_a_pool_without_an_account_opens_no_circuit(tmp_path: Path) -> None:
    """What an operator brings is used at once."""
    async with open_hall(tmp_path, "ann", kept={"state": "disabled"}) as hall:
        for _ in range(8):
            assert (await hall.chat()).status == 503
        assert hall.stage.hub.health.all_well
        hall.path.write_text(hall.path.read_text().replace('"disabled"', '"active"'))
        await hall.look()
        assert (await hall.chat()).status == 200


async def test_a_torn_file_is_told_to_the_operator_and_not_to_the_caller(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_hall(tmp_path, "ann") as hall:
        hall.path.write_text("{")
        ear = await hall.messages()
        assert ear.status == 503
        assert str(tmp_path).encode() not in ear.data
        assert "damaged" in caplog.text
        assert hall.path.read_text() == "{"


# -- what is not the account's -----------------------------------------------------------------------------------


async def test_a_callers_own_mistake_is_his_answer_and_counts_against_nobody(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", "bob", paid=True) as hall:
        for _ in range(4):
            ear = await hall.messages(more={"temperature": 9})
            assert ear.status == 400
            assert "temperature" in ear.json["error"]["message"]
        await hall.written()
        assert len(hall.calls()) == 4
        assert [hall.in_file(name).consecutive_failures for name in ("ann", "bob")] == [0, 0]


async def test_a_vendor_that_is_down_is_no_accounts_fault_and_no_reason_to_pay(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", "bob", paid=True) as hall:
        hall.server.fail(Fault(Kind.STATUS, status=500), times=1)
        assert (await hall.chat()).status == 502
        await hall.written()
        assert len(hall.calls()) == 1
        assert hall.in_file("ann").consecutive_failures == 0


async def test_a_stream_goes_to_another_account_only_before_its_first_word(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", "bob", paid=True) as hall:
        hall.vendor["ann"].says.append(refusal(429))
        assert b"hello" in (await hall.messages("hello", stream=True)).data
        assert hall.who() == ["at-ann-0", "at-bob-0"]
        hall.server.fail(Fault(Kind.CUT_AFTER, after=5))
        ear = await hall.messages("one two three four five", stream=True)
        assert hall.who()[2:] == ["at-bob-0"]
        assert b"event: error" in ear.data
        assert ear.data.count(b"message_start") == 2  # the event's name and its type: told once
        assert (await hall.receipt(ear)).reason is Reason.UPSTREAM_CUT


async def test_a_caller_who_leaves_sets_the_account_free(tmp_path: Path) -> None:
    async with open_hall(tmp_path, "ann", kept={"probation": True}) as hall:
        hall.server.hold()
        task = asyncio.ensure_future(hall.chat(stream=True))
        while not hall.calls():
            await asyncio.sleep(0.005)
        assert (await hall.messages()).status == 503  # on probation: one at a time
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        hall.server.release()
        assert (await hall.messages()).status == 200


# -- what is said upstream ---------------------------------------------------------------------------------------


async def test_nobody_is_imitated(tmp_path: Path) -> None:
    """No client's name, no beta list, no sentence in the system prompt; the caller's own words only."""
    async with open_hall(tmp_path, "ann") as hall:
        await hall.chat("hello", user_agent="curl/8", x_stainless_lang="python")
        (asked,) = hall.calls()
        assert set(asked.headers) == {
            "host", "content-type", "content-length", "accept-encoding", "authorization", "anthropic-version",
        }  # fmt: skip
        assert asked.headers["anthropic-version"] == "2023-06-01"
        assert "system" not in asked.json
        assert asked.query == ""


async def test_a_genuine_clients_own_headers_go_on_where_it_speaks_the_dialect(tmp_path: Path) -> None:
    more = 'headers = { "x-app" = "ours" }\nquery = "beta=true"\n'
    async with open_hall(tmp_path, "ann", more=more) as hall:
        ear = await hall.messages(
            "hello",
            user_agent="some-cli/1.0 (external, cli)",
            anthropic_beta="interleaved-thinking-2025-05-14,context-management-2025-06-27",
            anthropic_version="2023-06-01",
            x_app="cli",
            x_stainless_lang="js",
            cookie="a=b",
            x_forwarded_for="192.0.2.7",
            x_session_id="talk",
        )
        assert ear.status == 200, ear.data
        (asked,) = hall.calls()
        assert asked.query == "beta=true"
        assert asked.headers["user-agent"] == "some-cli/1.0 (external, cli)"
        assert asked.headers["anthropic-beta"] == "interleaved-thinking-2025-05-14,context-management-2025-06-27"
        assert asked.headers["x-stainless-lang"] == "js"
        assert asked.headers["x-app"] == "ours"
        assert asked.headers["authorization"] == "Bearer at-ann-0"
        assert not {"cookie", "x-forwarded-for", "x-session-id", "x-api-key"} & set(asked.headers)


async def test_tokens_and_names_of_accounts_stay_inside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with open_hall(tmp_path, "zoe7", "max7") as hall:
        hall.vendor.forget_tokens("zoe7")
        hall.vendor["max7"].says.append(refusal(429))
        ears = [await hall.messages("hello"), await hall.chat("hello", stream=True), await hall.chat()]
        for ear in ears:
            told = ear.data + repr(ear.headers).encode()
            assert not [word for word in (b"at-zoe7", b"rt-zoe7", b"at-bob", b"zoe7", b"max7") if word in told]
        await hall.written()
        assert "at-zoe7" not in caplog.text
        assert "rt-zoe7" not in caplog.text


async def test_there_is_no_pool_unless_the_operator_states_one(tmp_path: Path) -> None:
    async with open_stage(tmp_path, "", {"CLAUDE_SUBSCRIPTION_BASE_URL": "http://127.0.0.1:9"}) as stage:
        assert not stage.hub.lenders
        assert [one.provider for one in stage.hub.channels] == ["echo"]
