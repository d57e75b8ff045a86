"""By what a prompt is known again: a few windows of it are read, so that a long one costs no more than a short one."""

from zlib import crc32

import msgspec

from tollway.gateway.dialect import Body
from tollway.gateway.routing.question import Question

HEADS = ("tools", "functions", "system", "systemInstruction", "system_instruction", "instructions")
"""What providers put in front of all turns, in the order their caches go by."""
TURNS = ("messages", "contents", "input", "prompt")
NAMES = ("prompt_cache_key", "conversation_id", "session_id", "conversation")
"""Fields by which callers name a conversation."""
_RARE = frozenset(HEADS + NAMES)
FIRST_WORDS = 192
"""So much of what its user says first names a conversation, ..."""
BEFORE = 64
"""... with so much of what stands before it."""
EXACT = 1024
"""Every byte of a beginning as short as this is compared; of a longer one ..."""
WINDOW = 128
"""... so many at its end, in its middle and at three quarters."""
SMALL, MOST_HEAD = 4096, 64 * 1024
"""Nobody looks for the user's first words beyond this."""
HEAD_SHARE = 0.5
"""What many conversations begin with leads only prompts of which it is at least so much."""
_USER = b'"user"'
_SPACES = b" \r\n\t"


class Prompt:
    """One prompt. Its numbers are the same in every process; nobody can tell from them what was asked."""

    __slots__ = ("_aside", "_text", "aside_key", "end", "first", "head_key", "name_key", "talk_key")

    def __init__(self, asked: Question, model: str) -> None:
        body = asked.body
        seed = crc32(model.encode())
        self.name_key = self.aside_key = self._aside = 0
        """The number of the conversation's name, where its caller gave it one; of instructions that stand aside."""
        if not _RARE.isdisjoint(body):
            self.name_key = _name_key(asked, seed)
            seed, self._aside = _aside(body, seed)
            self.aside_key = seed << 32 if self._aside else 0
        whole: bytes | msgspec.Raw = b""
        for field in TURNS:
            if field in body:
                whole = _buffer(body[field])
                break
        text: bytes | memoryview
        if asked.size <= SMALL:
            text = start = bytes(whole)
        else:
            text = memoryview(whole)
            start = bytes(text[:SMALL])
        self._text = text
        end = len(text) - 1  # a longer conversation goes on before the last bracket
        while end > 0 and text[end - 1] in _SPACES:
            end -= 1
        self.end = max(end, 0)
        """Where the turns end."""
        first = start.find(_USER)
        if first < 0:
            start = bytes(text[:MOST_HEAD])
            first = max(start.find(_USER, SMALL - len(_USER)), 0)
        self.first = first
        """Where the user's first words begin."""
        until = start.find(b"}", first, first + FIRST_WORDS)
        words = start[first - BEFORE if first > BEFORE else 0 : until if until > 0 else first + FIRST_WORDS]
        self.talk_key = crc32(words, seed) << 32 | first
        """The number of how the conversation begins; others may begin like that."""
        self.head_key = crc32(start[max(first - WINDOW, 0) : first], seed) << 32 | first if first > BEFORE else 0
        """The number of the instructions before the user's first words."""

    def check(self, end: int) -> int:
        """A number of the turns up to there."""
        text = self._text
        if end <= EXACT:
            return crc32(text[:end])
        half, quarter = end >> 1, end >> 2
        found = crc32(text[end - WINDOW : end])
        found = crc32(text[half : half + WINDOW], found)
        return crc32(text[half + quarter : half + quarter + WINDOW], found)

    def share(self, end: int) -> float:
        """How much of the prompt the turns up to there are, with what stands beside them, 0 to 1."""
        return (self._aside + end) / (self._aside + self.end or 1)


def _name_key(asked: Question, seed: int) -> int:
    body = asked.body
    for field in NAMES:
        if field in body:
            said = _buffer(body[field])
            return crc32(said, crc32(asked.caller.user.encode(), seed)) << 32 | crc32(said)
    return 0


def _aside(body: Body, seed: int) -> tuple[int, int]:
    """The number and the bytes of what stands beside the turns."""
    size = 0
    for field in HEADS:
        if field in body:
            text = memoryview(_buffer(body[field]))
            seed = crc32(text[-EXACT:], crc32(text[:EXACT], seed ^ len(text)))
            size += len(text)
    return seed, size


def _buffer(value: object) -> bytes | msgspec.Raw:
    return value if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)
