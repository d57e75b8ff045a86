"""What an operator may state of advanced routes, and what is refused by its place."""

from typing import Any

import pytest

from tests.stated.test_channels import channel
from tollway.stated.wrong import Wrong

ROUTE = {"incoming_path": "/v1/messages", "upstream_path": "/x"}


def stated(*routes: dict[str, Any], **more: Any) -> Any:
    return channel(**{"provider": "advanced_custom", "models": ["m"], "advanced_routes": list(routes), **more})


def test_a_route_knows_whose_words_are_spoken_there() -> None:
    (plain,) = stated(ROUTE).advanced_routes
    assert (plain.speaks, plain.auth) == ("anthropic", "usual")
    other = {**ROUTE, "converter": "anthropic_messages_to_gemini_generate_content"}
    assert stated(other).advanced_routes[0].speaks == "gemini"
    secret = {**ROUTE, "auth": {"type": "header", "name": "x-key", "value": "s3cret"}}
    assert "s3cret" not in repr(stated(secret).advanced_routes)


@pytest.mark.parametrize(
    ("change", "place", "problem"),
    [
        ({"incoming_path": "/v1/images"}, ("incoming_path",), "is none of /v1/chat/completions"),
        ({"upstream_path": "x"}, ("upstream_path",), "must be a path"),
        ({"upstream_path": "//x"}, ("upstream_path",), "must be a path"),
        ({"upstream_path": "https://me:pw@h/x"}, ("upstream_path",), "without credentials"),
        ({"upstream_path": "/a b"}, ("upstream_path",), "without spaces"),
        ({"converter": "x_to_y"}, ("converter",), "'x_to_y' is none of"),
        ({"converter": "openai_responses_to_anthropic_messages"}, ("converter",), "does not begin with"),
        ({"models": ["a", "re:("]}, ("models", 1), "no regular expression"),
        ({"models": ["re:"]}, ("models", 0), "not be empty"),
        ({"auth": {"type": "header", "value": "v"}}, ("auth", "name"), "header needs it"),
        ({"auth": {"type": "query", "name": "k"}}, ("auth", "value"), "query needs it"),
        ({"auth": {"type": "header", "name": "host", "value": "v"}}, ("auth", "name"), "belongs to"),
    ],
)
def test_a_route_that_cannot_be_is_refused_by_its_place(change: Any, place: Any, problem: str) -> None:
    with pytest.raises(Wrong) as caught:
        stated(ROUTE, {**ROUTE, **change})
    assert caught.value.place == ("advanced_routes", 1, *place)
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"provider": "openai"}, "advanced_routes"),
        ({"advanced_routes": []}, "advanced_routes"),
        ({"models": None}, "models"),
    ],
)
def test_routes_go_with_their_provider_and_with_models(more: Any, place: str) -> None:
    with pytest.raises(Wrong) as caught:
        stated(ROUTE, **more)
    assert caught.value.place == (place,)
