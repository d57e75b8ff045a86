"""Pictures, documents and sound, all pairings."""

import base64

import pytest

from tests.journeys.speech import DOCUMENT, LINKED_DOCUMENT, LINKED_PICTURE, PDF, PICTURE, SOUND, STREAM, WAV, WHOLE
from tests.journeys.table import SDKS, Table, everywhere
from tests.mocks.script import PNG, Medium

EITHER_WAY = pytest.mark.parametrize(("sdk", "model", "way"), everywhere(WHOLE, STREAM))

EITHER_WAY_TO_DRAW = pytest.mark.parametrize(("sdk", "way"), [(sdk, way) for sdk in SDKS for way in (WHOLE, STREAM)])


@EITHER_WAY
def test_a_picture_is_seen_byte_for_byte(table: Table, sdk: str, model: str, way: str) -> None:
    heard = table.talk(sdk, model, way).say("look", PICTURE, PICTURE)
    shown = Medium("image", "image/png", PNG)
    assert heard.text == f"You said: look {shown} {shown}"
    assert heard.spent.input > 20


@EITHER_WAY
def test_a_linked_picture_is_fetched_by_the_provider(table: Table, sdk: str, model: str, way: str) -> None:
    heard = table.talk(sdk, model, way).say("look", LINKED_PICTURE)
    assert heard.text == f"You said: look [image url {LINKED_PICTURE.url}]"


@EITHER_WAY
def test_a_document_is_read(table: Table, sdk: str, model: str, way: str) -> None:
    heard = table.talk(sdk, model, way).say("read", DOCUMENT)
    assert heard.text == f"You said: read {Medium('file', 'application/pdf', PDF)}"


@pytest.mark.parametrize(
    ("sdk", "model"), [(sdk, model) for sdk in ("anthropic", "gemini") for model in ("claude-haiku", "gemini-3-flash")]
)
def test_a_linked_document_is_fetched_by_the_provider(table: Table, sdk: str, model: str) -> None:
    heard = table.talk(sdk, model).say("read", LINKED_DOCUMENT)
    assert heard.text == f"You said: read [file url {LINKED_DOCUMENT.url}]"


@EITHER_WAY
def test_a_picture_of_an_earlier_turn_stays(table: Table, sdk: str, model: str, way: str) -> None:
    talk = table.talk(sdk, model, way)
    talk.say("look", PICTURE)
    heard = talk.say("and now")
    assert heard.text == "You said: and now"
    assert base64.b64encode(PNG) in talk.asked.body


@pytest.mark.parametrize("way", [WHOLE, STREAM])
@pytest.mark.parametrize("model", ["gpt-5-mini", "gemini-3-flash"])
@pytest.mark.parametrize("sdk", ["openai", "gemini"])
def test_sound_is_heard_where_the_provider_has_ears(table: Table, sdk: str, model: str, way: str) -> None:
    heard = table.talk(sdk, model, way).say("listen", SOUND)
    assert heard.text == f"You said: listen {Medium('audio', 'audio/wav', WAV)}"


@EITHER_WAY_TO_DRAW
def test_a_drawn_picture_arrives_and_is_paid_as_one(table: Table, sdk: str, way: str) -> None:
    talk = table.talk(sdk, "gemini-3-image", way)
    heard = talk.say("[[image]] draw")
    assert heard.text.startswith("You said: draw")
    if sdk == "anthropic":  # Claude never draws, so its format has no place for a picture but the text
        assert f"![image](data:image/png;base64,{base64.b64encode(PNG).decode()})" in heard.text
    else:
        assert heard.pictures == [PNG]
    assert talk.say("[[image]] once more").text.startswith("You said: once more")
    assert base64.b64encode(PNG) in talk.asked.body, "the first picture is shown to the model again"
