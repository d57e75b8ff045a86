"""From a call and a candidate to the bytes that go to the provider."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tollway.core.chat import ChatRequest
from tollway.core.errors import BadRequest, Fault, Remedy, Unsupported
from tollway.gateway.dialect import Body, Edits, Target, Written, close_body
from tollway.gateway.pipeline.call import CHANNEL_TEST, Call
from tollway.gateway.pipeline.caller_words import CallerWords
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.shaping.bounds import bounded
from tollway.gateway.shaping.headers import Lines
from tollway.gateway.shaping.moment import Moment
from tollway.gateway.shaping.shape import Shape
from tollway.gateway.shaping.strip import stripped
from tollway.kit.http1.wire import Outbound

_NOTHING_WRITTEN = Written({})


class Prepared(NamedTuple):
    """What has to be remembered of how a request was made; not the request, which may be large."""

    passthrough: bool
    """The answer goes on as it comes: both sides speak the same dialect, and nothing is to be told otherwise."""
    written: Written
    dropped: tuple[str, ...]
    overridden: tuple[str, ...] = ()
    """Fields that matter and that an operator's override has changed."""


_AS_IT_CAME = Prepared(True, _NOTHING_WRITTEN, ())
_TOLD_ANEW = Prepared(False, _NOTHING_WRITTEN, ())


def prepare(
    call: Call,
    candidate: Candidate,
    output_limit: int | None,
    before: Sequence[Fault] = (),
    template: Shape | None = None,
) -> tuple[Prepared, Outbound]:
    """Say the call in the candidate's dialect and accent, in the shape its channel gives it.

    `output_limit` lowers the caller's own limit to what his credits cover; `before`: why those tried before were not
    the answer; `template`: changes that do not depend on the channel. Raises Fault with Remedy.NEXT_CHANNEL when this
    candidate's dialect cannot say it: another one may; and Returned when a rule of the channel refuses the call.
    """
    provider, target = candidate.provider, candidate.target
    passthrough = provider.dialect is call.dialect
    if output_limit is not None and output_limit < target.max_output:  # room for thoughts stays within it, too
        target = msgspec.structs.replace(target, max_output=output_limit)
    limit = _limit(call, target.max_output, output_limit is not None)
    edits = Edits(candidate.upstream_model, limit, call.envelope.stream)
    dropped: tuple[str, ...] = ()
    if passthrough:
        written = _NOTHING_WRITTEN
        body = provider.dialect.edit_request(call.body, call.envelope, edits)
    else:
        written, dropped = _translated(call, candidate, target, edits)
        body = written.body
    headers = candidate.headers
    if passthrough and call.headers:
        headers += tuple(call.headers.items())
    overridden: tuple[str, ...] = ()
    mine = candidate.shape
    if not candidate.channel.pass_through or not passthrough:
        if mine is not None and mine.prompt is not None:
            body, overridden = mine.prompted(body, provider.dialect)
        said = provider.accent(body, target)
        removed = provider.drops(body, target) if said is not body else ()
        body, more = stripped(said, candidate.channel.strip)
        if removed or more:
            removed += more
            dropped += removed if passthrough else _words(call).removed(removed, provider.dialect)
        if mine is not None or template is not None:
            moment = _moment(call, candidate, before)
            for shape in (mine, template):
                if shape is not None and shape.edits:
                    said, headers, changed = shape.apply(body, headers, moment)
                    body = bounded(said, body, _most(call, target)) if changed else said
                    overridden += changed
    outbound = _outbound(call, candidate, body, headers)
    as_it_comes = passthrough and (mine is None or not mine.retells)
    if passthrough and not dropped and not overridden:
        return _AS_IT_CAME if as_it_comes else _TOLD_ANEW, outbound
    named, overridden = tuple(dict.fromkeys(dropped)), tuple(dict.fromkeys(overridden))
    kept = written if passthrough else msgspec.structs.replace(written, body={})
    return Prepared(as_it_comes, kept, named, overridden), outbound


def _moment(call: Call, candidate: Candidate, before: Sequence[Fault]) -> Moment:
    return Moment(
        asked_model=call.envelope.model or candidate.model.id,
        upstream_model=candidate.upstream_model,
        path=call.path,
        said=call.heard,
        attempt=len(before),
        last=before[-1] if before else None,
        is_test=call.surface == CHANNEL_TEST,
    )


def _most(call: Call, target: Target) -> int:
    asked = call.envelope.max_output
    return target.max_output if asked is None else min(asked, target.max_output)


def _limit(call: Call, most: int, lowered: bool) -> int | None:
    asked = call.envelope.max_output
    if lowered:
        return most if asked is None else min(asked, most)
    return most if asked is not None and asked > most else None


def _translated(call: Call, candidate: Candidate, target: Target, edits: Edits) -> tuple[Written, tuple[str, ...]]:
    try:
        request = call.request()
    except BadRequest as error:  # whoever speaks the caller's own dialect may understand what we do not
        raise CannotSay(error) from error
    request, vain = _without_logprobs(request)
    changes: dict[str, object] = {"model": candidate.upstream_model, "include_usage": True}
    if edits.max_output is not None:
        changes["max_output"] = edits.max_output
    try:
        written = candidate.provider.dialect.write_request(msgspec.structs.replace(request, **changes), target)
    except Unsupported as error:
        raise CannotSay(_words(call).refusal(error)) from error
    dropped = request.leftover + vain + written.dropped
    return written, _words(call).dropped(dropped) if dropped else ()


def _words(call: Call) -> CallerWords:
    return CallerWords(call.dialect, call.body, call.request())


def _without_logprobs(request: ChatRequest) -> tuple[ChatRequest, tuple[str, ...]]:
    """No dialect's probabilities are told in another's answer, so asking for them would be in vain."""
    dials = request.sampling
    vain = tuple(name for name in ("logprobs", "top_logprobs") if getattr(dials, name))
    if not vain:
        return request, ()
    dials = msgspec.structs.replace(dials, logprobs=None, top_logprobs=None)
    return msgspec.structs.replace(request, sampling=dials), vain


class CannotSay(Fault):
    """This candidate's dialect has no words for the request; kept to be told if no other candidate has."""

    def __init__(self, error: BadRequest) -> None:
        super().__init__(error.message, status=400, remedy=Remedy.NEXT_CHANNEL, code=error.code, field=error.field)
        self.cause = error


def _outbound(call: Call, candidate: Candidate, body: Body, headers: Lines) -> Outbound:
    channel = candidate.channel
    return Outbound(
        origin=candidate.origin,
        target=candidate.paths[call.envelope.stream],
        headers=headers,
        body=close_body(body),
        connect_timeout_s=channel.connect_timeout_s,
        first_byte_timeout_s=channel.first_byte_timeout_s,
        idle_timeout_s=channel.idle_timeout_s,
        total_timeout_s=channel.total_timeout_s,
        priority=call.caller.plan.priority,
    )
