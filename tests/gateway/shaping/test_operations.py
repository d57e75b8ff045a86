"""Every mode of an override, on bodies: tables of what goes in and what comes out."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import BadRequest, Fault, Remedy
from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.gateway.dialect import close_body, open_body
from tollway.gateway.shaping.moment import Moment
from tollway.gateway.shaping.shape import Returned, Shape, shape_of
from tollway.stated.headers import checked_headers
from tollway.stated.overrides import checked_override

LINES = ((b"content-type", b"application/json"), (b"authorization", b"Bearer ours"))


def shape(override: dict | None = None, headers: dict | None = None) -> Shape:
    channel = Channel(
        id=ChannelId("a"),
        provider="openai",
        base_url="https://a.example",
        param_override=checked_override(override or {}),
        header_override=checked_headers(headers or {}),
    )
    made = shape_of(channel, "our-key")
    assert made is not None
    return made


def moment(**changes) -> Moment:
    facts = {"asked_model": "nick", "upstream_model": "big-1", "path": "/v1/chat/completions", "said": {}}
    return Moment(**(facts | changes))


def after(body: dict, *operations: dict, **context) -> dict:
    told, _, _ = shape({"operations": list(operations)}).apply(
        open_body(json.dumps(body).encode()), LINES, moment(**context)
    )
    return json.loads(close_body(told))


@pytest.mark.parametrize(
    ("body", "operation", "expected"),
    [
        ({"a": 1}, {"mode": "set", "path": "a", "value": 2}, {"a": 2}),
        ({}, {"mode": "set", "path": "a.b.c", "value": [1]}, {"a": {"b": {"c": [1]}}}),
        ({"a": 1}, {"mode": "set", "path": "a", "value": 2, "keep_origin": True}, {"a": 1}),
        ({}, {"mode": "set", "path": "a", "value": 2, "keep_origin": True}, {"a": 2}),
        ({"a": [1, 2, 3]}, {"mode": "set", "path": "a.-1", "value": 9}, {"a": [1, 2, 9]}),
        ({"a": [1, 2, 3]}, {"mode": "set", "path": "a[-3]", "value": 9}, {"a": [9, 2, 3]}),
        ({"a": [1]}, {"mode": "set", "path": "a.5", "value": 9}, {"a": [1]}),
        ({"a": [1]}, {"mode": "set", "path": "a.1", "value": 9}, {"a": [1, 9]}),
        ({"a": [{"b": 1}, {}]}, {"mode": "set", "path": "a.*.b", "value": 0}, {"a": [{"b": 0}, {"b": 0}]}),
        ({"a.b": 1}, {"mode": "set", "path": "a\\.b", "value": 2}, {"a.b": 2}),
        ({"a": None}, {"mode": "set", "path": "a.b", "value": 2}, {"a": {"b": 2}}),
        ({"a": 1}, {"mode": "delete", "path": "a"}, {}),
        ({"a": {"b": 1, "c": 2}}, {"mode": "delete", "path": "a.b"}, {"a": {"c": 2}}),
        ({"a": [1, 2, 3]}, {"mode": "delete", "path": "a.-1"}, {"a": [1, 2]}),
        ({"a": [{"b": 1}, {"b": 2}]}, {"mode": "delete", "path": "a.*.b"}, {"a": [{}, {}]}),
        ({"a": [1, 2]}, {"mode": "delete", "path": "a.*"}, {"a": []}),
        ({"x": 1}, {"mode": "delete", "path": "a.b"}, {"x": 1}),
        ({"a": 1}, {"mode": "move", "from": "a", "to": "b.c"}, {"b": {"c": 1}}),
        ({"a": 1}, {"mode": "copy", "from": "a", "to": "b"}, {"a": 1, "b": 1}),
        ({"a": 1, "b": 2}, {"mode": "copy", "from": "a", "to": "b", "keep_origin": True}, {"a": 1, "b": 2}),
        ({"b": 2}, {"mode": "move", "from": "a", "to": "b"}, {"b": 2}),
        ({"a": "x"}, {"mode": "prepend", "path": "a", "value": "y"}, {"a": "yx"}),
        ({"a": "x"}, {"mode": "append", "path": "a", "value": "y"}, {"a": "xy"}),
        ({"a": [1]}, {"mode": "prepend", "path": "a", "value": [0]}, {"a": [0, 1]}),
        ({"a": [1]}, {"mode": "append", "path": "a", "value": 2}, {"a": [1, 2]}),
        ({"a": [1]}, {"mode": "append", "path": "a", "value": [1, 2], "keep_origin": True}, {"a": [1, 2]}),
        ({"a": {"x": 1}}, {"mode": "append", "path": "a", "value": {"x": 2, "y": 3}}, {"a": {"x": 2, "y": 3}}),
        (
            {"a": {"x": 1}},
            {"mode": "append", "path": "a", "value": {"x": 2, "y": 3}, "keep_origin": True},
            {"a": {"x": 1, "y": 3}},
        ),
        ({}, {"mode": "append", "path": "a", "value": ["END"]}, {"a": ["END"]}),
        ({"a": "ab"}, {"mode": "trim_prefix", "path": "a", "value": "a"}, {"a": "b"}),
        ({"a": "ab"}, {"mode": "trim_suffix", "path": "a", "value": "b"}, {"a": "a"}),
        ({"a": "b"}, {"mode": "ensure_prefix", "path": "a", "value": "a/"}, {"a": "a/b"}),
        ({"a": "a/b"}, {"mode": "ensure_prefix", "path": "a", "value": "a/"}, {"a": "a/b"}),
        ({"a": "b"}, {"mode": "ensure_suffix", "path": "a", "value": "!"}, {"a": "b!"}),
        ({"a": " b "}, {"mode": "trim_space", "path": "a"}, {"a": "b"}),
        ({"a": "Ab"}, {"mode": "to_lower", "path": "a"}, {"a": "ab"}),
        ({"a": "Ab"}, {"mode": "to_upper", "path": "a"}, {"a": "AB"}),
        ({"a": 1}, {"mode": "to_upper", "path": "a"}, {"a": 1}),
        ({"a": "x-x"}, {"mode": "replace", "path": "a", "from": "x", "to": "y"}, {"a": "y-y"}),
        ({"a": "x1"}, {"mode": "regex_replace", "path": "a", "from": "x(\\d)", "to": "<$1>"}, {"a": "<1>"}),
        ({"a": "x1"}, {"mode": "regex_replace", "path": "a", "from": "x", "to": "\\1$$"}, {"a": "\\1$1"}),
        ({"a": "x1"}, {"mode": "regex_replace", "path": "a", "from": "x", "to": "$7"}, {"a": "1"}),
        (
            {"messages": [{"content": "ab"}, {"content": "ac"}]},
            {"mode": "regex_replace", "path": "messages.*.content", "from": "^a", "to": ""},
            {"messages": [{"content": "b"}, {"content": "c"}]},
        ),
        (
            {"m": [{"type": "x", "n": 1}, {"type": "y", "deep": [{"type": "x"}]}]},
            {"mode": "prune_objects", "path": "m", "value": "x"},
            {"m": [{"type": "y", "deep": []}]},
        ),
        (
            {"m": [{"type": "x"}, {"type": "y", "deep": [{"type": "x"}]}]},
            {"mode": "prune_objects", "path": "m", "value": {"type": "x", "recursive": False}},
            {"m": [{"type": "y", "deep": [{"type": "x"}]}]},
        ),
        (
            {"m": [{"a": 1, "b": 2}, {"a": 1}]},
            {"mode": "prune_objects", "value": {"where": {"a": 1, "b": 2}}},
            {"m": [{"a": 1}]},
        ),
    ],
)  # fmt: skip
def test_a_mode_changes_what_it_says_and_nothing_else(body, operation, expected):
    rest = {"model": "big-1", "other": [1, {"deep": None}]}
    assert after(rest | body, operation) == rest | expected


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"path": "model", "value": "big-1"}, True),
        ({"path": "model", "mode": "prefix", "value": "big"}, True),
        ({"path": "model", "mode": "suffix", "value": "-2"}, False),
        ({"path": "model", "mode": "contains", "value": "g-"}, True),
        ({"path": "model", "value": "big-1", "invert": True}, False),
        ({"path": "n", "mode": "gt", "value": 2}, True),
        ({"path": "n", "mode": "gte", "value": 3}, True),
        ({"path": "n", "mode": "lt", "value": 3}, False),
        ({"path": "n", "mode": "lte", "value": 3}, True),
        ({"path": "n", "value": "3"}, False),
        ({"path": "flag", "value": 1}, False),
        ({"path": "flag", "value": True}, True),
        ({"path": "tags", "mode": "contains", "value": "b"}, True),
        ({"path": "tags.-1", "value": "b"}, True),
        ({"path": "list.*.role", "value": "tool"}, True),
        ({"path": "gone", "value": 1}, False),
        ({"path": "gone", "value": 1, "invert": True}, False),
        ({"path": "gone", "value": 1, "pass_missing_key": True}, True),
        ({"path": "original_model", "value": "nick"}, True),
        ({"path": "upstream_model", "value": "big-1"}, True),
        ({"path": "request_path", "mode": "suffix", "value": "/completions"}, True),
        ({"path": "request_headers.User-Agent", "mode": "contains", "value": "codex"}, True),
        ({"path": "retry_index", "mode": "gte", "value": 1}, True),
        ({"path": "retry.is_retry", "value": True}, True),
        ({"path": "last_error_status_code", "value": 429}, True),
        ({"path": "last_error.message", "mode": "contains", "value": "slow"}, True),
        ({"path": "last_error_code", "value": "upstream_error"}, True),
        ({"path": "last_error_type", "value": "rate_limited"}, True),
        ({"path": "is_channel_test", "value": False}, True),
    ],
)
def test_a_condition_asks_the_body_first_and_then_the_call_around_it(condition, holds):
    body = {"model": "big-1", "n": 3, "flag": True, "tags": ["a", "b"], "list": [{"role": "user"}, {"role": "tool"}]}
    last = Fault("slow down", status=429, remedy=Remedy.NEXT_CHANNEL)
    context = {"said": {b"user-agent": b"codex_cli/1"}, "attempt": 1, "last": last}
    told = after(body, {"mode": "set", "path": "hit", "value": 1, "conditions": [condition]}, **context)
    assert ("hit" in told) is holds


@pytest.mark.parametrize(("logic", "holds"), [(None, True), ("OR", True), ("AND", False)])
def test_conditions_go_together_by_or_unless_and_is_said(logic, holds):
    conditions = [{"path": "a", "value": 1}, {"path": "a", "value": 2}]
    operation = {
        "mode": "set",
        "path": "hit",
        "value": 1,
        "conditions": conditions,
        **({"logic": logic} if logic else {}),
    }
    assert ("hit" in after({"a": 1}, operation)) is holds


def test_operations_see_what_those_before_them_did():
    set_it = {"mode": "set", "path": "a", "value": "x"}
    follow = {"mode": "append", "path": "a", "value": "y", "conditions": [{"path": "a", "value": "x"}]}
    assert after({}, set_it, follow) == {"a": "xy"}


def test_the_older_form_sets_fields_at_the_top():
    told, lines, noted = shape({"temperature": 0, "messages": []}).apply(
        open_body(b'{"temperature":1,"x":[1,  2]}'), LINES, moment()
    )
    assert close_body(told) == b'{"temperature":0,"x":[1,  2],"messages":[]}'
    assert (lines, noted) == (LINES, ("messages",))


def test_what_no_operation_touches_goes_on_byte_for_byte():
    told, _, _ = shape({"operations": [{"mode": "delete", "path": "b.c"}]}).apply(
        open_body(b'{"a": 1.50, "b": {"c": 1}, "d": [ 1e3 ]}'), LINES, moment()
    )
    assert close_body(told) == b'{"a":1.50,"b":{},"d":[ 1e3 ]}'


def test_a_body_is_never_changed_in_place():
    body = {"a": {"b": [1, 2]}, "m": [{"type": "x"}]}
    before = json.dumps(body)
    rules = [
        {"mode": "append", "path": "a.b", "value": 3},
        {"mode": "prune_objects", "path": "m", "value": "x"},
        {"mode": "move", "from": "a.b.0", "to": "z"},
    ]
    shape({"operations": rules}).apply(body, LINES, moment())
    assert json.dumps(body) == before


@pytest.mark.parametrize(
    ("value", "status", "kind", "code", "remedy"),
    [
        ({"message": "no"}, 400, "invalid_request", "refused", Remedy.NONE),
        ("no", 400, "invalid_request", "refused", Remedy.NONE),
        ({"message": "no", "status_code": 403, "code": "c", "type": "t"}, 403, "t", "c", Remedy.NONE),
        ({"message": "no", "status_code": 999}, 400, "invalid_request", "refused", Remedy.NONE),
        ({"message": "no", "status_code": 503, "skip_retry": False}, 503, "overloaded", "refused", Remedy.NEXT_CHANNEL),
    ],
)
def test_a_rule_can_refuse_a_call(value, status, kind, code, remedy):
    with pytest.raises(Returned) as caught:
        after({}, {"mode": "return_error", "value": value})
    fault = caught.value
    assert (fault.message, fault.status, fault.kind, fault.code, fault.remedy) == ("no", status, kind, code, remedy)


def test_edits_of_sensitive_fields_are_noted():
    rules = [
        {"mode": "set", "path": "messages.0.content", "value": "x"},
        {"mode": "set", "path": "seed", "value": 1},
        {"mode": "delete", "path": "service_tier"},
        {"mode": "delete", "path": "store"},
    ]
    body = open_body(b'{"messages":[{}],"service_tier":"flex"}')
    assert shape({"operations": rules}).apply(body, LINES, moment())[2] == ("messages", "service_tier")


def test_a_body_nested_beyond_reason_is_the_callers_mistake():
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadRequest, match="nested too deeply"):
        shape({"operations": [{"mode": "prune_objects", "value": "x"}]}).apply({"a": deep}, LINES, moment())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
PATHS = st.lists(st.sampled_from(["a", "b", "c", "0", "-1", "*"]), min_size=1, max_size=3).map(".".join)
OPERATIONS = st.one_of(
    st.fixed_dictionaries({"mode": st.sampled_from(["set", "append", "prepend"]), "path": PATHS, "value": JSON}),
    st.fixed_dictionaries({"mode": st.sampled_from(["delete", "to_upper", "trim_space"]), "path": PATHS}),
    st.fixed_dictionaries({"mode": st.sampled_from(["move", "copy"]), "from": PATHS, "to": PATHS}),
    st.fixed_dictionaries({"mode": st.just("prune_objects"), "path": PATHS, "value": st.just({"where": {"a": 1}})}),
)


@given(st.dictionaries(st.sampled_from("abc"), JSON, max_size=3), st.lists(OPERATIONS, max_size=4))
def test_any_operations_on_any_body_give_json_and_leave_the_body_alone(body, operations):
    raw = open_body(msgspec.json.encode(body))
    told, _, _ = shape({"operations": operations or [{"mode": "delete", "path": "zz"}]}).apply(raw, LINES, moment())
    assert isinstance(json.loads(close_body(told)), dict)
    assert raw == open_body(msgspec.json.encode(body))
