"""Which surface owns a path."""

import pytest

from tests.laws.plugins import SURFACES
from tollway.gateway.paths import Found, Paths
from tollway.gateway.surface import Route, Surface

PATHS = Paths(SURFACES.values())
BETA = "/v1beta/models/"


def found(path: str, query: str = "") -> Found:
    owner = PATHS.find(path, query)
    assert owner is not None
    return owner


@pytest.mark.parametrize(
    ("path", "surface"),
    [
        ("/v1/chat/completions", "openai_chat"), ("/v1/messages", "anthropic_messages"),
        ("/anthropic/v1/messages", "anthropic_messages"), ("/chat", "hub_chat"), ("/code", "hub_code"),
        (BETA + "m:generateContent", "gemini"),
    ],
)  # fmt: skip
def test_every_address_has_its_owner(path: str, surface: str) -> None:
    assert found(path).surface.name == surface


@pytest.mark.parametrize(
    "path",
    ["/", "", "/v1/chat/completions/", "/v1/Messages", BETA, BETA + ":generateContent", BETA + "m", BETA + "m:embed",
     "//chat", "/v1/messages/../chat"],
)  # fmt: skip
def test_what_is_not_an_address_has_no_owner(path: str) -> None:
    assert PATHS.find(path, "") is None


@pytest.mark.parametrize(
    ("said", "model"),
    [("meta/llama-3", "meta/llama-3"), ("meta%2Fllama-3", "meta/llama-3"), ("qwen:7b", "qwen:7b"), ("%ff", "\ufffd")],
)
def test_a_models_name_may_hold_slashes_colons_and_percents(said: str, model: str) -> None:
    assert found(f"{BETA}{said}:generateContent").options["model"] == model


def test_a_gemini_stream_is_an_array_unless_the_query_asks_for_events() -> None:
    path = BETA + "m:streamGenerateContent"
    assert found(path).options["framing"] == "array"
    assert found(path, "alt=sse").options["framing"] == "sse"
    assert found(path, "key=k&alt=sse&alt=json").options["framing"] == "array"


def test_two_surfaces_may_not_claim_one_path() -> None:
    first = next(iter(SURFACES.values()))
    twice = Surface("twin", first.dialect, (Route("/chat"),), ())
    with pytest.raises(ValueError, match="two surfaces"):
        Paths([*SURFACES.values(), twice])
