"""Accounts of a Claude subscription: the Messages dialect, with a bearer token that an account lends.

Nothing here pretends to be anybody's client: the headers are the dialect's own, the operator's, and those with which a
genuine client introduced itself.
"""

from tollway.gateway.dialects.anthropic_messages import dialect
from tollway.gateway.dialects.anthropic_messages.loop import unthinkable, without_thinking
from tollway.gateway.provider import Disconnect, HeaderLines, Loan, Provider, Subscription, at, bearer


def _authorize(loan: Loan) -> HeaderLines:
    return bearer(loan.token)


provider = Provider(
    name="claude_subscription",
    dialect=dialect,
    base_url="https://api.anthropic.com",
    path=at("/v1/messages"),
    authorize=bearer,
    accent=without_thinking,
    disconnect=Disconnect(
        True,
        "OpenRouter lists Anthropic among those whose billing stops: https://openrouter.ai/docs/api-reference/streaming",
    ),
    drops=unthinkable,
    base_env="CLAUDE_SUBSCRIPTION_BASE_URL",
    headers=(("anthropic-version", "2023-06-01"),),
    subscription=Subscription(
        authorize=_authorize,
        margin_s=300.0,
        paid="anthropic",
        passes=(b"user-agent", b"anthropic-", b"x-app", b"x-stainless-", b"x-claude-"),
    ),
)
