"""Seals remembered for callers who cannot carry them: bounded in time, number and size."""

from tollway.core.chat import ChatRequest, Message, Reasoning, Role, Text, ToolCall
from tollway.core.ids import KeyId
from tollway.gateway.pipeline import seals as room
from tollway.gateway.pipeline.seals import Seals

ANN, BOB = KeyId("key_ann"), KeyId("key_bob")
THOUGHT = Reasoning("let me look", "sig==", None, "anthropic")


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def call(name: str = "t1", signature: str | None = None) -> ToolCall:
    return ToolCall(name, "look", "{}", signature=signature, family="gemini" if signature else None)


def asked(*names: str) -> ChatRequest:
    turns = (
        Message(Role.USER, (Text("look"),)),
        Message(Role.ASSISTANT, tuple(call(name) for name in names)),
    )
    return ChatRequest(model="m", messages=turns)


def parts(request: ChatRequest) -> tuple[object, ...]:
    return request.messages[1].parts


def test_a_thought_comes_back_before_the_call_it_led_to() -> None:
    seals = Seals(Hand())
    seals.keep(ANN, call(), (THOUGHT,))
    assert parts(seals.recall(ANN, asked("t1"))) == (THOUGHT, call())


def test_a_signature_comes_back_on_the_call_itself() -> None:
    seals = Seals(Hand())
    seals.keep(ANN, call(signature="g=="), ())
    assert parts(seals.recall(ANN, asked("t1"))) == (call(signature="g=="),)


def test_nobody_gets_anothers_seals() -> None:
    seals = Seals(Hand())
    seals.keep(ANN, call(), (THOUGHT,))
    assert parts(seals.recall(BOB, asked("t1"))) == (call(),)


def test_two_calls_of_one_thought_bring_it_back_once() -> None:
    seals = Seals(Hand())
    for name in ("t1", "t2"):
        seals.keep(ANN, call(name), (THOUGHT,))
    assert parts(seals.recall(ANN, asked("t1", "t2"))) == (THOUGHT, call("t1"), call("t2"))


def test_seals_are_forgotten_after_an_hour_and_leave_no_memory_behind() -> None:
    hand = Hand()
    seals = Seals(hand)
    for number in range(100):
        seals.keep(ANN, call(f"t{number}"), (THOUGHT,))
    hand.now_s += room.KEEP_S + 1
    assert parts(seals.recall(ANN, asked("t1"))) == (call(),)
    seals.keep(ANN, call("new"), (THOUGHT,))
    assert len(seals._kept) == 1
    assert seals._size < 100


def test_what_is_kept_is_bounded_in_number_and_in_size() -> None:
    seals = Seals(Hand())
    long = Reasoning("x" * (room.SEAL_MAX - 100), "sig", None, "anthropic")
    for number in range(1000):
        seals.keep(ANN, call(f"t{number}"), (long,))
    assert seals._size <= room.KEEP_CHARACTERS
    assert parts(seals.recall(ANN, asked("t999")))[0] == long and parts(seals.recall(ANN, asked("t1"))) == (call(),)
    for number in range(room.KEEP_MAX + 10):
        seals.keep(ANN, call(f"s{number}", "g"), ())
    assert len(seals._kept) == room.KEEP_MAX


def test_what_is_too_long_or_holds_no_seal_is_not_kept() -> None:
    seals = Seals(Hand())
    seals.keep(ANN, call(), (Reasoning("x", "y" * (room.SEAL_MAX + 1), None, "anthropic"),))
    seals.keep(ANN, call(), (Reasoning("", None, "z" * (room.SEAL_MAX + 1), "anthropic"),))
    seals.keep(ANN, call(signature="g" * (room.SEAL_MAX + 1)), ())
    seals.keep(ANN, call(), (Reasoning("only words", None, None, None),))
    assert not seals._kept


def test_the_same_call_kept_twice_counts_once() -> None:
    seals = Seals(Hand())
    for _ in range(50):
        seals.keep(ANN, call(), (THOUGHT,))
    assert seals._size < 100
