"""Errors as each vendor's SDK raises them: its own class, the right status, the field, the request id, its retries."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors

from tests.journeys.hub import Hub, Providers, providers
from tests.journeys.speech import ASYNC, STREAM, WHOLE, Loop, Wish
from tests.journeys.table import MODELS, PAIRINGS, SDKS, Table
from tests.mocks.server import Fault, Kind

WAYS = (WHOLE, STREAM, ASYNC + WHOLE, ASYNC + STREAM)
EACH_WAY = pytest.mark.parametrize(("sdk", "way"), [(sdk, way) for sdk in SDKS for way in WAYS])
TOLD_TO_FAIL = "the mock was told to fail"


@dataclass
class Raised:
    """What any SDK's error says."""

    error: Any
    status: int
    kind: type[Exception]
    message: str
    field: str
    headers: Any


@pytest.fixture(scope="module")
def shaky() -> Iterator[Providers]:
    """Providers that only these stories break."""
    with providers() as running:
        yield running


@pytest.fixture(scope="module")
def opened(shaky: Providers, loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    hub = Hub(tmp_path_factory.mktemp("errors"), shaky.environ).start()
    yield Table.laid(hub, shaky, loop)
    assert hub.audit() == []
    hub.stop()


@pytest.fixture(scope="module")
def limited(opened: Table, loop: Loop) -> dict[str, Table]:
    """For each model the table of a key that may use nothing else, so that no fallback can serve."""
    return {model: opened.limited_to(model, loop) for model in MODELS}


@pytest.fixture(scope="module")
def poor(opened: Table, loop: Loop) -> Table:
    """The table of somebody with next to nothing."""
    return Table.of(opened.hub, opened.vendors, opened.hub.user(0.001)[1], loop)


@pytest.fixture
def table(opened: Table, shaky: Providers) -> Iterator[Table]:
    """A table of its own: what fails here must not cool anybody else's channels."""
    yield opened
    shaky.mend()


@pytest.fixture
def narrow(table: Table, limited: dict[str, Table]) -> dict[str, Table]:
    """The limited tables, at providers that are mended afterwards."""
    return limited


def fails(table: Table, sdk: str, model: str, way: str, retries: int = 0, **wish: Any) -> Raised:
    """Ask, and be refused."""
    tongue = table.tongues[sdk].retrying(retries)
    with pytest.raises((openai.APIError, anthropic.APIError, errors.APIError)) as caught:
        tongue.ask(way, model, [tongue.user("hello", [])], Wish(**wish))
    error: Any = caught.value
    if isinstance(error, errors.APIError):
        details = error.details["error"].get("details", [])
        violations = [one for detail in details for one in detail.get("fieldViolations", [])]
        field = violations[0]["field"] if violations else ""
        return Raised(error, error.code, type(error), error.message or "", field, {})
    body = error.body if isinstance(error.body, dict) else {}
    message = body.get("error", body).get("message", "")
    field = getattr(error, "param", None) or ""
    headers = error.response.headers
    assert error.request_id == headers["x-request-id"]
    assert error.request_id.startswith("req_")
    return Raised(error, error.status_code, type(error), message, field, headers)


CLASSES: dict[str, dict[int, type[Exception]]] = {
    "openai": {
        400: openai.BadRequestError, 401: openai.AuthenticationError, 403: openai.PermissionDeniedError,
        404: openai.NotFoundError, 429: openai.RateLimitError, 502: openai.InternalServerError,
    },
    "anthropic": {
        400: anthropic.BadRequestError, 401: anthropic.AuthenticationError, 403: anthropic.PermissionDeniedError,
        404: anthropic.NotFoundError, 429: anthropic.RateLimitError, 502: anthropic.InternalServerError,
    },
    "gemini": dict.fromkeys((400, 401, 403, 404, 429), errors.ClientError) | {502: errors.ServerError},
}  # fmt: skip


@EACH_WAY
def test_a_key_nobody_knows(table: Table, loop: Loop, sdk: str, way: str) -> None:
    stranger = Table.of(table.hub, table.vendors, "inf_" + "x" * 43, loop)
    raised = fails(stranger, sdk, "gpt-5-mini", way, retries=2)
    assert (raised.status, raised.kind) == (401, CLASSES[sdk][401])


@EACH_WAY
def test_a_model_nobody_sells(table: Table, sdk: str, way: str) -> None:
    raised = fails(table, sdk, "gpt-77", way, retries=2)
    assert (raised.status, raised.kind) == (404, CLASSES[sdk][404])
    assert "gpt-77" in raised.message
    assert raised.field == ("" if sdk == "anthropic" else "model")


@EACH_WAY
def test_a_model_the_key_may_not_use(narrow: dict[str, Table], sdk: str, way: str) -> None:
    raised = fails(narrow["claude-haiku"], sdk, "gpt-5-mini", way)
    assert (raised.status, raised.kind) == (403, CLASSES[sdk][403])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("sdk", "extra", "field"),
    [
        ("openai", {"extra_body": {"messages": [{"role": "nobody", "content": "x"}]}}, "messages[0].role"),
        ("openai", {"max_completion_tokens": -1}, "max_completion_tokens"),
        ("anthropic", {"extra_body": {"max_tokens": "many"}}, "max_tokens"),
        ("anthropic", {"extra_body": {"messages": [{"role": "user", "content": [{"type": "image"}]}]}}, "source"),
        ("gemini", {"http_options": {"extra_body": {"generationConfig": {"candidateCount": "x"}}}}, "generationConfig"),
        ("gemini", {"http_options": {"extra_body": {"contents": [{"role": "nobody", "parts": [{}]}]}}}, "contents[0]"),
    ],
)
def test_a_body_that_is_wrong_is_refused_by_its_field(
    narrow: dict[str, Table], sdk: str, extra: dict[str, Any], field: str, way: str
) -> None:
    model = {"openai": "claude-haiku", "anthropic": "gpt-5-mini", "gemini": "gpt-5-mini"}[sdk]
    table = narrow[model]
    before = table.counts()
    raised = fails(table, sdk, model, way, retries=2, extra=extra)
    assert (raised.status, raised.kind) == (400, CLASSES[sdk][400])
    assert field in raised.message
    assert sdk == "anthropic" or field in raised.field
    assert table.counts() == before


@pytest.mark.parametrize("way", [WHOLE, STREAM])
@pytest.mark.parametrize(("sdk", "model"), PAIRINGS)
def test_what_the_provider_refuses_comes_with_its_own_words(table: Table, sdk: str, model: str, way: str) -> None:
    vendor, before = MODELS[model], table.counts()
    table.mock(vendor).fail(Fault(Kind.STATUS, status=400))
    raised = fails(table, sdk, model, way, retries=2)
    assert (raised.status, raised.kind) == (400, CLASSES[sdk][400])
    assert TOLD_TO_FAIL in raised.message
    assert table.counts() == before | {vendor: before[vendor] + 1}, "nobody tries again what is wrong"


@pytest.mark.parametrize("way", [WHOLE, STREAM])
@pytest.mark.parametrize("status", [401, 500, 503, 529])
@pytest.mark.parametrize(("sdk", "model"), PAIRINGS)
def test_a_provider_in_trouble_is_not_the_callers_fault(
    narrow: dict[str, Table], sdk: str, model: str, way: str, status: int
) -> None:
    table = narrow[model]
    table.mock(MODELS[model]).fail(Fault(Kind.STATUS, status=status))
    raised = fails(table, sdk, model, way)
    assert (raised.status, raised.kind) == (502, CLASSES[sdk][502])
    assert TOLD_TO_FAIL in raised.message
    assert table.talk(sdk, model, way).say("again").text == "You said: again"


@pytest.mark.parametrize("way", [WHOLE, STREAM, ASYNC + WHOLE])
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_the_sdks_own_retry_heals_a_provider_that_stumbled(narrow: dict[str, Table], sdk: str, way: str) -> None:
    table = narrow["gemini-3-flash"]
    table.vendors.gemini.fail(Fault(Kind.STATUS, status=503))
    before = table.counts()["gemini"]
    tongue = table.tongues[sdk].retrying(2)
    assert tongue.ask(way, "gemini-3-flash", [tongue.user("hello", [])], Wish()).text == "You said: hello"
    assert table.counts()["gemini"] == before + 2


@pytest.mark.parametrize(("sdk", "model"), [("openai", "claude-haiku"), ("anthropic", "gemini-3-flash")])
def test_too_much_for_a_provider_says_when_to_come_back(narrow: dict[str, Table], sdk: str, model: str) -> None:
    table = narrow[model]
    table.mock(MODELS[model]).fail(Fault(Kind.STATUS, status=429, headers={"retry-after": "1"}))
    raised = fails(table, sdk, model, WHOLE)
    assert (raised.status, raised.kind) == (429, CLASSES[sdk][429])
    assert raised.headers["retry-after"] == "1"
    rested = time.monotonic()
    tongue = table.tongues[sdk].retrying(3)  # the SDK waits as it was told, and is answered
    assert tongue.ask(WHOLE, model, [tongue.user("hello", [])], Wish()).text == "You said: hello"
    assert time.monotonic() - rested > 0.5


def test_too_much_for_a_provider_is_told_in_googles_words(narrow: dict[str, Table]) -> None:
    table = narrow["gpt-5-mini"]
    table.vendors.openai.fail(Fault(Kind.STATUS, status=429, headers={"retry-after": "1"}))
    raised = fails(table, "gemini", "gpt-5-mini", WHOLE)
    assert (raised.status, raised.error.status) == (429, "RESOURCE_EXHAUSTED")
    waits = [detail["retryDelay"] for detail in raised.error.details["error"]["details"] if "retryDelay" in detail]
    assert waits == ["1s"]
    time.sleep(1.05)  # the channel's rest: a call within it would be another model's


@EACH_WAY
def test_credits_that_ran_out_are_not_asked_for_again(poor: Table, sdk: str, way: str) -> None:
    before = poor.counts()
    heard = getattr(poor.tongues[sdk], "statuses", [])
    earlier = len(heard)
    raised = fails(poor, sdk, "claude-haiku", way, retries=5)
    assert heard[earlier:] == [429] * (sdk != "gemini"), "the SDK asked once"
    assert (raised.status, raised.kind) == (429, CLASSES[sdk][429])
    assert "credits" in raised.message
    assert poor.counts() == before
    if sdk == "openai":
        assert raised.error.code == "insufficient_quota"


@pytest.mark.parametrize("way", [STREAM, ASYNC + STREAM])
@pytest.mark.parametrize(("sdk", "model"), PAIRINGS)
def test_a_stream_that_breaks_off_never_ends_like_a_whole_one(
    narrow: dict[str, Table], sdk: str, model: str, way: str
) -> None:
    table = narrow[model]
    table.mock(MODELS[model]).fail(Fault(Kind.CUT_AFTER, after=5))
    tongue = table.tongues[sdk]
    kinds = (openai.APIError, anthropic.APIError, errors.ServerError)
    with pytest.raises(kinds, match="the provider broke off"):
        tongue.ask(way, model, [tongue.user("one two three four five six seven", [])], Wish())
