"""Accounts of a ChatGPT subscription: the Responses dialect, always streamed, with a token that an account lends.

Nothing here pretends to be anybody's client, and the address is the operator's to state.
"""

from tollway.gateway.dialect import Body, Target
from tollway.gateway.dialects.openai_responses import dialect
from tollway.gateway.dialects.openai_responses.gather import Gatherer
from tollway.gateway.provider import Disconnect, HeaderLines, Loan, Provider, Subscription, at, bearer


def _authorize(loan: Loan) -> HeaderLines:
    named = (("chatgpt-account-id", loan.account_id),) if loan.account_id else ()
    return (*bearer(loan.token), *named, ("session_id", loan.session))


def _conversation(body: Body, loan: Loan) -> Body:
    """The same key for all that is said in one conversation, so that its beginning stays in the vendor's cache."""
    return body if "prompt_cache_key" in body else {**body, "prompt_cache_key": loan.session}


def _accent(body: Body, target: Target) -> Body:
    return {**body, "stream": True}


provider = Provider(
    name="codex_subscription",
    dialect=dialect,
    base_url="",
    path=at("/responses"),
    authorize=bearer,
    accent=_accent,
    disconnect=Disconnect(
        True,
        "OpenRouter lists OpenAI among those whose billing stops: https://openrouter.ai/docs/api-reference/streaming",
    ),
    base_env="CODEX_BASE_URL",
    gather=Gatherer,
    subscription=Subscription(
        authorize=_authorize,
        margin_s=30.0,
        paid="openai",
        paid_url="https://api.openai.com/v1",
        paid_patience_s=120.0,
        fields=_conversation,
    ),
)
