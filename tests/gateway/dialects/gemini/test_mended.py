"""What a caller of this dialect sends back may hold other providers' answers, and answers in pieces."""

import json
from typing import Any

import msgspec

from tests.gateway.dialects.gemini.asking import read
from tollway.core.chat import Message, Reasoning, Role, Text
from tollway.gateway.dialects.gemini.mended import mended
from tollway.gateway.dialects.gemini.seals import Seal, write_seal
from tollway.gateway.dialects.gemini.write_contents import BYPASS

from .asking import OPAQUE

THREE, TWO = "gemini-3-flash-preview", "gemini-2.5-flash"
WRAPPED = write_seal(Seal("anthropic", "sig"), OPAQUE)
CALL = {"functionCall": {"name": "f", "args": {}}}
ASK = {"role": "user", "parts": [{"text": "hi"}]}
TOLD = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}


def mend(*turns: dict[str, Any], model: str = THREE) -> Any:
    return json.loads(msgspec.json.encode(mended(msgspec.Raw(json.dumps(turns).encode()), model)))


def said(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def test_a_conversation_with_google_alone_keeps_its_very_bytes() -> None:
    sealed = said(CALL | {"thoughtSignature": "c2ln"}, CALL)
    for turns in ([ASK], [ASK, sealed, TOLD], [ASK, said({"text": "x", "thought": True}), ASK]):
        raw = msgspec.Raw(json.dumps(turns).encode())
        assert mended(raw, THREE) is raw
    unsealed = msgspec.Raw(json.dumps([ASK, said(CALL), TOLD]).encode())
    assert mended(unsealed, TWO) is unsealed


def test_another_familys_thought_goes_and_its_words_stay() -> None:
    thought = {"text": "hm", "thought": True, "thoughtSignature": WRAPPED}
    hidden = {"text": "", "thought_signature": WRAPPED}
    words = {"text": "hello", "thoughtSignature": WRAPPED}
    assert mend(ASK, said(thought, hidden, words), ASK, model=TWO) == [ASK, said({"text": "hello"}), ASK]
    assert mend(ASK, said(hidden), ASK) == [ASK, ASK]


def test_a_call_of_another_model_gets_the_bypass_value_once_a_turn() -> None:
    sealed = CALL | {"thoughtSignature": BYPASS}
    assert mend(ASK, said(CALL, CALL), TOLD) == [ASK, said(sealed, CALL), TOLD]
    assert mend(ASK, said({"text": "a"}), said(CALL), TOLD)[2] == said(sealed)
    assert mend(ASK, said(CALL | {"thoughtSignature": WRAPPED}), TOLD) == [ASK, said(sealed), TOLD]
    own = CALL | {"thoughtSignature": "c2ln"}
    assert mend(ASK, said(own), said(CALL), TOLD) == [ASK, said(own), said(CALL), TOLD]


def test_untouched_parts_of_a_mended_conversation_keep_their_bytes() -> None:
    raw = b'[{"role":"model","parts":[{"functionCall":{"name":"f","args":{"x":1.10,"y":1e2}}}]}]'
    assert b'{"x":1.10,"y":1e2}' in msgspec.json.encode(mended(msgspec.Raw(raw), THREE))


def test_what_cannot_be_read_is_left_to_google() -> None:
    for wrong in (b'"functionCall"', b'[{"role":"model","parts":"functionCall"}]', b'[{"functionCall":'):
        raw = msgspec.Raw(wrong)
        assert mended(raw, THREE) is raw


def test_words_and_thoughts_that_were_streamed_are_read_in_one_piece() -> None:
    parts = [
        {"text": "let", "thought": True},
        {"text": " me", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": WRAPPED},
        {"text": "one"},
    ]
    turns = [ASK, said(*parts), said({"text": "\n\n"}), said({"text": "two"}), ASK]
    spoken = read(json.dumps({"contents": turns}).encode()).messages[1]
    thought = Reasoning("let me", "sig", family="anthropic")
    assert spoken == Message(Role.ASSISTANT, (thought, Text("one\n\ntwo")))


def test_an_encrypted_thought_is_not_mixed_with_words_before_it() -> None:
    hidden = write_seal(Seal("anthropic", None, "data"), OPAQUE)
    turn = said({"text": "aloud", "thought": True}, {"text": "", "thought": True, "thoughtSignature": hidden})
    spoken = read(json.dumps({"contents": [ASK, turn, ASK]}).encode()).messages[1]
    assert spoken.parts == (Reasoning("aloud"), Reasoning("", redacted="data", family="anthropic"))
