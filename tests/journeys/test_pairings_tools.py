"""Tools, all nine pairings: calls streamed, several at once, answered with words, pictures and failures."""

from typing import Any

import pytest

from tests.journeys.speech import STREAM, WAYS, WHOLE, Function, Heard, Told
from tests.journeys.table import Table, everywhere
from tests.mocks.script import PNG, Medium

CITY: dict[str, Any] = {"type": "string", "description": "where"}
WEATHER = Function("get_weather", {"type": "object", "properties": {"city": CITY}, "required": ["city"]})
PLAN = Function(
    "plan_trip",
    {
        "type": "object",
        "properties": {
            "stops": {"type": "array", "items": {"$ref": "#/$defs/Stop"}},
            "pace": {"enum": ["slow", "fast"], "type": "string"},
            "budget": {"type": ["number", "null"]},
        },
        "required": ["stops"],
        "$defs": {"Stop": {"type": "object", "properties": {"city": CITY, "nights": {"type": "integer"}}}},
    },
)
CLOCK = Function("read_clock", {"type": "object", "properties": {}})
TOOLS = (WEATHER, PLAN, CLOCK)
TRIP = '{"stops": [{"city": "Köln 🌉", "nights": 2}, {"city": "Paris \\"north\\"", "nights": 1}], "budget": 1.5}'
CALLING = {"openai": "tool_calls", "anthropic": "tool_use", "gemini": "STOP"}

EVERY_WAY = pytest.mark.parametrize(("sdk", "model", "way"), everywhere(*WAYS))
EITHER_WAY = pytest.mark.parametrize(("sdk", "model", "way"), everywhere(WHOLE, STREAM))


def said(heard: Heard) -> list[tuple[str, Any]]:
    return [(call.name, call.args) for call in heard.calls]


@EVERY_WAY
def test_a_tool_is_called_and_its_result_answered(table: Table, sdk: str, model: str, way: str) -> None:
    talk = table.talk(sdk, model, way, tools=TOOLS)
    heard = talk.say('[[tool:get_weather {"city": "Paris"}]]')
    assert said(heard) == [("get_weather", {"city": "Paris"})]
    assert heard.finish == CALLING[sdk]
    heard = talk.answer(Told(heard.calls[0], "20 degrees"))
    assert heard.text == "tool said: 20 degrees"
    heard = talk.say("thanks")
    assert heard.text == "You said: thanks"
    assert heard.dropped == []


@EVERY_WAY
def test_parallel_calls_come_whole_and_are_answered_together(table: Table, sdk: str, model: str, way: str) -> None:
    talk = table.talk(sdk, model, way, tools=TOOLS)
    heard = talk.say(f'[[tool:get_weather {{"city": "Oslo"}}]] [[tool:plan_trip {TRIP}]] [[tool:read_clock]]')
    trip = {"stops": [{"city": "Köln 🌉", "nights": 2}, {"city": 'Paris "north"', "nights": 1}], "budget": 1.5}
    assert said(heard) == [("get_weather", {"city": "Oslo"}), ("plan_trip", trip), ("read_clock", {})]
    told = [Told(call, f"result {at}") for at, call in enumerate(heard.calls)]
    heard = talk.answer(*told)
    assert heard.text == "tool said: result 0; result 1; result 2"


@EITHER_WAY
def test_the_same_tool_twice_keeps_its_answers_apart(table: Table, sdk: str, model: str, way: str) -> None:
    talk = table.talk(sdk, model, way, tools=TOOLS)
    heard = talk.say('[[tool:get_weather {"city": "A"}]] [[tool:get_weather {"city": "B"}]]')
    assert said(heard) == [("get_weather", {"city": "A"}), ("get_weather", {"city": "B"})]
    first, second = heard.calls
    assert talk.answer(Told(first, "cold"), Told(second, "warm")).text == "tool said: cold; warm"


@EITHER_WAY
def test_a_tool_after_a_tool(table: Table, sdk: str, model: str, way: str) -> None:
    talk = table.talk(sdk, model, way, tools=TOOLS)
    for city in ("Rome", "Bern"):
        heard = talk.say(f'[[tool:get_weather {{"city": "{city}"}}]]')
        assert said(heard) == [("get_weather", {"city": city})]
        assert talk.answer(Told(heard.calls[0], f"sun in {city}")).text == f"tool said: sun in {city}"


@pytest.mark.parametrize(
    ("sdk", "model", "way"),
    [row for row in everywhere(WHOLE, STREAM) if row[:2] != ("openai", "gpt-5-mini")],  # OpenAI refuses it itself
)
def test_a_tool_answers_with_a_picture(table: Table, sdk: str, model: str, way: str) -> None:
    talk = table.talk(sdk, model, way, tools=TOOLS)
    heard = talk.say("[[tool:read_clock]]")
    heard = talk.answer(Told(heard.calls[0], "see", picture=True))
    assert heard.text == f"tool said: see {Medium('image', 'image/png', PNG)}"


@EITHER_WAY
def test_a_tool_that_failed_says_so(table: Table, sdk: str, model: str, way: str) -> None:
    talk = table.talk(sdk, model, way, tools=TOOLS)
    heard = talk.say("[[tool:read_clock]]")
    heard = talk.answer(Told(heard.calls[0], "no battery", failed=True))
    mark = "" if sdk == "openai" else "error: "  # chat completions have no word for a failed tool
    assert heard.text == f"tool said: {mark}no battery"


@EITHER_WAY
@pytest.mark.parametrize("choice", ["any", "plan_trip", "none"])
def test_the_callers_rule_for_tools_holds(table: Table, sdk: str, model: str, way: str, choice: str) -> None:
    talk = table.talk(sdk, model, way, tools=(PLAN, WEATHER), choice=choice)
    if choice == "none":
        heard = talk.say('[[tool:get_weather {"city": "X"}]] do not')
        assert heard.calls == []
        return
    heard = talk.say("just call")
    assert [call.name for call in heard.calls] == ["get_weather" if choice == "any" else "plan_trip"]
    assert heard.finish == CALLING[sdk] or sdk == "openai"
