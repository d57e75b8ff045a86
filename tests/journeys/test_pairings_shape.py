"""Answers of a given shape, all nine pairings, through each SDK's own convenience."""

import enum

import pytest
from pydantic import BaseModel

from tests.journeys.speech import STREAM, WAYS
from tests.journeys.table import Table, everywhere


class Sky(enum.Enum):
    CLEAR = "clear"
    CLOUDY = "cloudy"


class Place(BaseModel):
    city: str
    country: str


class Report(BaseModel):
    """A forecast."""

    place: Place
    degrees: int
    sky: Sky
    sunny: bool
    notes: list[str]


EXPECTED = Report(place=Place(city="text", country="text"), degrees=1, sky=Sky.CLEAR, sunny=True, notes=["text"])


@pytest.mark.parametrize(("sdk", "model", "way"), everywhere(*WAYS))
def test_an_answer_has_the_shape_asked_for(table: Table, sdk: str, model: str, way: str) -> None:
    heard = table.talk(sdk, model, way, shape=Report).say("forecast")
    assert Report.model_validate_json(heard.text) == EXPECTED
    if STREAM not in way and not (sdk == "gemini" and "sugar" in way):  # Google's SDK parses only whole answers
        assert heard.parsed == EXPECTED
    assert heard.dropped == []
