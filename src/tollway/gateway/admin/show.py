"""Shows users, organisations and balances as JSON."""

from typing import Any

from tollway.core.money import credits_of
from tollway.gateway.auth.budgets import show_budget
from tollway.gateway.auth.store import Organisation, User
from tollway.gateway.ledger.ledger import Balance
from tollway.kit.iso8601 import iso

Shown = dict[str, Any]


def show_user(user: User) -> Shown:
    """A user as JSON."""
    shown = {"id": user.id, "email": user.email, "plan": user.plan, "admin": user.admin}
    if user.next_plan is not None:
        shown |= {"next_plan": user.next_plan, "next_plan_at": iso(user.next_plan_at_s)}
    shown |= {"group": user.group, "organisation_id": user.organisation, "strict": user.strict}
    shown["budgets"] = [show_budget(budget) for budget in user.budgets]
    return shown | {"created_at": iso(user.created_at_s)}


def show_organisation(organisation: Organisation, members: int) -> Shown:
    """An organisation as JSON."""
    shown = {"id": organisation.id, "name": organisation.name, "members": members}
    budgets = [show_budget(budget) for budget in organisation.budgets]
    return shown | {"budgets": budgets, "created_at": iso(organisation.created_at_s)}


def show_balance(balance: Balance) -> Shown:
    """A balance by source, in the credits people read and the nano-dollars that add up."""
    sources = {name: credits_of(getattr(balance, name)) for name in ("plan", "promo", "topup")}
    return {
        "credits": credits_of(balance.left),
        "nano_usd": balance.left,
        "by_source": sources,
        "held": credits_of(balance.held),
    }
