"""Reads what a provider was asked, in whichever format, as a plain dialogue."""

from typing import Any


def system(vendor: str, body: dict[str, Any]) -> str:
    """The instructions."""
    if vendor == "openai":
        turns = [turn for turn in body["messages"] if turn["role"] in ("system", "developer")]
        return "\n".join(_words(turn["content"]) for turn in turns)
    if vendor == "anthropic":
        return _words(body.get("system", ""))
    return _words(body.get("systemInstruction", {}).get("parts", []))


def dialogue(vendor: str, body: dict[str, Any]) -> list[tuple[str, str]]:
    """(who, what) of every turn but the instructions: `user` or `model`."""
    if vendor == "gemini":
        return [(turn["role"], _words(turn["parts"])) for turn in body["contents"]]
    turns = [turn for turn in body["messages"] if turn["role"] not in ("system", "developer")]
    return [({"assistant": "model"}.get(turn["role"], turn["role"]), _words(turn["content"])) for turn in turns]


def _words(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part["text"] for part in content if part.get("text") and not part.get("thought"))


def stops(vendor: str, body: dict[str, Any]) -> Any:
    """The stop sequences."""
    if vendor == "openai":
        return body.get("stop")
    return body.get("stop_sequences") if vendor == "anthropic" else body["generationConfig"].get("stopSequences")


def limit(vendor: str, body: dict[str, Any]) -> Any:
    """The most output tokens."""
    if vendor == "openai":
        return body.get("max_completion_tokens")
    return body.get("max_tokens") if vendor == "anthropic" else body["generationConfig"].get("maxOutputTokens")
