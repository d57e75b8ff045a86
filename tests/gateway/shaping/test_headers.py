"""Which headers go to a provider beside ours, and which of a caller's never do."""

import pytest

from tests.gateway.shaping.test_operations import LINES, moment, shape
from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.gateway.shaping.headers import NEVER_PASS
from tollway.gateway.shaping.shape import shape_of

SAID = {
    b"user-agent": b"codex_cli/1",
    b"x-team": b"red",
    b"x-trace": b"t1",
    b"authorization": b"Bearer his",
    b"x-api-key": b"his",
    b"cookie": b"his",
}


def lines_of(headers: dict | None = None, operations: list | None = None) -> dict[str, str]:
    made = shape({"operations": operations} if operations else {}, headers)
    _, lines, _ = made.apply({}, LINES, moment(said=SAID))
    told = dict(made.fixed) | {name.decode(): value.decode() for name, value in lines}
    return {name: value for name, value in told.items() if name != "content-type"}


OURS = {"authorization": "Bearer ours"}


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"X-Fixed": "1"}, OURS | {"x-fixed": "1"}),
        ({"x-own": "k={api_key}"}, OURS | {"x-own": "k=our-key"}),
        ({"x-from": "{client_header:X-Team}"}, OURS | {"x-from": "red"}),
        ({"x-from": "{client_header:X-Team}/{client_header:x-trace}/{api_key}"}, OURS | {"x-from": "red/t1/our-key"}),
        ({"x-from": "{client_header:x-gone}"}, OURS),
        ({"x-from": "{client_header:authorization}"}, OURS),
        ({"*": ""}, OURS | {"user-agent": "codex_cli/1", "x-team": "red", "x-trace": "t1"}),
        ({"re:^X-T": ""}, OURS | {"x-team": "red", "x-trace": "t1"}),
        ({"regex:team$": ""}, OURS | {"x-team": "red"}),
        ({"re:auth|key|cookie": ""}, OURS),
    ],
)
def test_a_header_override_makes_these_headers(headers, told):
    assert lines_of(headers) == told


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ({"mode": "set_header", "path": "X-A", "value": "1"}, OURS | {"x-a": "1"}),
        ({"mode": "set_header", "path": "authorization", "value": "Basic x"}, {"authorization": "Basic x"}),
        ({"mode": "delete_header", "path": "Authorization"}, {}),
        ({"mode": "copy_header", "from": "x-team", "to": "x-group"}, OURS | {"x-group": "red"}),
        ({"mode": "copy_header", "from": "cookie", "to": "x-group"}, OURS),
        ({"mode": "move_header", "from": "x-team", "to": "x-group"}, OURS | {"x-group": "red"}),
        ({"mode": "pass_headers", "value": "x-team, x-gone,authorization"}, OURS | {"x-team": "red"}),
        ({"mode": "sync_fields", "from": "header:x-team", "to": "json:metadata.team"}, OURS),
    ],
)
def test_an_operation_on_headers_does_what_it_says(operation, told):
    assert lines_of(operations=[operation]) == told


def test_a_field_and_a_header_are_brought_together_whichever_is_there():
    operation = {"mode": "sync_fields", "from": "header:session_id", "to": "json:prompt_cache_key"}
    made = shape({"operations": [operation]})
    body, _, _ = made.apply({}, LINES, moment(said={b"session_id": b"s1"}))
    assert body == {"prompt_cache_key": "s1"}
    _, lines, _ = made.apply({"prompt_cache_key": "s2"}, LINES, moment())
    assert dict(lines)[b"session_id"] == b"s2"
    body, lines, _ = made.apply({"prompt_cache_key": "s2"}, LINES, moment(said={b"session_id": b"s1"}))
    assert (body, lines) == ({"prompt_cache_key": "s2"}, LINES)


@pytest.mark.parametrize("name", sorted(NEVER_PASS))
def test_no_pattern_takes_what_never_passes(name):
    made = shape(headers={"*": "", "re:.*": "", "x-own": f"{{client_header:{name}}}"})
    _, lines, _ = made.apply({}, LINES, moment(said={name.encode(): b"evil"}))
    assert lines == LINES


@pytest.mark.parametrize("name", ["x-tollway-route", "x-hop", "x-other-hop"])
def test_what_speaks_to_us_or_is_named_by_the_connection_stays_here(name):
    made = shape(headers={"*": "", "x-own": f"{{client_header:{name}}}"})
    said = {b"connection": b"keep-alive, X-Hop ,x-other-hop", name.encode(): b"1", b"x-team": b"red"}
    _, lines, _ = made.apply({}, LINES, moment(said=said))
    assert dict(lines) == {**dict(LINES), b"x-team": b"red"}


def test_a_value_that_would_break_the_line_does_not_pass():
    made = shape(headers={"*": ""})
    _, lines, _ = made.apply({}, LINES, moment(said={b"x-a": b"caf\xe9", b"x-b": b"ok"}))
    assert dict(lines) == {**dict(LINES), b"x-b": b"ok"}


def test_a_channel_that_changes_nothing_has_no_shape_and_fixed_headers_need_no_look_at_calls():
    assert shape_of(Channel(id=ChannelId("a"), provider="openai", base_url="https://a.example"), "k") is None
    made = shape(headers={"x-a": "{api_key}"})
    assert (made.fixed, made.is_needed) == ({"x-a": "our-key"}, False)
