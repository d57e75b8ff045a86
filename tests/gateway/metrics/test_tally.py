"""Counting has bounds, and passes nothing on that somebody outside has chosen."""

from tests.gateway.metrics.scraping import value
from tollway.core.errors import CreditsExhausted, Fault, Remedy, Unauthenticated
from tollway.core.ids import CallId, ChannelId, KeyId, UserId
from tollway.core.receipt import Attempt, Reason, Receipt
from tollway.core.usage import Usage
from tollway.gateway.metrics import tally as rules
from tollway.gateway.metrics.families import LONGEST, Counts, Levels, clean
from tollway.gateway.metrics.of_calls import Naming, families_of_calls
from tollway.gateway.metrics.tally import OTHER, Tally, reason_of
from tollway.gateway.metrics.times import ANSWERS_MS, Times

NAMING = Naming(
    lambda surface: "/v1/chat/completions", ("/v1/chat/completions",), lambda model: model, lambda _: "chat"
)


def receipt(model: str = "m", reason: Reason = Reason.COMPLETED, surface: str = "s", **attempt: bool) -> Receipt:
    """A call that one channel answered."""
    return Receipt(
        id=CallId("req_1"), user=UserId("usr_1"), key=KeyId("key_1"), reason=reason, surface=surface, model=model,
        asked="whatever he said", stream=False, started_at_s=1.0, duration_ms=200, usage=Usage(input_total=3),
        attempts=(Attempt(ChannelId("c"), "p", "up", 200, started_ms=150, **attempt),),
    )  # fmt: skip


def total(tally: Tally, name: str, **labels: str) -> float:
    return value({one.name: one.metric() for one in families_of_calls(tally, NAMING)}, name, **labels)


def test_however_many_models_there_are_the_cells_are_bounded_and_no_call_is_lost() -> None:
    tally, calls = Tally(), rules.MOST + 500
    tally.ended(receipt(f"m{at}") for at in range(calls))
    assert len(tally.cells) <= rules.MOST + 1
    assert sum(cell.calls for cell in tally.cells.values()) == calls
    assert sum(cell.calls for kind, cell in tally.cells.items() if kind.model == OTHER) == 500


def test_calls_of_a_dead_process_are_not_counted_as_calls_of_this_one() -> None:
    tally = Tally()
    tally.ended([receipt(reason=Reason.EXPIRED, surface="")])
    assert not tally.cells


def test_what_the_paid_key_took_is_counted_apart_and_in_the_whole() -> None:
    tally = Tally()
    tally.ended([receipt(), receipt(fallback=True), receipt()])
    assert total(tally, "account_paid_fallbacks_total", channel="c") == 1
    assert total(tally, "channel_attempts_total", channel="c", outcome="answered") == 3


def test_methods_and_reasons_are_words_of_ours() -> None:
    tally = Tally()
    tally.request("/v1/messages", "BREW-COFFEE", 405, 0.1)
    fault = Fault("my secret", status=400, remedy=Remedy.NONE, code="a-code-the-provider-chose")
    tally.refused("/v1/messages", fault)
    assert total(tally, "api_requests_total", method=OTHER) == 1
    assert reason_of(fault) == "fault" and reason_of(Unauthenticated) == "unauthenticated"
    assert reason_of(CreditsExhausted(0, 1)) == "credits_exhausted"


def test_buckets_count_what_is_no_longer_than_their_edge() -> None:
    times = Times(ANSWERS_MS)
    for milliseconds in (0, 50, 51, 300_000, 300_001):
        times.took(milliseconds)
    told = dict(times.buckets)
    assert (told["0.05"], told["0.1"], told["300"], told["+Inf"]) == (2, 3, 4, 5)


def test_labels_are_short_and_plain_and_those_that_become_one_are_added_up() -> None:
    assert clean('a "b"\n{c}é') == "a__b__{c}_" and len(clean("x" * 200)) == LONGEST
    counts, levels = Counts("n_total", "", ("a",)), Levels("l", "", ("a",))
    for name in ("x" * 80, "x" * 81, "x" * 82):
        counts.add(1, name)
        levels.most(len(name), name)
    assert counts.values == {("x" * 80,): 3} and levels.values == {("x" * 80,): 82}
