"""Where a piece stood is remembered beside the question, and is no part of it."""

import msgspec

from tollway.core.chat import ChatRequest, Message, Role, Text
from tollway.core.places import NOWHERE, Places, numbered


def question(*places: tuple[object, str]) -> ChatRequest:
    return ChatRequest(model="m", messages=(Message(Role.USER, (Text("hi"),)),), places=Places(places))


def test_a_piece_is_known_by_itself_not_by_what_it_says() -> None:
    one, twin = Text("hi"), Text("hi")
    places = Places(numbered([one, twin], "contents[0].parts"))
    assert places.of(twin) == "contents[0].parts[1]"
    assert places.of(Text("hi")) is None and NOWHERE.of(one) is None


def test_questions_that_say_the_same_are_equal() -> None:
    assert question((1, "a")) == question((2, "b")) == question()
    assert question() != msgspec.structs.replace(question(), model="n")


def test_a_change_of_the_question_keeps_its_places() -> None:
    asked = question()
    assert msgspec.structs.replace(asked, model="n").places is asked.places
