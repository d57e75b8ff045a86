"""Every provider turns what goes wrong into the right remedy, and speaks with an accent that changes no argument."""

import copy

import pytest

from tests.laws.corpus import QUESTIONS
from tests.laws.plugins import PROVIDERS
from tollway.core.errors import Remedy
from tollway.gateway.dialect import Body, Target, close_body, open_body
from tollway.gateway.provider import Aim, Provider
from tollway.gateway.routing.retry import fault_of
from tollway.kit.http1.wire import UpstreamError
from tollway.stated.advanced import PROVIDER as ROUTED

every = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
BODIES = [
    b"",
    b"null",
    b"[]",
    b"<html>Bad gateway</html>",
    b'{"error":',
    b'{"error": 1}',
    b'{"error": {"message": null}}',
    b"\xff\xfe",
]
ACCENTED = (
    b'{"model":"m","messages":[],"max_tokens":5,"logprobs":true,"logit_bias":{"1":2},'
    b'"reasoning_effort":"high","n":2,"store":true}'
)


@every
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, Remedy.NEXT_CHANNEL),
        (402, Remedy.NEXT_CHANNEL),
        (403, Remedy.NEXT_CHANNEL),
        (429, Remedy.NEXT_CHANNEL),
        (500, Remedy.NEXT_CHANNEL),
        (502, Remedy.NEXT_CHANNEL),
        (503, Remedy.NEXT_CHANNEL),
        (529, Remedy.NEXT_CHANNEL),
        (408, Remedy.ONCE_MORE),
        (504, Remedy.ONCE_MORE),
        (524, Remedy.ONCE_MORE),
        (400, Remedy.NONE),
        (413, Remedy.NONE),
        (422, Remedy.NONE),
    ],
)
def test_a_status_has_its_remedy_whatever_the_body(
    provider: Provider, status: int, remedy: Remedy, body: bytes
) -> None:
    fault = provider.dialect.read_error(status, {}, body)
    assert (fault.status, fault.remedy) == (status, remedy)
    assert fault.message


@every
def test_retry_after_is_read(provider: Provider) -> None:
    assert provider.dialect.read_error(429, {b"retry-after": b"7"}, b"{}").retry_after_s == 7


@pytest.mark.parametrize(
    ("phase", "remedy"),
    [
        ("connect", Remedy.NEXT_CHANNEL),
        ("tls", Remedy.NEXT_CHANNEL),
        ("reset", Remedy.NEXT_CHANNEL),
        ("protocol", Remedy.NEXT_CHANNEL),
        ("first_byte", Remedy.ONCE_MORE),
        ("idle", Remedy.ONCE_MORE),
    ],
)
def test_a_broken_wire_has_its_remedy(phase: str, remedy: Remedy) -> None:
    assert fault_of(UpstreamError(phase, "x"), "channel").remedy is remedy


@every
@pytest.mark.parametrize("model", ["m", "o3", "gpt-5", "claude-opus-4-7", "gemini-3-flash", "grok-4"])
def test_an_accent_changes_no_argument(provider: Provider, model: str) -> None:
    target = Target(provider.name, model, 1000, frozenset({"tools", "vision", "reasoning"}))
    bodies: list[Body] = [
        open_body(ACCENTED),
        *(provider.dialect.write_request(q, target).body for q in QUESTIONS.values()),
    ]
    for body in bodies:
        before, kept = close_body(body), copy.deepcopy(list(body.items()))
        provider.drops(body, target)
        accented = provider.accent(body, target)
        assert close_body(body) == before
        assert list(body.items()) == kept
        assert close_body(accented)


@every
def test_an_address_is_a_path_and_the_key_stays_in_the_headers(provider: Provider) -> None:
    for stream in (True, False):
        path = provider.path(Aim("m", stream))
        assert path.startswith("/")
        assert "secret" not in path
    assert any("secret" in value for _, value in provider.authorize("secret"))
    assert provider.base_url.startswith("http") or not provider.base_url
    assert not provider.base_url.endswith("/")


@every
def test_a_provider_is_named_as_its_file(provider: Provider) -> None:
    assert provider.name in PROVIDERS
    routed = provider.name == ROUTED  # of no use without its routes, which no variable of the environment can state
    assert bool(provider.base_env) is not (provider.inside or routed)
