"""Prices change while the gateway serves: by command, by request, at a date; never for a call in flight."""

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.journeys.hub import Hub

Start = Callable[..., Hub]
SOON_S = 20.0


def propose(hub: Hub, folder: Path, text: str) -> Any:
    file = folder / "new.toml"
    file.write_text(text)
    return hub.tollway("prices", "propose", str(file), "--reason", "a new list")


def ask(hub: Hub, key: str) -> Any:
    """The receipt of a small call to the echo model."""
    body = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}
    status, headers, told = hub.ask("/v1/chat/completions", body, key)
    assert status == 200, told
    return hub.receipt(headers["x-request-id"], key)


def until_sold_at(hub: Hub, key: str, version: str) -> Any:
    """The first receipt under that card; it must come soon."""
    deadline = time.monotonic() + SOON_S
    while (receipt := ask(hub, key))["price"]["version"] != version:
        assert time.monotonic() < deadline, receipt["price"]
    return receipt


def output_price(receipt: Any) -> str:
    return next(str(line["usd_per_million"]) for line in receipt["price"]["lines"] if line["what"] == "output")


def test_a_price_is_proposed_shown_activated_and_stands_on_the_next_receipts(start: Start, tmp_path: Path) -> None:
    hub = start()
    _, key = hub.user(1000)
    listed = ask(hub, key)["price"]["version"]
    shown = propose(hub, tmp_path, "[prices.echo]\noutput = 6.5")
    assert shown["models"][0]["changes"] == [
        {"field": "output", "old": "5", "new": "6.5", "percent": "30", "jump": False}
    ]
    assert ask(hub, key)["price"]["version"] == listed
    assert hub.tollway("prices", "diff") == shown
    active = hub.tollway("prices", "activate")
    assert (active["state"], active["reason"]) == ("active", "a new list")
    receipt = until_sold_at(hub, key, "card-1")
    assert output_price(receipt) == "6.5"
    status, _, told = hub.ask("/models", key=key)
    assert status == 200
    assert next(row for row in told["models"] if row["id"] == "echo")["cost_per_1k_output"] == 6.5 * 1.4
    assert hub.audit() == []


def test_a_call_in_flight_keeps_the_card_it_began_with(start: Start, tmp_path: Path) -> None:
    hub = start()
    _, key = hub.user(1000)
    listed = ask(hub, key)["price"]["version"]
    propose(hub, tmp_path, "[prices.echo]\noutput = 10")
    body = {"model": "echo", "stream": True, "messages": [{"role": "user", "content": "[[slow:300]] " + "word " * 12}]}
    request = urllib.request.Request(
        f"{hub.url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"content-type": "application/json", "authorization": f"Bearer {key}"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        call = answer.headers["x-request-id"]
        assert answer.readline().startswith(b"data:")
        hub.tollway("prices", "activate")
        until_sold_at(hub, key, "card-1")
        rest = answer.read()
    assert rest.rstrip().endswith(b"[DONE]")
    receipt = hub.receipt(call, key)
    assert (receipt["price"]["version"], output_price(receipt)) == (listed, "5")
    assert receipt["duration_ms"] > 300
    assert hub.audit() == []


def test_a_jump_wants_force_and_what_cannot_be_is_refused(start: Start, tmp_path: Path) -> None:
    hub = start()
    assert propose(hub, tmp_path, "[prices.echo]\noutput = 500")["jumps"] == ["echo output 5.00 -> 500"]
    assert hub.tollway("prices", "activate", check=False) is None
    assert hub.tollway("prices", "show", "echo")["version"] != "card-1"
    assert hub.tollway("prices", "activate", "--force")["state"] == "active"
    assert hub.tollway("prices", "show", "echo")["price"]["output"] == "500"


def test_administrators_change_prices_over_http_and_a_card_begins_at_its_time(start: Start) -> None:
    hub = start()
    _, key = hub.user(1000)
    admin = hub.keys["admin_key"]
    begins_s = time.time() + 8.0
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(begins_s)) + f".{int(begins_s % 1 * 1000):03}Z"
    body = {"prices": {"echo": {"output": 7.25}}, "reason": "dearer", "at": at}
    assert hub.ask("/admin/price-updates", body, key)[0] == 403
    status, _, made = hub.ask("/admin/price-updates", body, admin)
    assert (status, made["state"], made["models"][0]["changes"][0]["new"]) == (200, "proposed", "7.25")
    status, _, active = hub.ask(f"/admin/price-updates/{made['number']}/activate", {}, admin)
    assert (status, active["effective_at"]) == (200, at)
    assert ask(hub, key)["price"]["version"] != "card-1"
    status, _, echo = hub.ask("/admin/prices/echo", key=admin)
    assert (status, [card["version"] for card in echo["next"]]) == (200, ["card-1"])
    until_sold_at(hub, key, "card-1")
    assert time.time() >= begins_s
    status, _, told = hub.ask("/admin/price-updates", {"prices": {"echo": {"output": -1}}, "reason": "x"}, admin)
    assert (status, told["detail"]["field"]) == (400, "prices.echo.output")


def test_prices_outlive_a_restart(start: Start, tmp_path: Path) -> None:
    hub = start()
    _, key = hub.user(1000)
    propose(hub, tmp_path, "[prices.echo]\noutput = 6")
    hub.tollway("prices", "activate")
    until_sold_at(hub, key, "card-1")
    hub.stop()
    hub.start()
    assert ask(hub, key)["price"]["version"] == "card-1"
