"""A vector in either of its two forms is the same numbers."""

import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.embedding import Vector


@given(numbers=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_a_round_trip_changes_no_number(numbers: list[float]) -> None:
    packed = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    listed = Vector(packed=packed).as_listed()
    assert json.loads(listed) == numbers
    assert Vector(listed=listed).as_packed() == packed


def test_a_form_that_is_there_already_is_not_touched() -> None:
    assert Vector(listed=b"[1.500, 2]").as_listed() == b"[1.500, 2]"
    assert Vector(packed="AAAAPwAAgL8=").as_packed() == "AAAAPwAAgL8="


@pytest.mark.parametrize("listed", [b"[]", b"[null]", b'["a"]', b"{}", b"[1"])
def test_a_list_of_something_else_is_no_vector(listed: bytes) -> None:
    with pytest.raises(ValueError):
        Vector(listed=listed).as_packed()


@pytest.mark.parametrize("packed", ["", "AAAA", "?", "AADAfw==", "AACAfw=="])
def test_base64_of_something_else_is_no_vector(packed: str) -> None:  # the last two: no number, and infinity
    with pytest.raises(ValueError):
        Vector(packed=packed).as_listed()
