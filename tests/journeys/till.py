"""Works out what a call must have cost, from what the provider's mock reported, with arithmetic of its own."""

import json
import tomllib
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import tollway
from tests.journeys.speech import Spent
from tests.mocks.server import MockRequest, MockServer

MARGIN = Decimal("1.4")
IMAGE_FACTOR = Decimal("1.15")
_CATALOG = Path(tollway.__file__).parent / "data" / "models.toml"


@dataclass(frozen=True)
class Sold:
    """A model's row in the catalog."""

    id: str
    upstream: str
    """The provider's own name for it."""
    price: dict[str, Any]


def sold(model: str, vendor: str) -> Sold:
    """The catalog's row, read with nothing of the gateway's own code."""
    catalog = tomllib.loads(_CATALOG.read_text(), parse_float=Decimal)
    row = next(row for row in catalog["models"] if row["id"] == model)
    return Sold(model, row["served_by"][vendor], row["price"])


def reported(vendor: str, server: MockServer, request: MockRequest) -> Spent:
    """The usage in the mock's answer: the same request always makes the same answer, so ask it again in one piece."""
    body = {name: value for name, value in request.json.items() if name not in ("stream", "stream_options")}
    path = request.path.replace(":streamGenerateContent", ":generateContent")
    answer = server.app(replace(request, body=json.dumps(body).encode(), path=path, query=""))
    assert isinstance(answer.body, bytes)
    return _READ[vendor](json.loads(answer.body))


def _openai(said: Any) -> Spent:
    usage = said["usage"]
    if "input_tokens" in usage:  # by the newer wire
        asked, told = usage["input_tokens_details"], usage["output_tokens_details"]
        cached, written = asked["cached_tokens"], asked["cache_write_tokens"]
        searches = sum(item["type"] == "web_search_call" for item in said["output"])
        return Spent(usage["input_tokens"], usage["output_tokens"], cached, written, told["reasoning_tokens"], searches)
    prompt, told = usage["prompt_tokens_details"], usage["completion_tokens_details"]
    cached, written = prompt["cached_tokens"], prompt.get("cache_write_tokens", 0)
    return Spent(usage["prompt_tokens"], usage["completion_tokens"], cached, written, told["reasoning_tokens"])


def _anthropic(said: Any) -> Spent:
    usage = said["usage"]
    read, wrote = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
    thought = usage["output_tokens_details"]["thinking_tokens"]
    return Spent(usage["input_tokens"] + read + wrote, usage["output_tokens"], read, wrote, thought)


def _gemini(said: Any) -> Spent:
    usage = said["usageMetadata"]
    thought = usage.get("thoughtsTokenCount", 0)
    cached = usage.get("cachedContentTokenCount", 0)
    searches = [
        query
        for candidate in said["candidates"]
        for query in candidate.get("groundingMetadata", {}).get("webSearchQueries", [])
    ]
    said_tokens = usage["candidatesTokenCount"] + thought
    drawn = sum(one["tokenCount"] for one in usage.get("candidatesTokensDetails", []) if one["modality"] == "IMAGE")
    return Spent(usage["promptTokenCount"], said_tokens, cached, 0, thought, len(searches), drawn)


_READ = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}


def charge_nano_usd(spent: Spent, price: dict[str, Any]) -> int:
    """Tokens times price times margin, rounded up once to the nano-dollar."""
    fresh = spent.input - spent.cache_read - spent.cache_write
    read = price.get("cache_read", price["input"])
    wrote = price.get("cache_write_5m", price["input"])
    millionths = fresh * price["input"] + spent.cache_read * read + spent.cache_write * wrote
    millionths += (spent.output - spent.drawn) * price["output"] + spent.drawn * price.get("image_out", 0)
    millionths += spent.searches * price["per_tool_call"]["web_search"] * 1_000_000
    factor = IMAGE_FACTOR if price.get("image_model") else 1
    return int((Decimal(millionths) * factor * MARGIN * 1000).to_integral_value(ROUND_CEILING))


def check_receipt(receipt: Any, spent: Spent, model: Sold) -> None:
    """The receipt says what the provider reported, and charges exactly that."""
    assert receipt["reason"] == "completed"
    assert receipt["model"] == model.id
    attempts = receipt["attempts"]
    assert [(attempt["status"], attempt["model"]) for attempt in attempts] == [(200, model.upstream)], receipt
    tokens = receipt["tokens"]
    told = Spent(
        tokens["input_total"],
        tokens["output_total"],
        tokens["cache_read"],
        tokens["cache_write_5m"] + tokens["cache_write_1h"],
        tokens["reasoning"],
        tokens["tool_calls"].get("web_search", 0),
        tokens["image_out"],
    )
    assert told == spent
    assert tokens["source"] == "upstream"
    assert receipt["charge"]["nano_usd"] == charge_nano_usd(spent, model.price)
    assert 0 < receipt["charge"]["nano_usd"] <= receipt["hold"]["nano_usd"]
