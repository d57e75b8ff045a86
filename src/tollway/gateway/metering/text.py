"""Counts the tokens of a text with tokenizers that are installed with us; nothing is ever downloaded."""

import importlib
import math
import threading
from collections.abc import Callable
from functools import cache

from tollway.gateway.metering.estimator import estimate
from tollway.gateway.metering.vocabulary import Vocabulary
from tollway.kit.stillness import await_moment

SAMPLED_OVER = 32 * 1024
"""Characters above which Claude's tokenizer, pure Python at 0.3 MB/s, reads samples instead of everything."""
_SAMPLES, _SAMPLE = 8, 1024
_TODAY = "o200k_base"

PATIENCE_S = 2.0
"""How long a table waits for a transaction to end before it loads all the same."""

Counter = Callable[[str], int]
_loading = threading.Lock()


def quick(vocabulary: Vocabulary, text: str) -> int:
    """Tokens of `text` at some 60 MB/s: exact for OpenAI, Llama 3 and Qwen 3, a fair guess for the others."""
    clean = well_formed(text)
    table = _today() if vocabulary.encoding == _TODAY else _table(vocabulary.encoding)
    if table is None:
        return estimate(vocabulary.weights, clean)
    return scaled(vocabulary, table(clean), *sizes(clean))


def exact(vocabulary: Vocabulary, text: str) -> int:
    """Tokens of `text` as exactly as can be had offline; slow for Claude, so keep it off the event loop."""
    claude = _claude(vocabulary.claude) if vocabulary.claude else None
    if claude is None:
        return quick(vocabulary, text)
    clean = well_formed(text)
    if len(clean) <= SAMPLED_OVER:
        return claude(clean)
    step = len(clean) // _SAMPLES
    samples = [clean[at : at + _SAMPLE] for at in range(0, step * _SAMPLES, step)]
    guessed = sum(quick(vocabulary, sample) for sample in samples)
    return math.ceil(quick(vocabulary, clean) * sum(map(claude, samples)) / max(1, guessed))


def scaled(vocabulary: Vocabulary, tokens: int, characters: int, size: int) -> int:
    """Tokens of the table as tokens of the family, for a text of that many characters and UTF-8 bytes."""
    if vocabulary.factor == 1.0 and not vocabulary.foreign:
        return tokens
    multibyte = (size - characters) / size if size else 0.0
    return math.ceil(tokens * (vocabulary.factor + vocabulary.foreign * multibyte))


def sizes(text: str) -> tuple[int, int]:
    """Characters and UTF-8 bytes."""
    return len(text), len(text) if text.isascii() else len(text.encode())


def well_formed(text: str) -> str:
    """The text without half characters (lone surrogates), which no tokenizer reads."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def warm() -> None:
    """Load the table of today's models: some 0.4 s and 64 MB, so not at the start, and in a thread."""
    _today()


def is_warm() -> bool:
    """Whether a count by the table of today's models would start at once; another table may have to load."""
    return bool(_today.cache_info().currsize)


def at_once(text: str) -> int:
    """Tokens of the table for a well-formed text, without ever waiting for the table to load."""
    table = _today() if is_warm() else None
    return table(text) if table is not None else estimate("openai", text)


@cache
def _today() -> Counter | None:
    return _table(_TODAY)


@cache
def _table(encoding: str) -> Counter | None:
    """quicktok's counter, loaded once; None where there is no build of it for this interpreter.

    It loads for half a second and longer in which no other thread runs, so not while one of them writes.
    """
    try:
        quicktok = importlib.import_module("quicktok")
    except ImportError:
        return None
    with _loading:
        await_moment(PATIENCE_S)
        counter: Counter = quicktok.get_encoding(encoding).count  # which remembers it, for a thread that waited for us
    return counter


@cache
def _claude(version: str) -> Counter | None:
    """ctok's counter without the frame it puts around a message; None before Python 3.12."""
    try:
        ctok = importlib.import_module("ctok")
    except ImportError:
        return None
    frame: int = ctok.token_count("", version)
    return lambda text: int(ctok.token_count(text, version)) - frame
