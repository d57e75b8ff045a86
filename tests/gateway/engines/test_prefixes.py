"""Which engine has read which beginning of a prompt."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tollway.core.ids import LaneId
from tollway.gateway.dialect import open_body
from tollway.gateway.engines.prefixes import BOUNDS, Beginnings, Prefixes, beginnings_of

A, B, C = LaneId("a"), LaneId("b"), LaneId("c")
EVERY = (A, B, C)


def chat(*texts: str, **more: Any) -> Beginnings:
    turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]
    return beginnings_of(open_body(json.dumps({"messages": turns, **more}).encode()), "m")


def remembered(**rules: Any) -> Prefixes:
    return Prefixes(**{"most": 10_000, "ttl_s": 600.0, **rules})


def test_a_conversation_goes_on_where_it_was_read() -> None:
    seen, long = remembered(), "x" * 4000
    seen.read(chat(long), A, 0.0)
    warm = seen.warm(chat(long, "answer", "and then?"), EVERY, 1.0)
    assert set(warm) == {A} and 0.9 < warm[A] < 1.0


def test_a_long_text_with_another_question_at_its_end_is_known_again() -> None:
    seen, text = remembered(), "".join(f"sentence {number}. " for number in range(500))
    seen.read(chat(f"{text} What is it about?"), B, 0.0)
    assert seen.warm(chat(f"{text} Who wrote it?"), EVERY, 1.0)[B] > 0.95
    assert seen.warm(chat(f"No. {text} Who wrote it?"), EVERY, 1.0) == {}


def test_whoever_read_more_of_it_is_warmer() -> None:
    seen, head, rest = remembered(), "h" * 2000, "r" * 2000
    seen.read(chat(head), A, 0.0)
    seen.read(chat(head + rest), B, 0.0)
    warm = seen.warm(chat(head + rest, "x", "y"), EVERY, 1.0)
    assert 0.4 < warm[A] < 0.6 < warm[B]


def test_tools_and_instructions_come_first_wherever_they_stand_in_the_body() -> None:
    long = "x" * 4000
    body = {"messages": [{"role": "user", "content": long}], "system": long, "temperature": 1}
    other = dict(reversed(body.items())) | {"temperature": 0}
    one, two = (beginnings_of(open_body(json.dumps(each).encode()), "m") for each in (body, other))
    assert one == two
    assert beginnings_of(open_body(json.dumps(body).encode()), "other").chain != one.chain, "another model's cache"


def test_a_short_prompt_is_nobodys() -> None:
    seen = remembered()
    seen.read(chat("hi"), A, 0.0)
    assert len(seen) == 0 and seen.warm(chat("hi"), EVERY, 0.0) == {}


def test_what_was_read_long_ago_is_cold() -> None:
    seen = remembered(ttl_s=10.0)
    seen.read(chat("x" * 1000), A, 0.0)
    assert A in seen.warm(chat("x" * 1000), EVERY, 10.0)
    assert seen.warm(chat("x" * 1000), EVERY, 10.1) == {}


def test_no_prompt_has_many_pieces() -> None:
    assert len(BOUNDS) < 250 and list(BOUNDS) == sorted(set(BOUNDS))
    assert len(chat("x" * 5_000_000).chain) == len(BOUNDS)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5000), st.sampled_from(EVERY)), max_size=60))
def test_memory_is_bounded_and_the_latest_prompt_is_known(reads: list[tuple[int, int, LaneId]]) -> None:
    seen = remembered(most=50)
    for now, (letter, length, lane) in enumerate(reads):
        prompt = chat(chr(97 + letter) * length)
        seen.read(prompt, lane, float(now))
        assert len(seen) <= 50
        if 0 < len(prompt.chain) <= 50:
            assert seen.warm(prompt, EVERY, float(now))[lane] == BOUNDS[len(prompt.chain) - 1] / prompt.size
