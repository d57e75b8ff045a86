"""What happens in one run, drawn from a seed: who pays, what he asks, how the provider behaves, when he leaves."""

import random
from collections import Counter
from typing import NamedTuple

DIALECTS = ("openai", "anthropic", "gemini")
MODELS = {
    "gpt-5-mini": "openai",
    "claude-haiku": "anthropic",
    "gemini-3-flash": "gemini",
    "gpt-5.2": "openai",
    "claude-sonnet": "anthropic",
}
CHANNELS = tuple(f"{name}-{letter}" for name in DIALECTS for letter in "ab")
PIECE = "alpha beta gamma @ "
"""What an answer is made of: four tokens for most tokenizers; callers count its mark."""
PIECE_TOKENS = 4
STORMS = (*CHANNELS, *DIALECTS)
"""Who says that it is too busy: one channel, or all of a vendor's."""
STORM_CALLS = 60
STORM_EVERY = 700

SILENT = ("cut_before", "garbage", "hang_before", "refused")
"""Deeds after which the provider has said nothing that anybody could read: the next channel is asked."""
SILENT_IF_WHOLE = (*SILENT, "cut_mid", "error_mid", "hang_mid", "unfinished")
"""The same for an answer in one piece."""
DEEDS = {
    "honest": 60, "high": 3, "low": 3, "negative": 1.5, "unmeasured": 5, "slow": 4, "cut_before": 2, "cut_mid": 4,
    "error_mid": 1.5, "hang_before": 1, "hang_mid": 1, "refused": 3, "garbage": 1, "empty": 1.5, "unfinished": 1.5,
}  # fmt: skip


class Tokens(NamedTuple):
    """Usage as the provider tells it; the parts of the prompt are never additions to it."""

    asked: int
    said: int
    cache_read: int = 0
    cache_write: int = 0


class Deed(NamedTuple):
    """How the provider behaves when it is asked once."""

    kind: str
    pieces: int
    told: Tokens | None
    """None: it never tells."""
    stop_after: int
    """Pieces after which a cut, an error or a silence comes."""
    pause_s: float
    status: int = 200


class Account(NamedTuple):
    """Somebody who pays."""

    kind: str
    """`rich`, `modest` or `poor`."""
    credits: tuple[tuple[str, int], ...]
    """Micro-credits (thousands of nano-dollars) by kind of grant."""
    budget: int = 0
    """Micro-credits that the key may spend in all; 0: no budget."""


class Call(NamedTuple):
    """One call of the driver's."""

    number: int
    account: int
    model: str
    slot: int
    """Together with account and model it names the call: the model is asked for by an alias of this number."""
    dialect: str
    stream: bool
    words: int
    limit: int | None
    deeds: tuple[Deed, ...]
    """One for each attempt; the last one for all that follow."""
    storm: str
    """The channel or vendor that answers 429 to this call, or nothing."""
    leaves: tuple[str, float] | None
    """(`pieces`, n) or (`seconds`, s) after which the caller hangs up."""

    @property
    def asked(self) -> str:
        """The model's name as the caller writes it."""
        return alias(self.model, self.slot)

    @property
    def mark(self) -> str:
        """What the provider knows the call by."""
        return f"b{self.number:06d}"

    def deed(self, attempt: int) -> Deed:
        """How the provider behaves the `attempt`-th time it is asked, counted from 0."""
        return self.deeds[min(attempt, len(self.deeds) - 1)]


class Story(NamedTuple):
    """Everything that was drawn."""

    accounts: tuple[Account, ...]
    calls: tuple[Call, ...]
    slots: int
    """Aliases each model needs."""


def alias(model: str, slot: int) -> str:
    """The name by which the call of that number asks for the model."""
    return f"{model}-s{slot}"


def story(seed: int, calls: int) -> Story:
    """The same numbers always tell the same story."""
    dice = random.Random(f"books:{seed}:{calls}")
    accounts = tuple(_account(dice, number) for number in range(max(16, min(240, calls // 60))))
    weights = [{"rich": 3.0, "modest": 2.0, "poor": 0.5}[account.kind] for account in accounts]
    weights[0] *= 6
    weights[3] *= 6
    taken: Counter[tuple[int, str]] = Counter()
    told = []
    for number in range(calls):
        who = dice.choices(range(len(accounts)), weights)[0]
        model = dice.choices(list(MODELS), (5, 4, 4, 1, 1))[0]
        told.append(_call(dice, number, who, model, taken[who, model]))
        taken[who, model] += 1
    return Story(accounts, tuple(told), max(taken.values()))


def _account(dice: random.Random, number: int) -> Account:
    kind = ("rich", "poor", "rich", "modest", "rich", "rich", "poor", "rich")[number % 8]
    most = {"rich": 200_000_000, "modest": 90_000, "poor": 2_500}[kind]
    total = most if kind == "rich" else dice.randrange(most // 5, most)
    budget = dice.randrange(2_000, 90_000) if number % 7 == 5 else 0
    if dice.random() < 0.4:
        return Account(kind, (("promo", total),), budget)
    plan, topup = int(total * dice.uniform(0, 0.5)), int(total * dice.uniform(0, 0.5))
    parts = (("topup", topup), ("plan", plan), ("promo", total - plan - topup))
    return Account(kind, tuple(part for part in parts if part[1]), budget)


def _call(dice: random.Random, number: int, who: int, model: str, slot: int) -> Call:
    stream = dice.random() < 0.6
    words = dice.randrange(5, 80)
    deeds = [_deed(dice, dice.choices(list(DEEDS), list(DEEDS.values()))[0], words)]
    while deeds[-1].kind in (SILENT if stream else SILENT_IF_WHOLE) and len(deeds) < 4:
        deeds.append(_deed(dice, dice.choice(SILENT) if dice.random() < 0.25 else "honest", words))
    into, window = number % STORM_EVERY, number // STORM_EVERY
    stormy = STORM_EVERY // 3 <= into < STORM_EVERY // 3 + STORM_CALLS
    dialect = dice.choices(DIALECTS, (5, 3, 2))[0]
    leaves = None
    if dice.random() < 0.09:
        after = ("pieces", float(dice.randrange(1, 8))) if dice.random() < 0.6 else ("seconds", dice.uniform(0, 0.3))
        leaves = after if stream or after[0] == "seconds" else None
    limit = None if dialect != "anthropic" and dice.random() < 0.2 else dice.choice((600, 1000, 4000, 16000))
    return Call(
        number, who, model, slot, dialect, stream, words, limit, tuple(deeds),
        STORMS[(3 + window) % len(STORMS)] if stormy else "", leaves,
    )  # fmt: skip


def _deed(dice: random.Random, kind: str, words: int) -> Deed:
    pieces = 0 if kind == "empty" else dice.choice((1, 2, 3, 5, 8, 12, 12, 20, 60)) if kind != "slow" else 12
    said = pieces * PIECE_TOKENS + dice.randrange(0, 9) if pieces else 0
    asked = words + dice.randrange(6, 18)
    read = dice.randrange(0, asked // 2) if dice.random() < 0.3 else 0
    wrote = dice.randrange(0, asked // 3) if dice.random() < 0.2 else 0
    told: Tokens | None = Tokens(asked, said, read, wrote)
    if kind == "high":
        told = Tokens(asked * dice.choice((1, 10, 1000)), said * dice.choice((5, 40, 400)), read)
    elif kind == "low":
        told = Tokens(max(1, asked // 10), max(1, said // 10))
    elif kind == "negative":
        told = dice.choice((Tokens(asked, -said), Tokens(-asked, said), Tokens(-asked, -said)))
    elif kind == "unmeasured":
        told = None
    stop_after = dice.randrange(0 if kind == "unfinished" else 1, max(2, pieces)) if kind != "honest" else 0
    pause_s = dice.uniform(0.03, 0.15) if kind == "slow" else dice.choice((0.0, 0.0, 0.002, 0.006))
    status = dice.choice((500, 502, 503, 529)) if kind == "refused" else 200
    return Deed(kind, pieces, told, stop_after, pause_s, status)
