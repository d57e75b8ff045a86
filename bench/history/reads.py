"""Which tables a statement reads, and which of them grow with every call."""

import re

GROWING = re.compile(r"(receipts|splits)_\d{6}|entries|postings|usage_daily|refunds|closed_months")
_READ = re.compile(r"\b(?:FROM|JOIN)\s+([a-z_0-9]+)", re.IGNORECASE)
_CHANGED = re.compile(r"^\s*(?:UPDATE|DELETE\s+FROM)\s+([a-z_0-9]+)", re.IGNORECASE)


def tables_read(statement: str) -> set[str]:
    """What it looks into. A row that is only added reads nothing."""
    found = {name.lower() for name in _READ.findall(statement)}
    changed = _CHANGED.match(statement)
    return found | ({changed[1].lower()} if changed else set())


def growing(statements: list[str]) -> list[str]:
    """Those statements that read what grows with history."""
    return [one for one in statements if any(GROWING.fullmatch(name) for name in tables_read(one))]
