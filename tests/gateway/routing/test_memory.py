"""What routing remembers: bounded, and not for ever."""

from tests.gateway.routing.pools import channel, pool, question

from tollway.core.routing import RoutingRules
from tollway.gateway.routing.memory import Memory
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.prefix import Mark, marks_of

A, B = pool(channel("a"), channel("b"))


def marks(*texts: str, head: str = "", **stated: str) -> list[Mark]:
    turns = [{"role": "system", "content": head}] if head else []
    turns += [{"role": "user", "content": text} for text in texts]
    return list(marks_of(question(messages=turns, **stated), "m"))


def warm(memory: Memory, found: list[Mark], now_s: float = 0.0) -> dict[str, float]:
    return {lane: share for (lane, _), share in memory.warm(found, now_s).items()}


def note(memory: Memory, found: list[Mark], one: Candidate = A, now_s: float = 0.0) -> None:
    memory.note(found, one, now_s)


def test_a_longer_conversation_is_known_again_by_its_beginning() -> None:
    memory = Memory()
    note(memory, marks("how are you?"))
    assert warm(memory, marks("how are you?", "and now?")).keys() == {"a"}
    assert warm(memory, marks("who are you?", "and now?")) == {}


def test_the_longest_known_prefix_decides_and_says_how_much_of_the_prompt_it_is() -> None:
    memory = Memory()
    note(memory, marks("one " * 50), A)
    note(memory, marks("one " * 50, "two " * 50), B)
    found = warm(memory, marks("one " * 50, "two " * 50, "three"))
    assert found["b"] > 0.9 and 0.4 < found.get("a", 0.5) < 0.6


def test_the_same_words_said_to_another_model_are_another_prompt() -> None:
    turns = question(text="hello")
    assert marks_of(turns, "m")[0].digest != marks_of(turns, "n")[0].digest


def test_a_common_head_leads_only_prompts_that_are_mostly_head() -> None:
    memory = Memory()
    note(memory, marks("first question", head="Be kind. " * 40))
    assert warm(memory, marks("another question", head="Be kind. " * 40)).keys() == {"a"}
    assert warm(memory, marks("a long question " * 100, head="Be kind. " * 40)) == {}


def test_a_conversation_that_has_a_name_is_known_by_it_whatever_is_said() -> None:
    memory = Memory()
    note(memory, marks("hello", prompt_cache_key="talk-1"))
    assert warm(memory, marks("something else", prompt_cache_key="talk-1")) == {"a": 1.0}
    assert warm(memory, marks("something else", prompt_cache_key="talk-2")) == {}


def test_a_cache_that_was_not_used_for_long_is_cold() -> None:
    memory = Memory(RoutingRules(affinity_ttl_s=10))
    note(memory, marks("hello"), now_s=100.0)
    assert warm(memory, marks("hello"), 110.0) and not warm(memory, marks("hello"), 110.1)
    assert not len(memory), "what is cold is forgotten"


def test_no_more_is_remembered_than_allowed_and_the_oldest_goes_first() -> None:
    memory = Memory(RoutingRules(affinity_entries=50))
    for number in range(1000):
        note(memory, marks(f"conversation {number}"))
    assert len(memory) == 50
    assert warm(memory, marks("conversation 999")) and not warm(memory, marks("conversation 900"))


def test_nothing_is_remembered_where_the_operator_wants_nothing_remembered() -> None:
    memory = Memory(RoutingRules(affinity_entries=0))
    note(memory, marks("hello"))
    assert not len(memory) and not warm(memory, marks("hello"))


def test_a_copy_takes_nobodys_turn() -> None:
    memory = Memory()
    assert [memory.copy().turn("m"), memory.turn("m"), memory.copy().turn("m"), memory.turn("m")] == [0, 0, 1, 1]


def test_who_was_never_measured_gets_one_turn_and_who_was_not_chosen_for_long_gets_another() -> None:
    memory = Memory(RoutingRules(remeasure_s=30))
    assert [memory.due([A, B], [A, B], 1.0) for _ in range(3)] == [A, B, None]
    late = [memory.due([], [A, B], 32.0) for _ in range(60)]
    assert late.count(A) == late.count(B) == 1


def test_a_huge_prompt_is_known_by_its_beginning_and_what_is_no_list_is_one_turn() -> None:
    long = marks(*("word " * 200 for _ in range(2000)))
    assert len(long) < 300
    spoken = marks_of(question(messages=None, input="tell me a story"), "m")
    assert len(spoken) >= 1
