"""What routing remembers: bounded, and not for ever."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.routing.pools import channel, pool, question

from tollway.core.routing import RoutingRules
from tollway.gateway.routing.memory import ALIKE, Memory
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.prefix import Prompt

A, B = pool(channel("a"), channel("b"))
LONG = "word " * 20_000
few = settings(max_examples=60, derandomize=True, deadline=None)


def prompt(*texts: str, head: str = "", **stated: Any) -> Prompt:
    """A talk of user and model in turn; `stated` are other fields of its body."""
    turns = [{"role": "system", "content": head}] if head else []
    turns += [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]
    return Prompt(question(**{"messages": turns, **stated}), "m")


def warm(memory: Memory, asked: Prompt, now_s: float = 0.0) -> dict[str, float]:
    found = memory.warm(asked, now_s)
    return {} if found is None else {found.lane: found.share}


def note(memory: Memory, asked: Prompt, one: Candidate = A, now_s: float = 0.0) -> None:
    memory.note(asked, one, now_s)


def test_a_longer_conversation_is_known_again_by_its_beginning() -> None:
    memory = Memory()
    note(memory, prompt("how are you?"))
    assert warm(memory, prompt("how are you?", "well", "and now?")).keys() == {"a"}
    assert warm(memory, prompt("who are you?", "well", "and now?")) == {}


def test_the_latest_known_beginning_decides_and_says_how_much_of_the_prompt_it_is() -> None:
    memory = Memory()
    note(memory, prompt("one " * 50), A)
    note(memory, prompt("one " * 50, "two " * 50), B)
    assert 0.9 < warm(memory, prompt("one " * 50, "two " * 50, "three"))["b"] < 1.0
    assert 0.4 < warm(memory, prompt("one " * 50, "another " * 25, "three"))["a"] < 0.6


@few
@given(st.lists(st.text(max_size=700), min_size=1, max_size=6), st.integers(0, 6), st.text(max_size=200))
def test_whatever_was_said_a_talk_that_goes_on_is_known_and_one_that_was_changed_is_not(
    said: list[str], more: int, head: str
) -> None:
    memory = Memory()
    note(memory, prompt(*said, head=head))
    assert warm(memory, prompt(*said, *["more"] * more, head=head)).keys() == {"a"}
    if head != "other":
        assert prompt(*said, head="other").talk_key != prompt(*said, head=head).talk_key


@pytest.mark.parametrize(
    ("before", "after"),
    [(10, 700), (400, 400), (700, 10), (10, 9000), (9000, 10), (10, 100_000), (100_000, 10)],
)
def test_one_word_tells_two_prompts_of_the_same_length_apart(before: int, after: int) -> None:
    """Of a long one not each byte is looked at, but its beginning and its end."""

    def said(word: str) -> Prompt:
        return prompt(LONG[:before] + word + LONG[:after], "ok", "go on")

    memory = Memory()
    note(memory, said("first"))
    assert warm(memory, said("first")) == {"a": 1.0} and warm(memory, said("third")) == {}


def test_what_others_write_in_other_forms_is_known_again_too() -> None:
    gemini = [{"parts": [{"text": "hello"}], "role": "user"}, {"parts": [{"text": "hi"}], "role": "model"}]
    said = {"role": "user", "content": "x"}
    memory = Memory()
    for at, (shorter, longer) in enumerate(
        [
            ({"contents": gemini[:1]}, {"contents": [*gemini, gemini[0]]}),
            ({"input": "tell me a story"}, {"input": "tell me a story"}),
            ({"input": [said]}, {"input": [said, {"type": "function_call", "name": "f"}]}),
        ]
    ):
        note(memory, Prompt(question(messages=None, **shorter), "m"), now_s=float(at))
        assert warm(memory, Prompt(question(messages=None, **longer), "m"), float(at)).keys() == {"a"}, shorter


def test_a_common_head_leads_only_prompts_that_are_mostly_head() -> None:
    memory = Memory()
    note(memory, prompt("first question", head="Be kind. " * 40))
    assert warm(memory, prompt("another question", head="Be kind. " * 40)).keys() == {"a"}
    assert warm(memory, prompt("a long question " * 100, head="Be kind. " * 40)) == {}
    assert warm(memory, prompt("another question", head="Be good. " * 40)) == {}


def test_instructions_and_tools_that_stand_aside_are_a_head_too() -> None:
    memory, system = Memory(), "Be kind. " * 400
    note(memory, prompt("first question", system=system, tools=[{"name": "x"}]))
    assert warm(memory, prompt("another question", system=system, tools=[{"name": "x"}])).keys() == {"a"}
    assert warm(memory, prompt("another question", system=system, tools=[{"name": "y"}])) == {}


def test_a_conversation_that_has_a_name_is_known_by_it_whatever_is_said() -> None:
    memory = Memory()
    note(memory, prompt("hello", prompt_cache_key="talk-1"))
    assert warm(memory, prompt("something else", prompt_cache_key="talk-1")) == {"a": 1.0}
    assert warm(memory, prompt("something else", prompt_cache_key="talk-2")) == {}


def test_talks_that_begin_alike_are_told_apart_as_many_as_are_kept() -> None:
    memory = Memory()
    for at in range(ALIKE):
        note(memory, prompt("hello", f"answer {at}", "go on"), (A, B)[at % 2])
    for at in range(ALIKE):
        assert warm(memory, prompt("hello", f"answer {at}", "go on", "yes", "ok")).keys() == {"ab"[at % 2]}


def test_a_cache_that_was_not_used_for_long_is_cold() -> None:
    memory = Memory(RoutingRules(affinity_ttl_s=10))
    note(memory, prompt("hello"), now_s=100.0)
    assert warm(memory, prompt("hello"), 110.0) and not warm(memory, prompt("hello"), 110.1)
    assert not len(memory), "what is cold is forgotten"


def test_no_more_is_remembered_than_allowed_and_the_oldest_goes_first() -> None:
    memory = Memory(RoutingRules(affinity_entries=50))
    for number in range(1000):
        note(memory, prompt(f"conversation {number}"))
    assert len(memory) == 50
    assert warm(memory, prompt("conversation 999")) and not warm(memory, prompt("conversation 900"))


def test_nothing_is_remembered_where_the_operator_wants_nothing_remembered() -> None:
    memory = Memory(RoutingRules(affinity_entries=0))
    note(memory, prompt("hello"))
    assert not len(memory) and not warm(memory, prompt("hello"))


def test_a_copy_takes_nobodys_turn() -> None:
    memory = Memory()
    assert [memory.copy().turn("m"), memory.turn("m"), memory.copy().turn("m"), memory.turn("m")] == [0, 0, 1, 1]


def test_who_was_never_measured_gets_one_turn_and_who_was_not_chosen_for_long_gets_another() -> None:
    memory = Memory(RoutingRules(remeasure_s=30))
    assert [memory.due([A, B], [A, B], 1.0) for _ in range(3)] == [A, B, None]
    late = [memory.due([], [A, B], 32.0) for _ in range(60)]
    assert late.count(A) == late.count(B) == 1


@pytest.mark.parametrize("body", [{"messages": []}, {"messages": None}, {"messages": "x"}, {"input": ""}, {}])
def test_what_is_no_conversation_is_known_again_or_not_at_all(body: dict[str, Any]) -> None:
    memory = Memory()
    asked = Prompt(question(**{"messages": None, **body}), "m")
    note(memory, asked)
    assert warm(memory, asked).keys() <= {"a"}
