"""A prompt as a chain of hashes, one for its head and one for each turn, so that a longer prompt is known again."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tollway.gateway.routing.question import Question

HEADS = ("tools", "functions", "system", "systemInstruction", "system_instruction", "instructions")
"""What providers put in front of all turns, in the order their caches go by."""
TURNS = ("messages", "contents", "input", "prompt")
NAMES = ("prompt_cache_key", "conversation_id", "session_id", "conversation")
"""Fields by which callers name a conversation."""
_HEADS, _NAMES = frozenset(HEADS), frozenset(NAMES)
MOST_TURNS = 256
MOST_BYTES = 256 * 1024
"""What comes after is not looked at: the prefix is long enough to be known again."""
_FIRST_WORDS = 48
_USERS = (b'{"role":"user"', b'{"role": "user"')
_turns = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Mark(NamedTuple):
    """A prefix of a prompt."""

    digest: int
    """Known again in this process only."""
    share: float
    """How much of the prompt it is, 0 to 1."""
    is_head: bool
    """Nothing but instructions and tools, which many conversations may begin with."""


def marks_of(prompt: Question, model: str) -> Sequence[Mark]:
    """The prefixes of a prompt, the longest first; above all the conversation's name, if the caller gave it one."""
    body = prompt.body
    chain, size = hash(model), 0
    found: list[tuple[int, int, bool]] = []
    for name in () if _HEADS.isdisjoint(body) else HEADS:
        if name in body:
            data = _bytes(body[name])
            chain, size = hash((chain, data)), size + len(data)
    if size:
        found.append((chain, size, True))
    heading = True
    for name in TURNS:
        for turn in _turns_of(body[name]) if name in body else ():
            heading = heading and _is_instruction(turn)
            chain, size = hash((chain, turn)), size + len(turn)
            found.append((chain, size, heading))
    marks = [Mark(digest, upto / (size or 1), is_head) for digest, upto, is_head in reversed(found)]
    for name in () if _NAMES.isdisjoint(body) else NAMES:
        if name in body:
            marks.insert(0, Mark(hash((model, prompt.caller.user, _bytes(body[name]))), 1.0, False))
            break
    return marks


def _turns_of(value: object) -> list[bytes]:
    """The turns of a conversation as they came; a prompt that is one text is one turn."""
    data = _bytes(value)
    if data[:1] != b"[":
        return [data[:MOST_BYTES]]
    if len(data) <= MOST_BYTES:
        return [bytes(turn) for turn in _turns(data)[:MOST_TURNS]]
    turns: list[bytes] = []
    left = MOST_BYTES
    for turn in _turns(data)[:MOST_TURNS]:
        turns.append(bytes(turn)[:left])
        left -= len(turns[-1])
        if left <= 0:
            break
    return turns


def _bytes(value: object) -> bytes:
    return bytes(value) if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)


def _is_instruction(turn: bytes) -> bool:
    if turn.startswith(_USERS):
        return False
    start = turn[:_FIRST_WORDS]
    return b'"system"' in start or b'"developer"' in start
