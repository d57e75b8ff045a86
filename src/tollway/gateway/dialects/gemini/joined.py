"""Joins what a streaming client sends back in pieces: Google's clients keep every chunk as a part of its own."""

from collections.abc import Sequence

from tollway.core.chat import Message, Part, Reasoning, Role, Text


def joined(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The model's turns in one piece each, with its words and thoughts whole; a seal covers the thought before it."""
    whole: list[Message] = []
    for message in messages:
        spoken = message.role is Role.ASSISTANT
        if spoken and whole and whole[-1].role is Role.ASSISTANT:
            whole[-1] = Message(Role.ASSISTANT, _whole((*whole[-1].parts, *message.parts)))
        else:
            whole.append(Message(Role.ASSISTANT, _whole(message.parts)) if spoken else message)
    return tuple(whole)


def _whole(parts: Sequence[Part]) -> tuple[Part, ...]:
    kept: list[Part] = []
    for part in parts:
        both = _both(kept[-1], part) if kept else None
        if both is None:
            kept.append(part)
        else:
            kept[-1] = both
    return tuple(kept)


def _both(first: Part, then: Part) -> Part | None:
    """Two pieces of the same words as one; None when they are not."""
    if isinstance(first, Text) and isinstance(then, Text) and first.signature is None:
        return Text(first.text + then.text, signature=then.signature, family=then.family)
    if isinstance(first, Reasoning) and isinstance(then, Reasoning):
        sealed = first.signature is not None or first.redacted is not None
        if not sealed and then.redacted is None:
            return Reasoning(first.text + then.text, then.signature, family=then.family)
    return None
