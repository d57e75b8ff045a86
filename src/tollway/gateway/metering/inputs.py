"""Counts the tokens of what is to be turned into vectors."""

from tollway.core.embedding import Embedding, Foreign
from tollway.core.model import Model
from tollway.gateway.metering import text as counting
from tollway.gateway.metering.vocabulary import of_model

SAMPLED_OVER = 64 * 1024
"""Characters that an estimate counts; the rest is taken to be like them."""
PER_FOREIGN = 1400
"""Tokens of what is no text: as many as of a large picture."""


def count_inputs(asked: Embedding, model: Model) -> int:
    """Tokens of all inputs, each counted by itself: nothing is put between them or around them (relay.md 7.2)."""
    vocabulary = of_model(model)
    texts = [one for one in asked.inputs if isinstance(one, str)]
    return sum([counting.quick(vocabulary, text) for text in texts]) + _given(asked)


def hold_inputs(asked: Embedding, model: Model) -> int:
    """The same on the safe side: never below a quarter of the characters."""
    vocabulary = of_model(model)
    texts = [one for one in asked.inputs if isinstance(one, str)]
    return sum([max(counting.quick(vocabulary, text), -(-len(text) // 4)) for text in texts]) + _given(asked)


def estimate_inputs(asked: Embedding, model: Model) -> int:
    """The same at once: without waiting for a tokenizer to load, and counting a part of what is long."""
    vocabulary = of_model(model)
    seen = tokens = size = 0
    for one in asked.inputs:
        if not isinstance(one, str):
            continue
        size += len(one)
        if seen < SAMPLED_OVER:
            sample = counting.well_formed(one[: SAMPLED_OVER - seen])
            tokens += counting.scaled(vocabulary, counting.at_once(sample), *counting.sizes(sample))
            seen += len(sample)
    return (-(-tokens * size // seen) if seen else 0) + _given(asked)


def _given(asked: Embedding) -> int:
    """Tokens of the inputs that are no text."""
    others = [one for one in asked.inputs if not isinstance(one, str)]
    return sum([PER_FOREIGN if isinstance(one, Foreign) else len(one) for one in others])
