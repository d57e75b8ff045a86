"""One call judged: what its receipt may say, given what the provider delivered and what the caller saw.

Each rule either names how the call's money is explained, or says what is wrong. No rule lets a charge pass that the
provider's account does not bear out, nor a delivered answer that nobody was charged for.
"""

import math
from collections.abc import Callable
from typing import Any

from bench.books.books import Receipt
from bench.books.evidence import Case
from bench.books.prices import PriceList
from bench.books.story import PIECE_TOKENS, Tokens
from bench.books.wires import told_by

MOST_PER_TOKEN = 2.1
"""Our own count of a piece is at most so much above the true one …"""
LEAST_PER_TOKEN = 0.6
"""… and at least so much of it: a process whose tokenizer is not loaded yet guesses by classes of words …"""
PROMPT_FRAME = 24
"""… and of a prompt at most so many tokens beside its words."""
LEAST_LIMIT = 600
"""Output tokens that every model may say when the caller sets no limit."""
NANO_PER_CREDIT = 1_000_000


class Wrong(Exception):
    """The call's money is not explained."""


def explain(case: Case, prices: PriceList) -> str:
    """How the call's money is explained, in a few words. Raises Wrong."""
    receipt = case.receipt
    _answer(case)
    if receipt is None:
        return _missing(case)
    if receipt.body.get("charge_nano_usd", 0) != receipt.charge:
        raise Wrong(f"the receipt says {receipt.body.get('charge_nano_usd', 0)}, the books {receipt.charge}")
    if receipt.user != case.user:
        raise Wrong(f"{receipt.user} was charged for it")
    rule = RULES.get(receipt.reason)
    if rule is None:
        raise Wrong(f"nobody knows the reason {receipt.reason!r}")
    told = rule(case, receipt, prices)
    if case.seen.charged:
        _as_told(round(float(case.seen.charged) * NANO_PER_CREDIT), case, receipt)
    return told


def _as_told(told: int, case: Case, receipt: Receipt) -> None:
    """The cost in the answer's head is what is charged; less only when the lease was taken away afterwards."""
    most = receipt.charge + (receipt.overrun if case.late else 0)
    if not receipt.charge <= told <= most:
        raise Wrong(f"the caller was told {told}, charged {receipt.charge}")


def _answer(case: Case) -> None:
    """What the caller saw must have a cause."""
    seen = case.seen
    if seen.status >= 500 and "internal error" in seen.body:
        raise Wrong(f"the gateway stumbled: {seen.body}")
    if seen.status in (502, 504) and not (case.attempts or case.shaken):
        raise Wrong(f"refused without a cause: {seen.body}")
    if seen.status == 429 and "insufficient" in seen.body and case.rich:
        raise Wrong(f"a rich caller was refused: {seen.body}")
    if seen.status in (400, 401, 403, 404):
        raise Wrong(f"refused as faulty: {seen.body}")
    if seen.end == "mute" and not (case.fate or case.disturbed):
        raise Wrong("the connection ended without an answer")
    if seen.end == "cut" and not case.fate and not _breaks_off(case):
        raise Wrong("the answer was cut without a cause")


def _breaks_off(case: Case) -> bool:
    """Gemini's streams have no word for an error: they end in mid-air."""
    return case.call.dialect == "gemini" and case.receipt is not None and case.receipt.reason == "upstream_cut"


def _missing(case: Case) -> str:
    if case.losable:
        ended = case.seen.end in ("whole", "error") and case.reached
        return (
            "lost with its host: ended less than a flush interval before" if ended else "lost with its host in flight"
        )
    if case.reached:
        raise Wrong("a provider was asked, and there is no receipt")
    if case.seen.status == 200:
        raise Wrong("it was answered, and there is no receipt")
    if case.seen.status == 503 and not case.shaken:
        return "refused with 503, and no blow near that explains it: a slow machine, or a fault to look for"
    return f"refused with {case.seen.status}" if case.seen.status else "never begun"


# ---------------------------------------------------------------- by reason


def _completed(case: Case, receipt: Receipt, prices: PriceList) -> str:
    attempt = _answering(case, receipt)
    seen = case.seen
    if receipt.body.get("stop"):
        return _stopped(case, receipt, attempt, prices)
    if not attempt["whole"]:
        raise Wrong("completed, though the provider did not finish")
    if seen.end == "whole" and seen.status == 200 and seen.pieces != attempt["pieces"]:
        raise Wrong(f"the caller got {seen.pieces} pieces of {attempt['pieces']}")
    if seen.end not in ("whole", "left") and not case.fate:
        raise Wrong("completed, and the caller did not get all of it")
    return _priced(case, receipt, attempt, prices)


def _stopped(case: Case, receipt: Receipt, attempt: dict[str, Any], prices: PriceList) -> str:
    """Ended by us, for want of credit."""
    if case.rich and not case.disturbed:
        raise Wrong("a rich caller's answer was stopped")
    if case.seen.end == "whole" and not case.seen.short:
        raise Wrong("stopped for want of credit, and the caller was not told that it is short")
    _within(case, receipt, attempt)
    _bill(case, receipt, prices)
    why = "no more could be leased in the disturbance" if case.rich else "for want of credit"
    return f"stopped {why}, charged within what was delivered"


def _broken(case: Case, receipt: Receipt, prices: PriceList) -> str:
    """The provider broke off, or the caller left: charged for what was said."""
    seen = case.seen
    if receipt.reason == "client_gone" and seen.end == "whole" and seen.status == 200:
        raise Wrong("called gone, and got everything")
    if receipt.reason == "client_gone" and seen.end != "left" and not case.fate and not case.disturbed:
        raise Wrong("called gone, and did not leave")
    if receipt.reason == "upstream_cut" and seen.end == "whole" and seen.status == 200:
        raise Wrong("called cut, and the caller got a clean end")
    if receipt.usage is None:
        if seen.pieces:
            raise Wrong(f"free, and the caller got {seen.pieces} pieces")
        return _free(receipt, "nothing was delivered")
    attempt = _answering(case, receipt)
    if receipt.reason == "upstream_cut" and attempt["whole"] and not (case.disturbed or case.fate):
        raise Wrong("called cut, though the provider finished")
    if not receipt.estimated:
        if not attempt["whole"]:
            raise Wrong("it bears the provider's usage, which the provider never told")
        return _priced(case, receipt, attempt, prices)
    if receipt.usage.said and not attempt["pieces"]:
        raise Wrong("charged, and nothing was delivered")
    _within(case, receipt, attempt)
    _bill(case, receipt, prices)
    return f"{receipt.reason}, charged within what was delivered"


def _nothing(case: Case, receipt: Receipt, _: PriceList) -> str:
    """No channel answered, or the answer was empty."""
    seen = case.seen
    if seen.pieces or (seen.status == 200 and receipt.reason == "failed" and seen.end == "whole"):
        raise Wrong(f"called {receipt.reason}, and the caller got {seen.pieces} pieces")
    spoke = [one for one in case.attempts if one["whole"] and one["pieces"]]
    if spoke and not (case.disturbed or case.fate or seen.end == "left"):
        raise Wrong(f"called {receipt.reason}, though the provider answered")
    return _free(receipt, "nothing was delivered")


def _expired(case: Case, receipt: Receipt, _: PriceList) -> str:
    """The process died while it held the call."""
    if case.fate not in ("killed", "lost", "ended"):
        raise Wrong("expired, though its gateway lived")
    if case.seen.end in ("whole", "error") and case.seen.status:
        raise Wrong("expired, though the caller got its end: the terminal entry was lost")
    return _free(receipt, "its gateway was killed before the end")


RULES: dict[str, Callable[[Case, Receipt, PriceList], str]] = {
    "completed": _completed,
    "client_gone": _broken,
    "upstream_cut": _broken,
    "empty": _nothing,
    "failed": _nothing,
    "expired": _expired,
}


# ---------------------------------------------------------------- money


def _answering(case: Case, receipt: Receipt) -> dict[str, Any]:
    """The provider's own line on the attempt that answered."""
    tried = receipt.attempts
    if not tried or tried[-1].get("fault"):
        raise Wrong("charged, and no channel stands on the receipt as the one that answered")
    if not _agree(tried, case.attempts):
        raise Wrong("the receipt and the provider tell of different attempts")
    return case.attempts[-1]


def _agree(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> bool:
    """Whether the attempts on a receipt are those that the provider saw, in order.

    A kept connection that ends without an answer may be made anew and the question asked again: no attempt of its own.
    A gateway that was stopped, or is very slow, may give up an attempt that never left it.
    """
    if not ours:
        return not theirs
    if theirs and theirs[0]["channel"] == ours[0]["channel"]:
        if _agree(ours[1:], theirs[1:]):
            return True
        if theirs[0]["kind"] == "cut_before" and len(theirs) > 1 and _agree(ours, theirs[1:]):
            return True
    return not ours[0]["status"] and _agree(ours[1:], theirs)


def _priced(case: Case, receipt: Receipt, attempt: dict[str, Any], prices: PriceList) -> str:
    """The provider finished: its usage times the price, or our count where it told none."""
    told = attempt["told"]
    if told is None:
        if not receipt.estimated:
            raise Wrong("it bears the provider's usage, which the provider never told")
        _within(case, receipt, attempt)
        _bill(case, receipt, prices)
        return "no usage was told: counted by us, within what was delivered"
    tokens = Tokens(*(max(0, count) for count in told))
    if receipt.usage != tokens:
        if not receipt.estimated or (tokens.asked and tokens.said):
            raise Wrong(f"the provider told {tuple(tokens)}, the receipt says {receipt.usage}")
        _within(case, receipt, attempt)
        _bill(case, receipt, prices)
        return "usage below zero was told: counted by us, within what was delivered"
    if case.seen.end == "whole" and case.seen.said not in (-1, tokens.said) and attempt["kind"] != "negative":
        raise Wrong(f"the caller was told {case.seen.said} tokens, the receipt says {tokens.said}")
    return _bill(case, receipt, prices) or f"{attempt['kind']}: the provider's usage times the price"


def _bill(case: Case, receipt: Receipt, prices: PriceList) -> str:
    """The sums on the receipt; says how an overrun is explained, if there is one."""
    assert receipt.usage is not None
    cost, full = prices.cost(str(receipt.body["model"]), receipt.usage)
    if receipt.cost != cost:
        raise Wrong(f"the provider's cost is {cost}, the receipt says {receipt.cost}")
    if receipt.charge + receipt.overrun != full or receipt.charge < 0 or receipt.overrun < 0:
        raise Wrong(f"{full} is owed, charged were {receipt.charge} and absorbed {receipt.overrun}")
    if not receipt.overrun:
        return ""
    lied = case.attempts[-1]["kind"] == "high"
    covered = receipt.charge >= min(receipt.hold, full, _ceiling(case, receipt, prices) if lied else full)
    if case.rich and not (lied and covered):
        raise Wrong(f"{receipt.overrun} were absorbed for a caller who could pay")
    if case.late and not covered:
        return "late, his lease had been taken away: charged what no lease held, the rest absorbed"
    if not covered:
        raise Wrong(f"{receipt.charge} were charged of a hold of {receipt.hold}")
    return "usage beyond belief: charged what was held, the rest absorbed" if lied else "more than he had: absorbed"


def _ceiling(case: Case, receipt: Receipt, prices: PriceList) -> int:
    """What the call may cost at worst is charged at least, when its provider tells of more: nobody is charged beyond
    that. For those who are nearly broke it is what was delivered: their credits may have lowered the limit."""
    delivered = math.floor(case.seen.pieces * PIECE_TOKENS * LEAST_PER_TOKEN)
    said = (case.call.limit or LEAST_LIMIT) if case.rich and not receipt.body.get("stop") else delivered
    return prices.cost(str(receipt.body["model"]), Tokens(case.call.words, said))[1]


def _within(case: Case, receipt: Receipt, attempt: dict[str, Any]) -> None:
    """Our own count lies between what the caller got and what the provider sent, or is what the provider had told."""
    usage = receipt.usage
    assert usage is not None
    deed = case.call.deed(attempt["attempt"])
    dialect = attempt["channel"].partition("-")[0]
    told: Tokens | None = None
    if deed.told is not None and (attempt["told"] or dialect == "anthropic"):  # who tells the prompt before the answer
        told = Tokens(*(max(0, count) for count in told_by(dialect, deed.told)))
    said = told.said if told is not None and attempt["told"] else 0
    least = math.floor(case.seen.pieces * PIECE_TOKENS * LEAST_PER_TOKEN)
    most = math.ceil(attempt["pieces"] * PIECE_TOKENS * MOST_PER_TOKEN) + 2
    if not (least <= usage.said <= most or (said and usage.said == said)):
        raise Wrong(f"{usage.said} tokens were counted, between {least} and {most} were delivered")
    if told is not None and usage._replace(said=0) == told._replace(said=0):
        return
    words = case.call.words
    if usage.cache_read or usage.cache_write or not words <= usage.asked <= words * MOST_PER_TOKEN + PROMPT_FRAME:
        raise Wrong(f"a prompt of {usage.asked} tokens was counted, it has {words} words")


def _free(receipt: Receipt, why: str) -> str:
    if receipt.charge or receipt.overrun or receipt.cost:
        raise Wrong(f"should be free ({why}), and bears {receipt.charge}, {receipt.overrun} and {receipt.cost}")
    return f"free: {why}"
