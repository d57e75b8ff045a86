"""The metrics of what stands behind calls: circuits, books, accounts, engines, users."""

from collections.abc import Iterable

import tollway
from tollway.gateway.metrics.families import Counts, Levels, Numbers
from tollway.gateway.metrics.standing import Standing

USD = 1e9
"""Nano-dollars."""
STATES = ("active", "cooldown", "revoked", "disabled")


def families_of_rooms(now: Standing, reasons: Iterable[str]) -> list[Numbers]:
    """Everything that stands. `reasons`: all that circuits open for; their counters are there before the first."""
    return [
        _build(),
        *_circuits(now, tuple(reasons)),
        *_books(now),
        *_hedges(now),
        *_accounts(now),
        *_engines(now),
        *_users(now),
    ]


def _build() -> Numbers:
    build = Levels("tollway_build_info", "Always 1; the label tells the version that runs.", ("version",))
    build.add(1, tollway.__version__)
    return build


def _circuits(now: Standing, reasons: tuple[str, ...]) -> tuple[Numbers, ...]:
    state = Levels("circuit_state", "The worst circuit of a provider: 0 closed, 1 half-open, 2 open.", ("provider",))
    by_channel = Levels(
        "channel_circuit_state",
        "The worst circuit of a channel: 0 closed, 1 half-open, 2 open.",
        ("channel", "provider"),
    )
    opened = Counts(
        "circuit_open_total", "Circuits that opened here, those that opened again after a trial, too.",
        ("provider", "reason"),
    )  # fmt: skip
    by_key = Counts(
        "key_pool_cooldowns_total",
        "Keys, of channels with several, that were put to rest.",
        ("provider", "key_index", "reason"),
    )
    availability = Levels(
        "provider_availability", "Good answers of late, 0 to 1: the moving average over a provider's circuits.",
        ("provider",),
    )  # fmt: skip
    bonds = Levels("key_pool_active_affinities", "Conversations that stay with a channel and its key.", ("provider",))
    for provider, count in now.bonds.items():
        bonds.add(count, provider)
    for channel, provider in now.providers.items():
        bonds.values.setdefault((provider,), 0)
        state.most(0, provider)
        by_channel.most(0, channel, provider)
        for reason in reasons:
            opened.values.setdefault((provider, reason), 0)
    successes: dict[str, list[float]] = {provider: [] for provider in now.providers.values()}
    for circuit in now.circuits:
        state.most(circuit.state, circuit.provider)
        by_channel.most(circuit.state, circuit.channel, circuit.provider)
        successes.setdefault(circuit.provider, []).append(circuit.success)
    for provider, shares in successes.items():
        availability.most(sum(shares) / len(shares) if shares else 1.0, provider)
    for one, count in now.opened.items():
        opened.add(count, one.provider, one.reason)
        if one.key:
            by_key.add(count, one.provider, one.key, one.reason)
    return state, by_channel, opened, by_key, availability, bonds


def _books(now: Standing) -> tuple[Numbers, ...]:
    books = now.books
    figures = (
        ("api_concurrent_requests", "Calls in flight.", books.open_holds),
        ("ledger_queue_calls", "Ended calls that the database does not have yet.", books.waiting),
        ("ledger_queue_age_seconds", "For how long the first of them has waited.", books.oldest_s),
        ("ledger_writer_broken", "1: the books can be written no more, and no call is taken.", books.broken),
        ("ledger_leases", "Accounts of which this process has leased credit.", books.leases),
        ("ledger_lease_free_usd", "Leased, and free to be held, in US dollars.", books.free / USD),
        ("ledger_lease_held_usd", "Held for calls in flight, in US dollars.", books.held / USD),
        ("database_connected", "1: the database answers.", now.database_connected),
    )
    shown: list[Numbers] = []
    for name, meaning, value in figures:
        level = Levels(name, meaning)
        level.add(float(value))
        shown.append(level)
    dropped = Counts("ledger_unrecorded_total", "Ended calls that went on to the database without a journal record.")
    dropped.add(books.unrecorded)
    return *shown, dropped


def _hedges(now: Standing) -> tuple[Numbers, ...]:
    hedges = Counts(
        "optimiser_hedge_decisions_total",
        "Second channels asked (sent), and those that spoke first (won).",
        ("outcome",),
    )
    if now.hedges is not None:
        hedges.add(now.hedges.sent, "sent")
        hedges.add(now.hedges.won, "won")
    return (hedges,)


def _accounts(now: Standing) -> tuple[Numbers, ...]:
    state = Levels("account_state", "1 for the state an account is in.", ("pool", "account", "state"))
    expiry = Levels(
        "account_token_expiry_timestamp_seconds",
        "When an account's access token ends (Unix time).",
        ("pool", "account"),
    )
    refreshes = Counts("account_refreshes_total", "Renewals of tokens that this process did.", ("pool", "outcome"))
    for one in now.accounts:
        for known in STATES:
            state.add(float(known == one.state), one.pool, one.account, known)
        expiry.most(one.expires_at_s, one.pool, one.account)
    for (pool, outcome), count in now.refreshes.items():
        refreshes.add(count, pool, outcome)
    return state, expiry, refreshes


def _engines(now: Standing) -> tuple[Numbers, ...]:
    requests = Levels("engine_requests", "Requests at a local engine.", ("channel", "provider", "state"))
    cache = Levels("engine_kv_cache_ratio", "Of its key-value cache, how much is used.", ("channel", "provider"))
    telling = Levels("engine_telling", "1: it tells its load.", ("channel", "provider"))
    for one in now.engines:
        requests.add(one.running, one.channel, one.provider, "running")
        requests.add(one.waiting, one.channel, one.provider, "waiting")
        telling.add(float(one.telling), one.channel, one.provider)
        if one.kv_used is not None:
            cache.add(one.kv_used, one.channel, one.provider)
    return requests, cache, telling


def _users(now: Standing) -> tuple[Numbers, ...]:
    total = Levels("users_total", "Users of the hub.")
    daily = Levels("users_active_daily", "Users who made a call today (UTC).")
    monthly = Levels("users_active_monthly", "Users who made a call within thirty days.")
    cost = Levels(
        "user_cost_usd_today", "What providers take today (UTC) for those users who cost most.", ("user", "role")
    )
    if now.users is not None:
        total.add(now.users.total)
        daily.add(now.users.daily)
        monthly.add(now.users.monthly)
        for one in now.users.spenders:
            cost.most(one.cost / USD, one.user, one.plan)
    return total, daily, monthly, cost
