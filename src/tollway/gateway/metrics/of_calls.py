"""The metrics of calls: who asked for what, how it ended, how long it took, what it cost."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tollway.core.errors import Unauthenticated
from tollway.gateway.metrics.families import Counts, Durations, Numbers
from tollway.gateway.metrics.tally import Cell, Kind, Tally, reason_of
from tollway.gateway.metrics.times import ANSWERS_MS, FIRST_WORDS_MS, Times

USD = 1e9
"""Nano-dollars."""
_MODEL = ("model", "provider")


class Naming(NamedTuple):
    """What labels are called."""

    route: Callable[[str], str]
    """The path of a surface."""
    routes: tuple[str, ...]
    """The paths of all surfaces: their counters are there before the first call."""
    model: Callable[[str], str]
    """A model, or its family."""
    operation: Callable[[str], str]
    """What a surface is for."""


def families_of_calls(tally: Tally, naming: Naming) -> list[Numbers | Durations]:
    """Everything a tally knows."""
    cells = [(kind, cell) for kind, cell in tuple(tally.cells.items()) if cell.calls]
    return [
        *_requests(tally, cells, naming),
        *_times(tally, cells, naming),
        *_tokens(cells, naming),
        *_money(cells, naming),
        *_troubles(tally, naming),
        *_channels(tally, cells),
    ]


Cells = Iterable[tuple[Kind, Cell]]


def _asked(stream: bool) -> str:
    return "true" if stream else "false"


def _requests(tally: Tally, cells: Cells, naming: Naming) -> tuple[Numbers, ...]:
    requests = Counts(
        "api_requests_total",
        "Requests answered. A stream that broke off is 5xx, a caller who left 4xx. Probes are not counted.",
        ("route", "method", "status_class", "stream"),
    )
    by_model = Counts(
        "api_model_requests_total",
        "Calls by the model that was sold and the provider that had the last word; 499: the caller left, 502: cut.",
        (*_MODEL, "status_code"),
    )
    refusals = Counts("api_refusals_total", "Requests refused or failed before a first word.", ("route", "reason"))
    for route in naming.routes:
        for status_class in ("2xx", "4xx", "5xx"):
            for stream in (False, True):
                requests.add(0, route, "POST", status_class, _asked(stream))
        refusals.add(0, route, reason_of(Unauthenticated))
    for kind, cell in cells:
        if kind.ended != "failed":  # such a one was refused with an error, and is counted there
            requests.add(cell.calls, naming.route(kind.surface), "POST", f"{kind.status[0]}xx", _asked(kind.stream))
        by_model.add(cell.calls, naming.model(kind.model), kind.provider, kind.status)
    for labels, count in tuple(tally.routes.items()):
        requests.add(count, *labels)
    for refused, count in tuple(tally.refusals.items()):
        refusals.add(count, *refused)
    return requests, by_model, refusals


def _times(tally: Tally, cells: Cells, naming: Naming) -> tuple[Durations, ...]:
    durations = Durations(
        "api_request_duration_seconds",
        "From a request's head to the end of its answer.",
        ("route", "method", "stream"),
        ANSWERS_MS,
    )
    first_words = Durations(
        "api_ttft_seconds", "From a request's head to the first word of its stream.", ("provider", "model"),
        FIRST_WORDS_MS,
    )  # fmt: skip
    providers = Durations(
        "provider_request_duration_seconds",
        "What the provider that answered took.",
        ("provider", "model", "operation"),
        ANSWERS_MS,
    )
    for route in naming.routes:
        for stream in (False, True):
            durations.add(Times(ANSWERS_MS), route, "POST", _asked(stream))
    for kind, cell in cells:
        model = naming.model(kind.model)
        if kind.ended != "failed":
            durations.add(cell.durations, naming.route(kind.surface), "POST", _asked(kind.stream))
        if any(cell.first_words.counts):
            first_words.add(cell.first_words, kind.provider, model)
        if any(cell.providers.counts):
            providers.add(cell.providers, kind.provider, model, naming.operation(kind.surface))
    for labels, times in tuple(tally.route_times.items()):
        durations.add(times, *labels)
    return durations, first_words, providers


def _tokens(cells: Cells, naming: Naming) -> tuple[Numbers, ...]:
    tokens = Counts(
        "api_tokens_total", "Tokens of prompts (input) and of answers (output), all of them.", (*_MODEL, "direction")
    )
    parts = Counts(
        "api_token_parts_total",
        "Parts of them: read from and written to the provider's cache (of input), reasoning (of output).",
        (*_MODEL, "part"),
    )
    anomalies = Counts(
        "api_token_anomalies_total",
        "Calls whose tokens we had to count ourselves (estimated), or that cost more than we held (overrun).",
        (*_MODEL, "reason"),
    )
    for kind, cell in cells:
        labels = naming.model(kind.model), kind.provider
        tokens.add(cell.input, *labels, "input")
        tokens.add(cell.output, *labels, "output")
        for part, count in (("cache_read", cell.cached), ("cache_write", cell.stored), ("reasoning", cell.reasoning)):
            if count:
                parts.add(count, *labels, part)
        for reason, count in (("estimated", cell.estimated), ("overrun", cell.anomalies)):
            if count:
                anomalies.add(count, *labels, reason)
    return tokens, parts, anomalies


def _money(cells: Cells, naming: Naming) -> tuple[Numbers, ...]:
    cost = Counts("api_cost_usd_total", "What the providers take, in US dollars.", _MODEL)
    charge = Counts("api_charge_usd_total", "What callers were charged, in US dollars.", _MODEL)
    held = Counts("api_held_usd_total", "What was held for calls that have ended, in US dollars.", _MODEL)
    drift = Counts("api_hold_drift_usd_total", "Held, and not charged: how far holds are above settlements.", _MODEL)
    over = Counts("api_overrun_usd_total", "What calls cost above their holds: absorbed, in US dollars.", _MODEL)
    hedged = Counts(
        "api_hedge_absorbed_usd_total", "Prompts of channels that were asked beside another in vain: absorbed.", _MODEL
    )
    for kind, cell in cells:
        labels = naming.model(kind.model), kind.provider
        for family, amount in (
            (cost, cell.cost),
            (charge, cell.charge),
            (held, cell.held),
            (drift, max(0, cell.held - cell.charge)),
            (over, cell.overrun),
            (hedged, cell.absorbed),
        ):
            family.add(amount / USD, *labels)
    return cost, charge, held, drift, over, hedged


def _troubles(tally: Tally, naming: Naming) -> tuple[Numbers, ...]:
    interruptions = Counts(
        "streaming_interruptions_total", "Streams that did not come to their end.", (*_MODEL, "stage")
    )
    truncations = Counts("api_truncations_total", "Answers that we ended early.", (*_MODEL, "reason"))
    crowded = Counts("user_concurrency_rejected_total", "Calls refused: the key had too many running.", ("role",))
    crowded.add(0, "none")
    for (model, provider, stage), count in tuple(tally.interruptions.items()):
        interruptions.add(count, naming.model(model), provider, stage)
    for (model, provider, reason), count in tuple(tally.stops.items()):
        truncations.add(count, naming.model(model), provider, reason)
    for plan, count in tuple(tally.crowded.items()):
        crowded.add(count, plan)
    return interruptions, truncations, crowded


def _channels(tally: Tally, cells: Cells) -> tuple[Numbers, ...]:
    attempts = Counts(
        "channel_attempts_total",
        "Channels asked, and what became of it.",
        ("channel", "provider", "outcome"),
    )
    retries = Counts("api_retries_total", "Calls that went on to another try.", ("provider", "reason"))
    fallbacks = Counts(
        "api_fallbacks_total", "Calls that went on to another channel.", ("from_provider", "to_provider", "reason")
    )
    paid = Counts(
        "account_paid_fallbacks_total", "Calls of a pool that its paid key took: no account was left.", ("channel",)
    )
    keys = Counts("key_pool_requests_total", "Attempts by key, of channels with several.", ("provider", "key_index"))
    for asked, count in tuple(tally.keys.items()):
        keys.add(count, *asked)
    for kind, cell in cells:
        if kind.provider:
            answers = sum(cell.providers.counts)
            attempts.add(answers, kind.channel, kind.provider, "answered")
        if cell.paid:
            paid.add(cell.paid, kind.channel)
    for tried, count in tuple(tally.attempts.items()):
        attempts.add(count, *tried)
    for again, count in tuple(tally.retries.items()):
        retries.add(count, *again)
    for turned, count in tuple(tally.fallbacks.items()):
        fallbacks.add(count, *turned)
    return attempts, retries, fallbacks, paid, keys
