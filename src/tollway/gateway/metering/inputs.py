"""Counts the tokens of what is to be turned into vectors."""

from tollway.core.embedding import Embedding, Foreign
from tollway.core.model import Model
from tollway.gateway.metering import text as counting
from tollway.gateway.metering.vocabulary import of_model

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


def _given(asked: Embedding) -> int:
    """Tokens of the inputs that are no text."""
    others = [one for one in asked.inputs if not isinstance(one, str)]
    return sum([PER_FOREIGN if isinstance(one, Foreign) else len(one) for one in others])
