"""Words, all nine pairings: three SDKs, three providers, in every way an SDK can ask."""

import pytest

from tests.journeys import asked
from tests.journeys.speech import STREAM, WAYS, WHOLE, Loop, Spent, Wish
from tests.journeys.table import MODELS, Table, everywhere
from tests.journeys.till import charge_nano_usd, sold
from tests.mocks.script import CITED_URL, REFUSAL

EVERY_WAY = pytest.mark.parametrize(("sdk", "model", "way"), everywhere(*WAYS))
EITHER_WAY = pytest.mark.parametrize(("sdk", "model", "way"), everywhere(WHOLE, STREAM))
ACROSS = pytest.mark.parametrize(
    ("sdk", "model", "way"), [row for row in everywhere(WHOLE, STREAM) if MODELS[row[1]] != row[0]]
)

STOPPED = {"openai": "stop", "anthropic": "end_turn", "gemini": "STOP"}
CUT_SHORT = {"openai": "length", "anthropic": "max_tokens", "gemini": "MAX_TOKENS"}


@EVERY_WAY
def test_words_are_answered(table: Table, sdk: str, model: str, way: str) -> None:
    heard = table.talk(sdk, model, way).say("hello  there,\n“wörld” 🌍")
    assert heard.text == "You said: hello there, “wörld” 🌍"
    assert heard.finish == STOPPED[sdk]
    assert heard.dropped == []


@EITHER_WAY
def test_instructions_and_earlier_turns_arrive(table: Table, sdk: str, model: str, way: str) -> None:
    talk = table.talk(sdk, model, way, system="Be brief.\nBe kind.")
    talk.say("one")
    heard = talk.say("two")
    assert heard.text == "You said: two"
    body = talk.asked.json
    assert asked.system(talk.vendor, body) == "Be brief.\nBe kind."
    assert asked.dialogue(talk.vendor, body) == [("user", "one"), ("model", "You said: one"), ("user", "two")]


@EVERY_WAY
def test_a_limit_ends_the_answer_in_the_sdks_own_word(table: Table, sdk: str, model: str, way: str) -> None:
    talk = table.talk(sdk, model, way, limit=3)
    heard = talk.say("[[long:10]]")
    assert heard.text == "word0 word1 word2"
    assert heard.finish == CUT_SHORT[sdk]
    assert asked.limit(talk.vendor, talk.asked.json) == 3


@EITHER_WAY
def test_a_stop_sequence_ends_the_answer(table: Table, sdk: str, model: str, way: str) -> None:
    talk = table.talk(sdk, model, way, stop=["END", "FIN"])
    heard = talk.say("[[stop]] words")
    assert heard.text == "You said: words"
    assert asked.stops(talk.vendor, talk.asked.json) == ["END", "FIN"]
    named = sdk == talk.vendor == "anthropic"  # only Anthropic says that it was a sequence
    assert heard.finish == ("stop_sequence" if named else STOPPED[sdk])


@EITHER_WAY
def test_tokens_read_from_and_written_to_a_cache_are_told_and_charged(
    table: Table, sdk: str, model: str, way: str
) -> None:
    heard = table.talk(sdk, model, way).say("[[cached]] remember")
    assert heard.spent.cache_read == 100
    assert heard.spent.input > 150


@EITHER_WAY
def test_sources_are_cited(table: Table, sdk: str, model: str, way: str) -> None:
    heard = table.talk(sdk, model, way, search=True).say("[[cite]] a fact")
    assert heard.text == "You said: a fact"
    assert heard.cited == [CITED_URL]


@EITHER_WAY
def test_a_refusal_is_heard_as_one(table: Table, sdk: str, model: str, way: str) -> None:
    talk = table.talk(sdk, model, way)
    heard = talk.say("[[refuse]] something")
    assert REFUSAL in (heard.refusal, heard.text)
    word = {"openai": "content_filter", "anthropic": "refusal", "gemini": "SAFETY"}[sdk]
    if talk.vendor == "openai" and sdk != "anthropic":  # OpenAI's model refuses in words and ends like any other
        word = STOPPED[sdk]
    assert heard.finish == word
    assert bool(heard.refusal) == (sdk != "gemini" or word == "SAFETY") or talk.vendor != "openai"
    assert talk.say("go on").text == "You said: go on"


@pytest.mark.parametrize("way", [WHOLE, STREAM])
@pytest.mark.parametrize("model", ["gpt-5-mini", "gemini-3-flash"])
@pytest.mark.parametrize("sdk", ["openai", "gemini"])
def test_several_answers_at_once(table: Table, sdk: str, model: str, way: str) -> None:
    heard = table.talk(sdk, model, way, answers=3).say("choose")
    assert heard.texts == ["You said: choose"] * 3


def test_what_is_left_is_what_was_given_less_what_the_receipts_say(table: Table, loop: Loop) -> None:
    own = Table.of(table.hub, table.vendors, table.hub.user(5000)[1], loop)
    for sdk, model, way in everywhere(STREAM, WHOLE):
        heard = own.talk(sdk, model, way).say(f"hello from {sdk} {way}")
    left = float(heard.headers["x-tollway-credits-remaining"])
    assert way == WHOLE, "a stream tells what is left before it is settled"
    assert left == pytest.approx(5000 - own.paid_nano_usd / 1e6, abs=1e-6)


@ACROSS
def test_tokens_the_provider_did_not_count_are_estimated_and_told_alike(
    table: Table, sdk: str, model: str, way: str
) -> None:
    tongue = table.tongues[sdk]
    heard = tongue.ask(way, model, [tongue.user("[[nousage]] one two three", [])], Wish())
    receipt = table.hub.receipt(heard.id, table.key)
    tokens = receipt["tokens"]
    assert tokens["source"] == "estimate"
    assert 0 < tokens["input_total"] < 100
    assert 0 < tokens["output_total"] < 50
    assert receipt["charge"]["nano_usd"] == charge_nano_usd(
        Spent(tokens["input_total"], tokens["output_total"]), sold(model, MODELS[model]).price
    )
    assert heard.spent == Spent(tokens["input_total"], tokens["output_total"])


@ACROSS
def test_an_answer_without_a_word_costs_nothing(table: Table, sdk: str, model: str, way: str) -> None:
    tongue = table.tongues[sdk]
    heard = tongue.ask(way, model, [tongue.user("[[empty]]", [])], Wish())
    receipt = table.hub.receipt(heard.id, table.key)
    assert heard.text == ""
    assert (receipt["reason"], receipt["charge"]["nano_usd"]) == ("empty", 0)
