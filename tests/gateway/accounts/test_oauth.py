"""The one request that renews a token, and every way in which it can go wrong."""

import pytest

from tests.gateway.accounts.bench import NOW_S, Bench
from tests.mocks.accounts import CLIENT_ID, TOKEN_PATH
from tests.mocks.exchange import MockAnswer
from tests.mocks.fault import Fault, Kind
from tollway.gateway.accounts.account import Account
from tollway.gateway.accounts.oauth import NotRenewed, Revoked, TokenAddress, renew


def ann() -> Account:
    return Account(id="ann", access_token="at-ann-0", refresh_token="rt-ann-0", expires_at=0)


async def renewed(bench: Bench, client_id: str = CLIENT_ID, query: str = "") -> object:
    return await renew(ann(), TokenAddress(f"{bench.server.url}{TOKEN_PATH}{query}", client_id), bench.client, NOW_S)


async def test_a_refresh_brings_tokens_their_end_and_who_it_is(bench: Bench) -> None:
    grant = await renewed(bench, query="?tenant=x")
    assert grant == ("at-ann-1", "rt-ann-1", int(NOW_S * 1000) + 3_600_000, "org-ann", "ann@test.example")
    asked = bench.server.requests[-1]
    assert asked.json == {"grant_type": "refresh_token", "refresh_token": "rt-ann-0", "client_id": CLIENT_ID}
    assert (asked.headers["content-type"], asked.query) == ("application/json", "tenant=x")
    assert "user-agent" not in asked.headers


async def test_a_refresh_token_is_good_once(bench: Bench) -> None:
    await renewed(bench)
    with pytest.raises(Revoked, match="invalid_grant: Refresh token not found"):
        await renewed(bench)


@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_grant"},
        {"error": {"type": "invalid_grant", "message": "gone"}},
        {"error": {"code": "invalid_grant", "message": "gone"}},
    ],
)
async def test_invalid_grant_is_heard_in_every_shape(bench: Bench, body: dict[str, object]) -> None:
    bench.vendor.refuses.append(MockAnswer.of_json(body, 400))
    with pytest.raises(Revoked, match="invalid_grant"):
        await renewed(bench)


async def test_the_reason_quotes_no_token(bench: Bench) -> None:
    why = {"error": "invalid_grant", "error_description": "the token rt-ann-0 is gone"}
    bench.vendor.refuses.append(MockAnswer.of_json(why, 400))
    with pytest.raises(Revoked) as refused:
        await renewed(bench)
    assert str(refused.value) == "invalid_grant: the token [token] is gone"


@pytest.mark.parametrize(
    "answer",
    [
        MockAnswer.of_json({"error": "temporarily_unavailable"}, 503),
        MockAnswer.of_json({"error": "invalid_grant"}, 500),
        MockAnswer.of_json({"error": "slow_down"}, 429),
        MockAnswer.of_json({"error": "invalid_client"}, 401),
        MockAnswer.of_json({}, 200),
        MockAnswer.of_json({"access_token": ""}, 200),
        MockAnswer.of_json({"access_token": "a\nb"}, 200),
        MockAnswer.of_json({"access_token": "a", "refresh_token": 5}, 200),
        MockAnswer.of_json(["access_token"], 200),
        MockAnswer(200, {}, b"<html>"),
        MockAnswer(200, {}, b"\xff{"),
        MockAnswer(302, {"location": "/"}, b""),
    ],
)
async def test_all_else_is_for_the_time_being(bench: Bench, answer: MockAnswer) -> None:
    bench.vendor.refuses.append(answer)
    with pytest.raises(NotRenewed):
        await renewed(bench)


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.CLOSE, Kind.GARBAGE, Kind.WRONG_LENGTH])
async def test_a_broken_wire_is_for_the_time_being(bench: Bench, kind: Kind) -> None:
    bench.server.fail(Fault(kind), times=2)
    with pytest.raises(NotRenewed):
        await renewed(bench)


@pytest.mark.parametrize("life", [None, "soon", -1, 0, True])
async def test_a_token_without_an_end_is_taken_for_an_hours(bench: Bench, life: object) -> None:
    bench.vendor.refuses.append(MockAnswer.of_json({"access_token": "a", "expires_in": life}))
    assert (await renewed(bench))[2] == int(NOW_S * 1000) + 3_600_000  # type: ignore[index]
