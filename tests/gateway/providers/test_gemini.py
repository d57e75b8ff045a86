"""Gemini's addresses, southbound and northbound."""

from tollway.gateway.provider import Aim
from tollway.gateway.providers.gemini import provider
from tollway.gateway.surfaces.gemini import surface


def test_the_model_and_the_way_to_answer_are_in_the_path() -> None:
    assert provider.path(Aim("gemini-2.5-flash", False)) == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert (
        provider.path(Aim("gemini-2.5-flash", True)) == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    )


def test_a_model_cannot_lead_out_of_its_place() -> None:
    assert provider.path(Aim("../x?y", False)) == "/v1beta/models/..%2Fx%3Fy:generateContent"


def test_the_key_travels_in_googles_own_header() -> None:
    assert provider.authorize("k") == (("x-goog-api-key", "k"),)
    assert provider.authorize("") == ()
    assert (provider.key_env, provider.base_env) == ("GEMINI_API_KEY", "GEMINI_BASE_URL")


def test_the_surface_answers_three_actions_under_both_versions() -> None:
    routes = {route.path: (route.does, dict(route.options)) for route in surface.routes}
    assert len(routes) == 6
    for version in ("v1beta", "v1"):
        base = f"/{version}/models/{{model}}:"
        assert routes[base + "generateContent"] == ("chat", {"action": "generateContent"})
        stream = {"action": "streamGenerateContent", "framing": "array"}
        assert routes[base + "streamGenerateContent"] == ("chat", stream)
        assert routes[base + "countTokens"] == ("count", {"action": "countTokens"})
    assert surface.credentials == ("x-goog-api-key", "query:key", "bearer")
