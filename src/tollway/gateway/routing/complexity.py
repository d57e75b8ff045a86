"""What a question needs: which kind of model, and how large a one (the auto router)."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum, IntEnum
from typing import NamedTuple

from tollway.core.caller import PlanRules
from tollway.core.chat import ChatRequest, Role, Text
from tollway.core.errors import BadRequest, Forbidden
from tollway.core.media import Media
from tollway.core.model import CHAT, Model
from tollway.gateway.routing.question import Question


class Level(IntEnum):
    """How hard the question is."""

    SIMPLE = 0
    MEDIUM = 1
    COMPLEX = 2


class Kind(Enum):
    """What it is about."""

    GENERAL = "general"
    CODE = "code"
    REASONING = "reasoning"
    IMAGE = "image"
    LONG = "long"


TABLE: Mapping[str, Sequence[Sequence[str]]] = {
    "general": (("gemini-3-flash",), ("claude-haiku",), ("claude-sonnet",)),
    "code": (("gpt-5-mini",), ("qwen3-coder",), ("gpt-5.2-codex", "claude-sonnet")),
    "reasoning": (("deepseek-v3.2",), ("gpt-5.2",), ("claude-opus",)),
    "image": (("gemini-3-image",),) * 3,
    "long": (("gemini-3-flash",), ("gemini-3.1-pro",), ("gemini-3.1-pro",)),
}
"""The models of each kind, for simple, medium and complex questions, the preferred one first."""
AUTO = "auto"
"""What a request names that leaves the model to us; naming none does the same, unless there is a default model."""
Table = Mapping[str, Sequence[Sequence[str]]]
LONG_TOKENS = 200_000
CHARACTERS_PER_TOKEN = 4
_SIZES = {"fast": Level.SIMPLE, "flagship": Level.COMPLEX}
_CATEGORIES = {"coding": Kind.CODE, "reasoning": Kind.REASONING, "image": Kind.IMAGE}
_LOOKED_AT = 20_000
"""Characters of a message that are searched for words."""
_CODE = re.compile(
    r"\b(?:def|class|function|import|const|return|SELECT|stack ?trace|traceback|compil\w+|refactor\w*|regex|python|"
    r"javascript|typescript|rust|java|golang|c\+\+|sql|bash|bug|debug\w*|unit tests?|api|algorithm)\b",
    re.IGNORECASE,
)
_REASONING = re.compile(
    r"\b(?:prove|proof|theorem|lemma|derive|derivation|integral|equation|analy[sz]e|analysis|evaluate|compare|"
    r"step by step|trade-?offs?|why does|reason(?:ing)? through|optimi[sz]e|probability|calculate|solve)\b",
    re.IGNORECASE,
)
_PICTURE = re.compile(
    r"\b(?:draw|paint|sketch|(?:generate|create|make|design|render)\s+(?:me\s+)?(?:an?\s+|the\s+)?(?:\w+\s+){0,3}"
    r"(?:image|picture|photo|logo|illustration|drawing|icon|poster))\b",
    re.IGNORECASE,
)
_PARTS = re.compile(r"\?|^\s*(?:\d+[.)]|[-*])\s", re.MULTILINE)


class Wish(NamedTuple):
    """What a question needs."""

    kind: Kind
    level: Level
    tokens: int
    """Of the whole prompt, roughly."""
    has_tools: bool = False
    has_media: bool = False

    def suits(self, model: Model) -> bool:
        """Whether the model could do it at all."""
        if (
            model.type != CHAT
            or model.context_window <= self.tokens
            or (self.kind is Kind.IMAGE) != (model.category == "image")
        ):
            return False
        able = model.abilities
        return not (self.has_tools and "tools" not in able) and not (self.has_media and "vision" not in able)

    def misfit(self, model: Model, table: "Table" = TABLE) -> int:
        """0 for the very model; small for another of its cell; then the nearer in size and kind, the less."""
        cell = table[self.kind.value][self.level]
        if model.id in cell:
            return cell.index(model.id)
        size = _SIZES.get(model.category, Level.MEDIUM)
        kind = _CATEGORIES.get(model.category, Kind.GENERAL)
        strange = kind is not Kind.GENERAL and kind is not self.kind
        if model.custom:
            return 100  # made for something else
        return 10 + 4 * abs(size - self.level) + (2 if size < self.level else 0) + 20 * (kind is Kind.IMAGE) + strange


ANYTHING = Wish(Kind.GENERAL, Level.SIMPLE, 0)


def table_of(stated: Mapping[str, Sequence[str]]) -> Table:
    """Our table with the kinds an operator states otherwise (`RoutingRules.auto`)."""
    own = {kind: [[name.strip() for name in cell.split(",")] for cell in cells] for kind, cells in stated.items()}
    return {**TABLE, **own}


def wish_of(asked: Question) -> Wish:
    """What a call needs; nothing in particular where its body is beyond us (it may pass through all the same)."""
    try:
        return wish_for(asked.request(), asked.size)
    except BadRequest:
        return Wish(Kind.GENERAL, Level.SIMPLE, asked.size // CHARACTERS_PER_TOKEN)


def wish_on(asked: Question, plan: PlanRules) -> Wish:
    """What a call needs, as far as its caller's plan grants it: a plan of fast models gets the fast one of the kind.

    Raises Forbidden for a picture on such a plan.
    """
    wish = wish_of(asked)
    if plan.models == "all":
        return wish
    if wish.kind is Kind.IMAGE:
        raise Forbidden(f"the plan {plan.name!r} makes no pictures; upgrade to another plan for that", field="model")
    return wish._replace(level=Level.SIMPLE)


def wish_for(request: ChatRequest, size: int) -> Wish:
    """What a question of `size` bytes needs, by the words of its last turn and its length (hub.md 5.3)."""
    last = next((message for message in reversed(request.messages) if message.role is Role.USER), None)
    text = "\n".join(part.text for part in last.parts if isinstance(part, Text)) if last is not None else ""
    seen = text[:_LOOKED_AT]
    tokens, long = size // CHARACTERS_PER_TOKEN, len(text) // CHARACTERS_PER_TOKEN
    length = min(2, (long > 200) + (long > 1000) + (len(_PARTS.findall(seen)) >= 3))
    code = 2 if "```" in seen else min(2, len(_CODE.findall(seen)))
    reasoning = min(2, len(_REASONING.findall(seen)))
    context = min(2, (tokens > 8000) + (tokens > 64_000) + (len(request.messages) > 20))
    has_tools = bool(request.tools)
    score = length + code + reasoning + has_tools + context
    level = Level.SIMPLE if score <= 1 else Level.MEDIUM if score <= 4 else Level.COMPLEX
    has_media = any(isinstance(part, Media) for message in request.messages for part in message.parts)
    return Wish(_kind(request, seen, tokens, (code, reasoning, has_tools)), level, tokens, has_tools, has_media)


def _kind(request: ChatRequest, text: str, tokens: int, found: tuple[int, int, bool]) -> Kind:
    code, reasoning, has_tools = found
    if "image" in (request.modalities or ()) or _PICTURE.search(text):
        return Kind.IMAGE
    if tokens > LONG_TOKENS:
        return Kind.LONG
    if has_tools or (code and code >= reasoning):
        return Kind.CODE
    return Kind.REASONING if reasoning else Kind.GENERAL
