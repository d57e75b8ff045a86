"""A prompt as a chain of hashes, one for its head and one for each turn, so that a longer prompt is known again."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple
from zlib import crc32

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
    """Known again in this process only, unless the marks are `shared`."""
    share: float
    """How much of the prompt it is, 0 to 1."""
    is_head: bool
    """Nothing but instructions and tools, which many conversations may begin with."""


def marks_of(prompt: Question, model: str, shared: bool = False) -> Sequence[Mark]:
    """The prefixes of a prompt, the longest first; above all the conversation's name, if the caller gave it one.

    `shared`: the same in every process, which takes a little longer. Whoever makes two prompts look alike gains no more
    than by sending the same prompt twice: a channel is preferred whose cache is cold.
    """
    body = prompt.body
    chain, size = crc32(model.encode()) if shared else hash(model), 0
    found: list[tuple[int, int, bool]] = []
    for name in () if _HEADS.isdisjoint(body) else HEADS:
        if name in body:
            data = _bytes(body[name])
            chain, size = crc32(data, chain) if shared else hash((chain, data)), size + len(data)
    if size:
        found.append((chain, size, True))
    heading = True
    for name in TURNS:
        for turn in _turns_of(body[name]) if name in body else ():
            heading = heading and _is_instruction(turn)
            chain, size = crc32(turn, chain) if shared else hash((chain, turn)), size + len(turn)
            found.append((chain, size, heading))
    if shared:  # with its length, a prompt is as good as never taken for another
        found = [(upto << 32 | digest, upto, is_head) for digest, upto, is_head in found]
    marks = [Mark(digest, upto / (size or 1), is_head) for digest, upto, is_head in reversed(found)]
    for name in () if _NAMES.isdisjoint(body) else NAMES:
        if name in body:
            marks.insert(0, Mark(_named(model, prompt.caller.user, _bytes(body[name]), shared), 1.0, False))
            break
    return marks


def _named(model: str, user: str, name: bytes, shared: bool) -> int:
    """The mark of a conversation that has a name, which is its user's own."""
    if not shared:
        return hash((model, user, name))
    words = b"\0".join((model.encode(), user.encode(), name))
    return -int.from_bytes(blake2b(words, digest_size=7).digest(), "big")


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
