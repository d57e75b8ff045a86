"""One tiny question of our own through one lane, to hear whether it answers: no call, so no receipt and no charge."""

from collections.abc import Awaitable, Callable

from tollway.core.chat import ChatRequest, Message, Role, Text
from tollway.core.embedding import Embedding
from tollway.core.errors import Fault, Remedy
from tollway.core.model import EMBEDDING
from tollway.gateway.dialect import close_body
from tollway.gateway.pipeline.whole import whole_body
from tollway.gateway.provider import Aim
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.retry import fault_of
from tollway.gateway.shaping.headers import Lines
from tollway.gateway.shaping.moment import Moment
from tollway.kit.http1.wire import Inbound, Outbound, UpstreamError
from tollway.ports import Upstream

SYNTHETIC = ((b"x-probe", b"synthetic"),)
"""Tells a provider, and whoever reads his logs, that nobody asked this."""
MOST_OUTPUT = 16
PATIENCE_S = 30.0
MOST_BYTES = 4 << 20
Reading = Callable[[Candidate, Inbound], Awaitable[bytes]]


async def ask(candidate: Candidate, upstream: Upstream) -> None:
    """A tiny real question in the provider's own dialect. Raises Fault when it is not answered well."""
    provider, target = candidate.provider, candidate.target
    request = _question(provider.dialect.type, candidate.upstream_model)
    written = provider.dialect.write_request(request, target)
    said, lines = provider.accent(written.body, target), candidate.headers
    if candidate.shape is not None:  # what callers' bodies need to be understood there, ours need, too
        name = candidate.upstream_model
        moment = Moment(asked_model=candidate.model.id, upstream_model=name, path="", said={}, is_test=True)
        said, lines, _ = candidate.shape.apply(said, lines, moment)
    outbound = _outbound(candidate, candidate.paths[False], lines, close_body(said))
    data = await _answer(candidate, outbound, upstream, whole_body)
    try:
        provider.dialect.read_reply(data)
    except ValueError as error:
        message = f"{candidate.channel.id}: the provider's answer could not be read"
        raise Fault(message, status=502, remedy=Remedy.NEXT_CHANNEL, code="bad_response_body") from error


def _question(kind: str, model: str) -> ChatRequest:
    """The smallest that a model of this type can be asked."""
    if kind == EMBEDDING:
        return ChatRequest(model=model, messages=(), embedding=Embedding(inputs=("hi",)))
    return ChatRequest(model=model, messages=(Message(Role.USER, (Text("hi"),)),), max_output=MOST_OUTPUT)


async def list_models(candidate: Candidate, upstream: Upstream) -> None:
    """Ask for the provider's list of models, which costs nothing. Raises Fault when it is not given."""
    base = candidate.paths[False].decode().removesuffix(_own_path(candidate))
    target = f"{base}{candidate.provider.models_path}".encode()
    await _answer(candidate, _outbound(candidate, target, candidate.headers), upstream, _as_it_comes)


def _own_path(candidate: Candidate) -> str:
    return candidate.provider.path(Aim(candidate.upstream_model, False))


async def _as_it_comes(_candidate: Candidate, inbound: Inbound) -> bytes:
    return await inbound.read()


async def _answer(candidate: Candidate, outbound: Outbound, upstream: Upstream, read: Reading) -> bytes:
    """`read` reads an answer with a friendly status."""
    try:
        inbound = await upstream.send(outbound)
        try:
            data = await (read(candidate, inbound) if inbound.status == 200 else inbound.read())
        finally:
            inbound.close()
    except UpstreamError as error:
        raise fault_of(error, candidate.channel.id) from error
    if inbound.status != 200:
        raise candidate.provider.dialect.read_error(inbound.status, dict(inbound.headers), data)
    return data


def _outbound(candidate: Candidate, target: bytes, lines: Lines, body: bytes = b"") -> Outbound:
    channel = candidate.channel
    patience_s = min(channel.first_byte_timeout_s, PATIENCE_S)
    return Outbound(
        origin=candidate.origin,
        target=target,
        headers=lines + SYNTHETIC,
        body=body,
        method=b"POST" if body else b"GET",
        connect_timeout_s=min(channel.connect_timeout_s, patience_s),
        first_byte_timeout_s=patience_s,
        idle_timeout_s=patience_s,
        total_timeout_s=2 * patience_s,
        max_body=MOST_BYTES,
    )
