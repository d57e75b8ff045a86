"""What to do about an upstream's error status, when to come back, and what of its message may be repeated."""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from tollway.core.errors import Remedy

_MODEL_CODES = frozenset({"model_not_found", "model_not_exist", "deployment_not_found", "deploymentnotfound"})
_MODEL_MISSING = re.compile(
    r"\bmodel:|no endpoints found|"
    r"\b(?:models?|deployment)\b.{0,200}?\b(?:not found|not exist|does not exist|not supported|not available|no access"
    r"|decommissioned|unknown|not a valid model)|"
    r"\b(?:unknown|no such|invalid|not a valid) model\b",
    re.IGNORECASE | re.DOTALL,
)
_KEY_REFUSED = re.compile(r"api[_ ]key[_ ](?:not valid|invalid|expired)", re.IGNORECASE)
_ONCE_MORE = frozenset({408, 504, 524})
_NEXT = frozenset({401, 402, 403, 429})
_LONGEST_WAIT_S = 86_400.0


def remedy_of(status: int, message: str = "", code: str = "") -> Remedy:
    """The remedy of relay.md 4.5 for an upstream's `status`; `message` and `code` are what its body said."""
    if status in _ONCE_MORE:
        return Remedy.ONCE_MORE
    if status in _NEXT or status >= 500 or status < 400:
        return Remedy.NEXT_CHANNEL
    if status == 404 and model_missing(message, code):
        return Remedy.NEXT_CHANNEL
    if status == 400 and key_refused(message, code):
        return Remedy.NEXT_CHANNEL
    return Remedy.NONE


def key_refused(message: str, code: str = "") -> bool:
    """Whether an error says that the key is no good: Gemini answers 400, not 401, to a bad key."""
    return bool(_KEY_REFUSED.search(message) or _KEY_REFUSED.search(code))


def model_missing(message: str, code: str = "") -> bool:
    """Whether the body of an error says that the model, not the path, is unknown."""
    return code.lower() in _MODEL_CODES or bool(_MODEL_MISSING.search(message))


def retry_after_s(headers: Mapping[bytes, bytes]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds, or a date measured against `date`)."""
    wait = _number(headers.get(b"retry-after-ms"))
    if wait is not None:
        return _bounded(wait / 1000)
    value = headers.get(b"retry-after")
    wait = _number(value)
    if wait is not None:
        return _bounded(wait)
    until, now = _date_s(value), _date_s(headers.get(b"date"))
    return None if until is None or now is None else _bounded(until - now)


def _number(value: bytes | None) -> float | None:
    try:
        number = float(value.strip()) if value else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date_s(value: bytes | None) -> float | None:
    try:
        return parsedate_to_datetime(value.decode("latin-1")).timestamp() if value else None
    except (ValueError, OverflowError):
        return None


def _bounded(wait_s: float) -> float:
    return min(max(wait_s, 0.0), _LONGEST_WAIT_S)


_SECRETS = (
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>`)\]}]+", re.IGNORECASE), "[url]"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=*-]{6,}", re.IGNORECASE), r"\1 [key]"),
    (re.compile(r"\b(?:sk|pk|rk|gsk|xai|inf|key|hf)[-_](?=[\w*.-]*[\d*])[\w*.-]{5,}[\w*]", re.IGNORECASE), "[key]"),
    (re.compile(r"\bAIza[\w*-]{6,}|\bya29\.[\w.-]{6,}|\bAKIA[A-Z0-9]{8,}|\beyJ[\w-]{8,}\.[\w.-]+"), "[key]"),
    (re.compile(r"\b(api[-_ ]?key|token|secret)(\s*[:=]\s*)[\"']?[\w*.-]{8,}[\"']?", re.IGNORECASE), r"\1\2[key]"),
    (re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.]*\d)"), "[ip]"),
    (
        re.compile(
            r"\[?(?<![\w:])(?:(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?::"
            r"(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?)(?![\w:])\]?(?::\d{1,5}\b)?",
            re.IGNORECASE,
        ),
        "[ip]",
    ),
    (
        re.compile(
            r"(?<![\w.@/-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+"
            r"(?:com|net|org|io|ai|dev|app|cloud|internal|local|lan|corp|cn|eu|us|uk|de|fr|co)(?::\d{1,5})?(?![\w.-]*\w)",
            re.IGNORECASE,
        ),
        "[host]",
    ),
    (re.compile(r"\blocalhost(?::\d{1,5})?\b", re.IGNORECASE), "[host]"),
)


def masked(message: str) -> str:
    """The message without URLs, host names, IP addresses and keys."""
    for pattern, word in _SECRETS:
        message = pattern.sub(word, message)
    return message
