"""A stated channel becomes one that may be used, or says which field cannot be."""

import msgspec
import pytest

from tollway.core.model import STRIPPED, Channel, Model, Price
from tollway.core.shape import Condition, Operation
from tollway.stated.channels import ChannelRow, channel_of
from tollway.stated.wrong import Wrong


def channel(**stated) -> Channel:
    row = msgspec.convert({"id": "a", "provider": "openai", **stated}, ChannelRow)
    return channel_of(row, row.keys or (row.key,), "https://one.example/v1/", {})


def model(**changes) -> Model:
    fields = {
        "id": "big", "name": "Big", "provider": "openai", "category": "fast", "context_window": 1000, "max_output": 10,
        "price": Price(version="1", input=1, output=1), "served_by": {"openai": "big-1"}, "family": "openai",
    }  # fmt: skip
    return Model(**(fields | changes))


def test_a_channel_with_one_key_is_one_lane_of_its_own_name():
    assert channel(key="k").lanes == (("a", "k"),)
    assert channel().lanes == (("a", ""),)


def test_a_lane_keeps_its_name_when_keys_change_places_or_go():
    before = {lane.key: lane.id for lane in channel(keys=["one", "two", "three"]).lanes}
    after = {lane.key: lane.id for lane in channel(keys=["three", "one"]).lanes}
    assert after == {key: before[key] for key in ("three", "one")}
    assert len(set(before.values())) == 3
    assert all(name.startswith("a#") and len(name) == 8 for name in before.values())


def test_no_key_shows_in_the_name_of_a_lane_or_of_a_row():
    row = ChannelRow(id="a", provider="openai", keys=("secret-one", "secret-two"))
    made = channel(keys=["secret-one", "secret-two"])
    assert "secret" not in f"{row!r} {made!r} {[lane.id for lane in made.lanes]}"


@pytest.mark.parametrize(
    ("stated", "place", "problem"),
    [
        ({"keys": ["k", "k"]}, ("keys", 1), "twice"),
        ({"keys": ["k", " "]}, ("keys", 1), "empty"),
        ({"keys": ["k", "a\nb"]}, ("keys", 1), "characters that no header can carry"),
        ({"groups": ["vip", "auto"]}, ("groups", 1), "stands for all that a caller may use"),
        ({"groups": ["no blanks"]}, ("groups", 0), "the name of a group"),
        ({"model_mapping": {"a": "b", "b": "c", "c": "a"}}, ("model_mapping", "a"), "circle: a → b → c → a"),
        ({"model_mapping": {"a": ""}}, ("model_mapping", "a"), "not empty"),
        ({"status_code_mapping": {"429": "no"}}, ("status_code_mapping", "429"), "no HTTP status"),
        ({"status_code_mapping": {"200": 500}}, ("status_code_mapping", "200"), "200 is an answer"),
        ({"status_code_mapping": {"500": 200}}, ("status_code_mapping", "500"), "200 is an answer"),
        ({"allow": ["stream"]}, ("allow", 0), "none of"),
        ({"header_override": {"re:(": ""}}, ("header_override", "re:("), "no regular expression"),
        ({"header_override": {"x-a": "{key}"}}, ("header_override", "x-a"), "{key} is no placeholder"),
        ({"header_override": {"content-length": "1"}}, ("header_override", "content-length"), "belongs to"),
        ({"proxy": "https://me:s3cret@h"}, ("proxy",), "must be http://, socks5://"),
        ({"thinking_to_content": True, "content_to_thinking": True}, ("content_to_thinking",), "one of the two"),
        ({"param_override": {"operations": {}}}, ("param_override", "operations"), "must be a list"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_place(stated, place, problem):
    with pytest.raises(Wrong) as caught:
        channel(**stated)
    assert caught.value.place == place
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("operation", "place", "problem"),
    [
        ({"path": "a"}, ("mode",), "required"),
        ({"mode": "sett", "path": "a"}, ("mode",), "'sett' is none of set, delete"),
        ({"mode": "set", "path": "a", "vaule": 1}, ("vaule",), "unknown field"),
        ({"mode": "set", "path": "a"}, ("value",), "set needs it"),
        ({"mode": "set", "value": 1}, ("path",), "set needs it"),
        ({"mode": "move", "from": "a"}, ("to",), "move needs it"),
        ({"mode": "regex_replace", "path": "a", "from": "("}, ("from",), "no regular expression"),
        ({"mode": "trim_prefix", "path": "a", "value": 1}, ("value",), "needs a text"),
        ({"mode": "return_error", "value": {"status_code": 400}}, ("value",), "needs a message"),
        ({"mode": "return_error", "value": {"message": "m", "status": 400}}, ("value", "status"), "no part of"),
        ({"mode": "return_error", "value": {"message": "m", "status_code": "4"}}, ("value", "status_code"), "be int"),
        ({"mode": "prune_objects", "value": {"recursive": True}}, ("value",), "would prune everything"),
        ({"mode": "sync_fields", "from": "x", "to": "json:y"}, ("from",), "must be header:"),
        ({"mode": "set_header", "path": "a b", "value": "c"}, (), "no name for a header"),
        ({"mode": "pass_headers", "value": "host,x-a"}, ("value",), "belongs to the connection"),
        ({"mode": "delete", "path": "a", "logic": "XOR"}, ("logic",), "neither OR nor AND"),
        ({"mode": "delete", "path": "a", "conditions": [{"path": "b", "mode": "~"}]}, ("conditions", 0, "mode"), "'~'"),
        ({"mode": "delete", "path": "a", "conditions": [{"value": 1}]}, ("conditions", 0, "path"), "required"),
    ],
)  # fmt: skip
def test_an_operation_that_cannot_be_is_refused_by_its_place(operation, place, problem):
    with pytest.raises(Wrong) as caught:
        channel(param_override={"operations": [{"mode": "delete", "path": "x"}, operation]})
    assert caught.value.place == ("param_override", "operations", 1, *place)
    assert problem in caught.value.problem


def test_an_override_is_read_in_both_its_forms():
    assert channel(param_override={"temperature": 0.5}).param_override.fields == {"temperature": 0.5}
    stated = {"mode": "append", "path": "a", "value": "b", "conditions": [{"path": "c", "value": 1}], "logic": "and"}
    override = channel(param_override={"operations": [stated]}).param_override
    condition = Condition(path="c", value=1)
    assert override.operations == (Operation(mode="append", path="a", value="b", conditions=(condition,), logic="AND"),)


def test_fields_that_change_a_price_are_stripped_unless_allowed():
    assert channel().strip == STRIPPED
    assert channel(allow=["service_tier"], disable_store=True).strip == STRIPPED - {"service_tier", "serviceTier"} | {
        "store"
    }


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ({}, "big-1"),
        ({"model_mapping": {"big": "other"}}, "other"),
        ({"model_mapping": {"big": "middle", "middle": "end"}}, "end"),
        ({"model_mapping": {"big-1": "big-2"}}, "big-2"),
        ({"model_mapping": {"big": "big"}}, "big-1"),
        ({"model_mapping": {"nick": "other"}}, "other"),
        ({"models": ["big"], "model_mapping": {"big": "other"}}, "other"),
        ({"models": ["small"], "model_mapping": {"big": "other"}}, None),
        ({"provider": "vllm"}, None),
        ({"provider": "vllm", "model_mapping": {"big": "mine"}}, "mine"),
    ],
)
def test_a_mapping_is_followed_to_its_end(stated, name):
    assert channel(**stated).name_of(model(aliases=("nick",))) == name
