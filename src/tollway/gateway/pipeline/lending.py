"""Answers a call with the accounts of a pool: the one way in which every surface borrows, uses and reports them."""

import dataclasses
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from tollway.core.errors import BadRequest, Fault, Unavailable
from tollway.core.ids import ChannelId, LaneId, ModelId
from tollway.core.model import Channel
from tollway.gateway.accounts.errand import Errand
from tollway.gateway.accounts.opening import open_pool
from tollway.gateway.accounts.pool import Pool
from tollway.gateway.dialect import Body, Target, plain
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.delivery import Delivery
from tollway.gateway.provider import Loan, Provider, Subscription
from tollway.gateway.routing.candidate import candidate_of
from tollway.gateway.routing.plan import Candidate
from tollway.kit.sendable import is_sendable
from tollway.ports import Upstream
from tollway.stated.accounts import AccountPool

Attempt = Callable[[Candidate], Awaitable[None]]
SESSION_MAX = 128
_SESSION_HEADERS = (b"x-session-id", b"session_id", b"session-id")
_ACCOUNT_CLASS = frozenset({401, 403, 429})
"""What says something about the account; all else is the vendor's or the caller's."""
log = logging.getLogger("tollway.accounts")


class Lender:
    """A pool of accounts behind a channel, and the paid key that answers when none is left."""

    def __init__(
        self, pool: Pool, subscription: Subscription, query: str, paid: tuple[Provider, Channel] | None
    ) -> None:
        """`query` is appended to the address of whatever an account asks, not to that of the paid key."""
        self.pool, self._subscription, self._paid = pool, subscription, paid
        self._query = f"?{query}".encode() if query else b""
        self._paid_candidates: dict[tuple[ModelId, str], Candidate] = {}

    async def answer(self, candidate: Candidate, delivery: Delivery, attempt: Attempt) -> None:
        """Try one account after another, and the paid key when none is left. `attempt` delivers, or raises Fault.

        Raises the Fault of an attempt that says nothing about an account, NoAccountLeft.
        """
        call = delivery.call
        errand = Errand(self.pool, call.caller.key, session_of(call))
        try:
            while (loan := await errand.borrow()) is not None:
                if await self._by(loan, errand, candidate, delivery, attempt):
                    return
        except (Unavailable, OSError) as error:  # told in the log: the caller need not know of our files
            log.debug("%s: %s", self.pool.name, error)
        if self._paid is None:
            raise self.pool.nobody()
        try:
            await attempt(self._paid_candidate(candidate, *self._paid))
        except Fault as fault:
            fault.blameless = True  # the paid key is no part of the pool
            raise

    async def probe(self, candidate: Candidate, attempt: Attempt) -> None:
        """A question of our own through an account, whose books it leaves as they are: it neither proves the account
        nor counts against it, and no paid key is spent on it. One whose token need not be renewed is preferred.

        Raises the Fault of an attempt that says nothing about an account, NoAccountLeft when every account refuses.
        """
        errand = Errand(self.pool, "", "")
        try:
            while (loan := await errand.borrow_as_it_is() or await errand.borrow()) is not None:
                try:
                    await attempt(self._lent(candidate, loan, None))
                    return
                except Fault as fault:
                    if fault.status not in _ACCOUNT_CLASS:
                        raise
                finally:
                    errand.give_back(loan)
        except (Unavailable, OSError) as error:
            log.debug("%s: %s", self.pool.name, error)
        raise self.pool.nobody()

    async def _by(self, loan: Loan, errand: Errand, candidate: Candidate, delivery: Delivery, attempt: Attempt) -> bool:
        """Whether the account answered; a token that is refused is renewed, once."""
        account, renewed = loan.account, False
        try:
            while True:
                try:
                    await attempt(self._lent(candidate, loan, delivery.call))
                    return True
                except Fault as fault:
                    if delivery.committed or fault.status not in _ACCOUNT_CLASS:
                        raise
                    refused = fault
                if refused.status != 401 or renewed:
                    self.pool.failed(account, refused)
                    return False
                again = await errand.renew(loan)
                if again is None:  # noted on the account by whoever tried to renew it
                    return False
                loan, renewed = again, True
        finally:
            if delivery.committed:
                self.pool.worked(account)
            errand.give_back(loan)

    def _lent(self, candidate: Candidate, loan: Loan, call: Call | None) -> Candidate:
        """The candidate with the account's credential; and with what a genuine client says of itself, if one calls."""
        subscription, provider = self._subscription, candidate.provider
        lines = tuple((name.encode(), value.encode()) for name, value in subscription.authorize(loan))
        said = candidate.headers
        if call is not None and provider.dialect is call.dialect and subscription.passes:
            said = _introduced(said, _own_words(call, subscription.passes), candidate.channel)
        fields, accent = subscription.fields, provider.accent

        def with_fields(body: Body, target: Target) -> Body:
            return fields(accent(body, target), loan)

        return dataclasses.replace(
            candidate,
            provider=dataclasses.replace(provider, accent=with_fields),
            paths=(candidate.paths[0] + self._query, candidate.paths[1] + self._query),
            headers=said + lines,
            account=loan.account,
        )

    def _paid_candidate(self, candidate: Candidate, provider: Provider, channel: Channel) -> Candidate:
        """The same model, asked with the paid key."""
        key = (candidate.model.id, candidate.upstream_model)
        known = self._paid_candidates.get(key)
        if known is None or known.model is not candidate.model:
            upstream = candidate.model.served_by.get(provider.name, candidate.upstream_model)
            made = candidate_of(channel, provider, candidate.model, upstream)
            known = dataclasses.replace(made, lane=LaneId(f"{candidate.lane}#paid"), fallback=True)
            self._paid_candidates[key] = known
        return known


def lenders(
    stated: Sequence[AccountPool], providers: Mapping[str, Provider], upstream: Upstream, now_s: Callable[[], float]
) -> dict[ChannelId, Lender]:
    """A lender for each pool that is stated, by its channel. `now_s`: Unix seconds."""
    made: dict[ChannelId, Lender] = {}
    for one in stated:
        channel, row = one.channel, one.row
        subscription = providers[channel.provider].subscription
        if subscription is None:
            raise ValueError(f"{channel.provider} knows no accounts")
        paid = None
        if one.fallback_key:
            provider = providers[subscription.paid]
            url = (row.fallback_base_url or subscription.paid_url or channel.base_url).rstrip("/")
            headers = channel.headers if url == channel.base_url else ()
            patience_s = max(channel.first_byte_timeout_s, subscription.paid_patience_s)
            paid = (
                provider,
                msgspec.structs.replace(
                    channel,
                    provider=provider.name,
                    base_url=url,
                    keys=(one.fallback_key,),
                    headers=headers,
                    first_byte_timeout_s=patience_s,
                ),
            )
        pool = open_pool(one, subscription, upstream, now_s)
        made[channel.id] = Lender(pool, subscription, row.query, paid)
    return made


def session_of(call: Call) -> str:
    """What the caller calls his conversation: a header, or what the dialects have for it; empty when nothing."""
    for name in _SESSION_HEADERS:
        if value := call.heard.get(name):
            return _sendable(value.decode("latin-1"))
    try:
        if isinstance(key := plain(call.body, "prompt_cache_key"), str):
            return _sendable(key)
        about = plain(call.body, "metadata")
    except BadRequest:  # whoever reads the body in full says what is wrong with it
        return ""
    user = about.get("user_id") if isinstance(about, dict) else None
    return _sendable(user) if isinstance(user, str) else ""


def _sendable(session: str) -> str:
    """As it is, where it can stand in a header; else a digest of it."""
    session = session.strip()
    if len(session) <= SESSION_MAX and is_sendable(session):
        return session
    return hashlib.sha256(session.encode("utf-8", "replace")).hexdigest()[:32]


def _own_words(call: Call, passes: tuple[bytes, ...]) -> dict[bytes, bytes]:
    """The headers with which the caller's own client introduces itself; those that go on anyway are left out."""
    return {name: value for name, value in call.heard.items() if name.startswith(passes) and name not in call.headers}


def _introduced(
    headers: tuple[tuple[bytes, bytes], ...], own: Mapping[bytes, bytes], channel: Channel
) -> tuple[tuple[bytes, bytes], ...]:
    """The client's words in place of ours; what the operator has stated stands."""
    stated = {name.encode() for name, _ in channel.headers}
    own = {name: value for name, value in own.items() if name not in stated}
    return (*(line for line in headers if line[0] not in own), *own.items())
