"""What is known of an engine's load between two of its own words."""

import pytest

from tollway.gateway.engine import Gauges
from tollway.gateway.engines.load import TYPICAL_TOKENS, Busy, EngineLoad


def engine(slots: int | None = None) -> Busy:
    return Busy(stale_s=5.0, slots=slots)


def seen(busy: Busy, now_s: float) -> tuple[int, int]:
    load = busy.load(now_s)
    return load.running, load.waiting


def test_its_own_word_is_taken_while_it_is_fresh() -> None:
    busy = engine()
    busy.told(Gauges(running=3, waiting=2, kv_used=0.4), 10.0, 10.1)
    assert busy.load(11.1) == EngineLoad(3, 2, 0.4, None, 1.0)
    assert busy.load(15.2) == EngineLoad(0, 0, None, None, None), "an old word is worth nothing"


def test_calls_of_ours_since_its_last_word_wait_until_it_says_otherwise() -> None:
    busy = engine()
    busy.told(Gauges(running=1, waiting=0), 10.0, 10.1)
    burst = [busy.began(100, 10.2) for _ in range(20)]
    assert seen(busy, 10.3) == (1, 20)
    busy.spoke(burst[0], 10.4)
    assert seen(busy, 10.5) == (2, 19)
    busy.told(Gauges(running=21, waiting=0), 11.0, 11.1)
    assert seen(busy, 11.2) == (21, 0), "it has counted them"


def test_calls_that_ended_since_its_last_word_have_made_room() -> None:
    busy = engine()
    calls = [busy.began(100, 9.0) for _ in range(5)]
    busy.told(Gauges(running=3, waiting=2), 10.0, 10.1)
    for ended, left in enumerate([(3, 1), (3, 0), (2, 0), (1, 0), (0, 0)]):
        busy.ended(calls[ended], 10.2, whole=True)
        assert seen(busy, 10.3) == left
    busy.ended(calls[0], 10.4, whole=True)
    assert seen(busy, 10.5) == (0, 0), "nobody ends twice"


def test_a_call_that_begins_and_ends_between_two_words_leaves_no_trace() -> None:
    busy = engine()
    busy.told(Gauges(running=1, waiting=1), 10.0, 10.1)
    busy.ended(busy.began(100, 10.2), 10.3, whole=True)
    assert seen(busy, 10.4) == (1, 1)


def test_a_fixed_number_of_slots_is_filled_before_anybody_waits() -> None:
    busy = engine()
    busy.told(Gauges(running=1, waiting=0, slots=2), 10.0, 10.1)
    first = busy.began(100, 10.2)
    assert seen(busy, 10.3) == (2, 0)
    busy.began(100, 10.2)
    assert seen(busy, 10.3) == (2, 1)
    busy.ended(first, 10.4, whole=True)
    assert seen(busy, 10.5) == (2, 0)


def test_of_a_silent_engine_only_our_own_calls_are_known() -> None:
    busy = engine(slots=1)  # as Ollama is
    busy.told(Gauges(), 10.0, 10.1)
    calls = [busy.began(100, 10.2) for _ in range(3)]
    assert busy.load(10.3) == EngineLoad(1, 2, None, None, None)
    busy.ended(calls[0], 10.4, whole=True)
    assert seen(busy, 10.5) == (1, 1)
    without_slots = engine()
    call = without_slots.began(100, 10.2)
    without_slots.began(100, 10.2)
    without_slots.spoke(call, 10.3)
    assert seen(without_slots, 10.4) == (1, 1), "who has spoken runs, who has not may wait"


def test_its_reading_speed_is_what_it_measured_itself() -> None:
    busy = engine()
    busy.told(Gauges(running=0, waiting=0, prompt_tokens=1000.0, prompt_seconds=10.0), 1.0, 1.0)
    assert busy.prefill_per_s is None, "one word is no difference"
    busy.told(Gauges(running=0, waiting=0, prompt_tokens=3000.0, prompt_seconds=11.0), 2.0, 2.0)
    assert busy.prefill_per_s == 2000.0
    busy.told(Gauges(running=0, waiting=0, prompt_tokens=3000.0, prompt_seconds=11.0), 3.0, 3.0)
    assert busy.prefill_per_s == 2000.0, "nothing new was measured"
    busy.told(Gauges(running=0, waiting=0, prompt_tokens=10.0, prompt_seconds=0.1), 4.0, 4.0)
    assert busy.prefill_per_s == 2000.0, "it was started anew"
    busy.told(Gauges(running=0, waiting=0, prompt_tokens=1010.0, prompt_seconds=1.1), 5.0, 5.0)
    assert busy.prefill_per_s == pytest.approx(1700.0)


def test_where_it_does_not_measure_we_do_when_nobody_else_is_there() -> None:
    busy = engine(slots=1)
    alone = busy.began(1000, 10.0)
    crowded = busy.began(1000, 10.0)
    busy.spoke(alone, 10.5)
    busy.spoke(crowded, 20.0)
    assert busy.prefill_per_s == 2000.0
    assert busy.first_token_s == pytest.approx(0.5 + 0.3 * 9.5)


def test_the_first_token_is_expected_after_all_that_must_be_read_before_it() -> None:
    busy = engine()
    told = Gauges(running=2, waiting=1, prompt_tokens=0.0, prompt_seconds=0.0)
    busy.told(told, 1.0, 1.0)
    assert busy.first_token_in_s(100, busy.load(1.1)) is None, "nothing measured yet"
    busy.told(Gauges(running=2, waiting=1, prompt_tokens=1000.0, prompt_seconds=1.0), 2.0, 2.0)
    assert busy.first_token_in_s(500, busy.load(2.1)) == pytest.approx((500 + TYPICAL_TOKENS) / 1000)
    busy.began(3000, 2.2)
    assert busy.first_token_in_s(500, busy.load(2.3)) == pytest.approx((500 + 3000 + 3000) / 1000)


def test_where_slots_are_full_the_wait_is_that_of_whole_calls() -> None:
    busy = engine(slots=2)
    first = busy.began(1000, 0.0)
    busy.spoke(first, 1.0)
    busy.ended(first, 4.0, whole=True)
    assert busy.call_s == 4.0
    busy.began(100, 5.0)
    assert busy.first_token_in_s(500, busy.load(5.0)) == 0.5, "a slot is free"
    busy.began(100, 5.0)
    assert busy.first_token_in_s(500, busy.load(5.0)) == 0.5 + 1 * 4.0 / 2
    busy.began(100, 5.0)
    assert busy.first_token_in_s(500, busy.load(5.0)) == 0.5 + 2 * 4.0 / 2


def test_a_call_that_failed_says_nothing_of_how_long_calls_take() -> None:
    busy = engine()
    busy.ended(busy.began(100, 0.0), 60.0, whole=False)
    assert busy.call_s is None and seen(busy, 61.0) == (0, 0)
