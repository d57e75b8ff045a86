"""Says an operator's system prompt in a chat."""

from typing import Any

import msgspec

from tollway.core.errors import BadRequest
from tollway.gateway.dialect import Body, plain
from tollway.gateway.dialects.openai_chat.accents import Turn, word

_SYSTEM = ("system", "developer")
_read_turns = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def instructed(body: Body, prompt: str, first: bool) -> Body:
    """See Dialect.instruct: a system turn before all others, or its words before those of the one that is there."""
    turns = _turns(body.get("messages"))
    at = next((place for place, turn in enumerate(turns) if word(turn.get("role")) in _SYSTEM), None)
    if at is None:
        return {**body, "messages": [{"role": "system", "content": prompt}, *turns]}
    if not first:
        return body
    content = plain(turns[at], "content")
    turns[at] = {**turns[at], "content": before(prompt, content)}
    return {**body, "messages": turns}


def before(prompt: str, content: Any) -> Any:
    """The prompt before a turn's words, which are a text or a list of parts."""
    if isinstance(content, list):
        return [{"type": "text", "text": prompt}, *content]
    return f"{prompt}\n{content}" if isinstance(content, str) and content else prompt


def _turns(messages: Any) -> list[Turn]:
    if isinstance(messages, msgspec.Raw):
        try:
            return list(_read_turns(messages))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest("messages: must be a list of turns", field="messages") from error
    if not isinstance(messages, list) or not all(isinstance(turn, dict) for turn in messages):
        raise BadRequest("messages: must be a list of turns", field="messages")
    return list(messages)
