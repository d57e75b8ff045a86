"""All that one channel changes in the calls that take it, compiled once: a body and a moment in, a body out."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from tollway.core.errors import BadRequest, Fault, Remedy
from tollway.core.model import Channel
from tollway.core.shape import BodyOverride, Operation
from tollway.gateway.dialect import Body, Dialect
from tollway.gateway.shaping.conditions import compiled
from tollway.gateway.shaping.edits import CHANGES
from tollway.gateway.shaping.headers import Lines, merged, passable, split
from tollway.gateway.shaping.moment import Moment
from tollway.gateway.shaping.paths import MISSING, Change, Steps, changed, found, steps_of
from tollway.gateway.shaping.prune import pruned
from tollway.gateway.shaping.thoughts import Retelling, retelling_of
from tollway.stated.overrides import passed_names

SENSITIVE = frozenset(
    {
        *("model", "service_tier", "messages", "input", "instructions", "system", "contents", "systemInstruction"),
        *("system_instruction", "tools", "max_tokens", "max_completion_tokens", "max_output_tokens"),
        *("generationConfig", "store", "metadata"),
    }
)
"""Fields whose edits are put on the receipt: they change what was asked, or what it costs."""
_MAKES = frozenset({"set", "prepend", "append"})
"""Modes that make what is not there."""
Do = Callable[["Draft"], None]
HeaderRules = tuple[tuple[str, str], ...]


class Returned(Fault):
    """A rule of the operator's refused the call here; the channel itself is well."""


class Draft:
    """A body that is being changed; only what is touched is ever understood."""

    __slots__ = ("_understood", "body", "moment", "taken", "touched")

    def __init__(self, body: Body, moment: Moment) -> None:
        self.body, self.moment = dict(body), moment
        self._understood: dict[str, Any] = {}
        """What was only looked at goes on byte for byte."""
        self.touched: list[str] = []
        """Top-level fields that were changed."""
        self.taken: set[str] = set()
        """Headers that shall not be sent."""

    def value(self, name: str) -> Any:
        """A top-level field as Python objects, or MISSING. Raises BadRequest when it is no JSON."""
        value = self.body.get(name, MISSING)
        if not isinstance(value, msgspec.Raw):
            return value
        if name not in self._understood:
            try:
                self._understood[name] = msgspec.json.decode(value)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise BadRequest(f"{name}: {error}", field=name) from error
        return self._understood[name]

    def look(self, steps: Steps) -> list[Any]:
        """What stands at a path of the body, else of the call around it."""
        if not steps:
            return []
        there = list(found(self.value(steps[0]), steps[1:])) if steps[0] in self.body else []
        return there or list(found(self.moment.facts(), steps))

    def change(self, steps: Steps, how: Change, create: bool) -> None:
        """Change one place of the body."""
        if not steps:
            for name in tuple(self.body):
                self.change((name,), how, create=False)
            return
        name = steps[0]
        old = self.value(name)
        new = changed(old, steps[1:], how, create)
        if new is old:
            return
        self.touched.append(name)
        if new is MISSING:
            self.body.pop(name, None)
        else:
            self.body[name] = new

    def put_header(self, name: str, value: str) -> None:
        """Send this header."""
        self.moment.headers[name] = value
        self.taken.discard(name)

    def header(self, name: str) -> str | None:
        """What overrides have put into a header, else what the caller sent and may go on."""
        own = self.moment.headers.get(name)
        return passable(name, self.moment.said) if own is None else own

    def drop_header(self, name: str) -> None:
        """Do not send this header."""
        self.moment.headers.pop(name, None)
        self.taken.add(name)


class Prompt(NamedTuple):
    """A system prompt that a channel adds to requests."""

    text: str
    first: bool
    """Also to those that have one, before it."""


class Shape:
    """What one lane does to bodies, headers and answers."""

    __slots__ = ("_fields", "_headers", "_operations", "edits", "fixed", "prompt", "retelling", "retells")

    def __init__(self, override: BodyOverride | None, headers: HeaderRules, key: str) -> None:
        self._fields = override.fields if override is not None else {}
        self._operations = tuple(_compiled(each) for each in override.operations) if override is not None else ()
        fixed, self._headers = split(headers, key)
        self.fixed = dict(fixed)
        """Headers that every call of this lane carries."""
        self.edits = bool(self._fields or self._operations or self._headers)
        """`apply` has something to do."""
        self.prompt: Prompt | None = None
        self.retells = False
        """Answers are told anew also where they could pass as they came."""
        self.retelling: Retelling | None = None
        """How they are told; None: as the provider told them."""

    @property
    def is_needed(self) -> bool:
        """Whether single calls have to be looked at."""
        return self.edits or self.retells or self.prompt is not None

    def prompted(self, body: Body, dialect: Dialect) -> tuple[Body, tuple[str, ...]]:
        """The body with the channel's system prompt, and the field it was put into; nothing given is changed itself.

        Raises BadRequest when the body is none that a prompt could be added to.
        """
        if self.prompt is None or dialect.instruct is None:
            return body, ()
        said = dialect.instruct(body, self.prompt.text, self.prompt.first)
        return said, tuple(name for name, value in said.items() if value is not body.get(name))

    def apply(self, body: Body, lines: Lines, moment: Moment) -> tuple[Body, Lines, tuple[str, ...]]:
        """The body, the header lines, and which sensitive fields were changed; nothing given is changed itself.

        Raises Returned when a rule refuses the call, BadRequest when the body is none that could be changed.
        """
        draft = Draft(body, moment)
        for make in self._headers:
            make(moment.said, moment.headers)
        for name, value in self._fields.items():
            draft.body[name] = value
            draft.touched.append(name)
        try:
            for do in self._operations:
                do(draft)
        except RecursionError as error:
            raise BadRequest("the body is nested too deeply") from error
        if moment.headers or draft.taken:
            lines = merged(lines, moment.headers, draft.taken)
        return draft.body, lines, tuple(dict.fromkeys(name for name in draft.touched if name in SENSITIVE))


def shape_of(channel: Channel, key: str, talks: bool = True) -> Shape | None:
    """What a lane changes; None when it changes nothing. Not `talks`: vectors are made, and nobody is spoken to."""
    shape = Shape(channel.param_override, channel.header_override, key)
    if talks:
        if channel.system_prompt:
            shape.prompt = Prompt(channel.system_prompt, channel.system_prompt_override)
        shape.retelling = retelling_of(channel)
        shape.retells = channel.force_format or shape.retelling is not None
    return shape if shape.is_needed or shape.fixed else None


def template_shape(override: BodyOverride) -> Shape:
    """What a rule changes in the calls it matches, whichever channel they take."""
    return Shape(override, (), "")


def _compiled(operation: Operation) -> Do:
    """An operation as one function, its conditions included."""
    do, test = _doing(operation), compiled(operation.conditions, operation.logic)
    if test is None:
        return do

    def perhaps(draft: Draft) -> None:
        if test(draft.look):
            do(draft)

    return perhaps


def _doing(operation: Operation) -> Do:
    mode = operation.mode
    if mode in CHANGES or mode == "prune_objects":
        how = pruned(operation) if mode == "prune_objects" else CHANGES[mode](operation)
        steps, create = steps_of(operation.path), mode in _MAKES
        return lambda draft: draft.change(steps, how, create)
    return _OTHERS[mode](operation)


def _copies(operation: Operation) -> Do:
    """`copy` and `move`: the first thing at one place, put at another."""
    source, goal = steps_of(operation.from_), steps_of(operation.to)
    moves, keep = operation.mode == "move", operation.keep_origin

    def do(draft: Draft) -> None:
        there = list(found(draft.value(source[0]), source[1:]))
        if not there:
            return
        draft.change(goal, lambda old: old if keep and old is not MISSING else there[0], create=True)
        if moves and source != goal:
            draft.change(source, lambda old: MISSING, create=False)

    return do


def _returns(operation: Operation) -> Do:
    value: Mapping[str, Any] = {"message": operation.value} if isinstance(operation.value, str) else operation.value
    status = value.get("status_code", 400)
    status = status if 100 <= status <= 511 else 400
    remedy = Remedy.NONE if value.get("skip_retry", True) else Remedy.NEXT_CHANNEL

    def do(draft: Draft) -> None:
        fault = Returned(str(value["message"]), status=status, remedy=remedy, code=value.get("code") or "refused")
        fault.kind, fault.blameless = value.get("type") or fault.kind, True
        raise fault

    return do


def _sets_header(operation: Operation) -> Do:
    name, value, keep = operation.path.lower(), str(operation.value), operation.keep_origin

    def do(draft: Draft) -> None:
        if not (keep and name in draft.moment.headers):
            draft.put_header(name, value)

    return do


def _drops_header(operation: Operation) -> Do:
    name = operation.path.lower()
    return lambda draft: draft.drop_header(name)


def _copies_header(operation: Operation) -> Do:
    source, goal, moves = operation.from_.lower(), operation.to.lower(), operation.mode == "move_header"
    keep = operation.keep_origin

    def do(draft: Draft) -> None:
        value = draft.header(source)
        if value is None:
            return
        if not (keep and goal in draft.moment.headers):
            draft.put_header(goal, value)
        if moves and source != goal:
            draft.drop_header(source)

    return do


def _passes_headers(operation: Operation) -> Do:
    names, keep = passed_names(operation.value), operation.keep_origin

    def do(draft: Draft) -> None:
        for name in names:
            value = passable(name, draft.moment.said)
            if value is not None and not (keep and name in draft.moment.headers):
                draft.put_header(name, value)

    return do


def _syncs(operation: Operation) -> Do:
    """Whichever of two sides is there is copied to the one that is not."""
    left, right = _side(operation.from_), _side(operation.to)

    def do(draft: Draft) -> None:
        one, other = left[0](draft), right[0](draft)
        if one is not None and other is None:
            right[1](draft, one)
        elif other is not None and one is None:
            left[1](draft, other)

    return do


def _side(stated: str) -> tuple[Callable[[Draft], Any], Callable[[Draft, Any], None]]:
    kind, _, name = stated.partition(":")
    if kind == "header":
        header = name.strip().lower()
        return lambda draft: draft.header(header), lambda draft, value: _put_text(draft, header, value)
    steps = steps_of(name.strip())

    def read(draft: Draft) -> Any:
        return next(found(draft.value(steps[0]), steps[1:]), None)

    return read, lambda draft, value: draft.change(steps, lambda old: value, create=True)


def _put_text(draft: Draft, name: str, value: Any) -> None:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if text.isascii() and text.isprintable():
        draft.put_header(name, text)


_OTHERS: dict[str, Callable[[Operation], Do]] = {
    "copy": _copies,
    "move": _copies,
    "return_error": _returns,
    "set_header": _sets_header,
    "delete_header": _drops_header,
    "copy_header": _copies_header,
    "move_header": _copies_header,
    "pass_headers": _passes_headers,
    "sync_fields": _syncs,
}
