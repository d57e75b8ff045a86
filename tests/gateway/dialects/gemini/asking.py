"""Short ways to put a question to the dialect."""

from pathlib import Path
from typing import Any

import msgspec

from tollway.core.chat import ChatRequest, Message, Role, Text
from tollway.gateway.dialect import Opaque, Target, close_body, open_body
from tollway.gateway.dialects.gemini import dialect

GOLDEN = Path(__file__).parents[3] / "golden" / "gemini"
OPAQUE = Opaque(b"k" * 32)
FLASH = Target(provider="gemini", model="gemini-2.5-flash", max_output=65536)
THREE = Target(provider="gemini", model="gemini-3-pro-preview", max_output=65536)


def read(wire: dict[str, Any] | bytes, action: str = "generateContent") -> ChatRequest:
    """The canonical question of a generateContent body."""
    body = open_body(wire if isinstance(wire, bytes) else msgspec.json.encode(wire))
    envelope = dialect.envelope(body, {"model": "gemini-2.5-flash", "action": action})
    return dialect.read_request(body, envelope, OPAQUE)


def write(request: ChatRequest, target: Target = FLASH) -> dict[str, Any]:
    """The body for a canonical question, as plain objects."""
    return msgspec.json.decode(close_body(dialect.write_request(request, target).body))


def ask(*messages: Message, **more: Any) -> ChatRequest:
    """A question of these turns."""
    return ChatRequest(model="gemini-2.5-flash", messages=messages or (says("hi"),), **more)


def says(text: str, role: Role = Role.USER) -> Message:
    """A turn of words."""
    return Message(role, (Text(text),))
