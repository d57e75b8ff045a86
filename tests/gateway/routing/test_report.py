"""What an operator is told of circuits and of hedging."""

from tests.gateway.routing.test_health import ONE, TWO, failing, fault

from tollway.core.health import HealthRules
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.report import report


def test_open_circuits_come_first_with_why_and_for_how_long() -> None:
    health = Health()
    health.heard(TWO, 0.25)
    health.answered(TWO, 100.0)
    failing(health, ONE, 5, fault())
    told = report(health, 110.0)
    assert not told["all_well"] and told["hedging"] is None
    first, second = told["circuits"]
    assert (first["lane"], first["model"], first["state"], first["why"]) == ("one", "m", "open", "failures")
    assert (first["rests_for_s"], first["failures_in_a_row"], first["bad"]) == (20.0, 5, 5)
    assert (second["lane"], second["state"], second["why"], second["ttfb_ms"]) == ("two", "closed", None, 250.0)
    assert report(health, 131.0)["circuits"][0]["state"] == "half_open"


def test_a_refused_key_stands_for_its_whole_lane() -> None:
    health = Health()
    health.failed(ONE, fault(402), 100.0, "ann")
    first = report(health, 100.0)["circuits"][0]
    assert (first["lane"], first["model"], first["why"]) == ("one", None, "unpaid")


def test_hedging_tells_its_share_and_what_it_cost() -> None:
    health = Health(HealthRules(hedge=True))
    assert health.hedging is not None
    for _ in range(40):
        health.hedging.begun("m")
    assert health.hedging.take()
    health.hedging.absorbed_nano_usd = 7
    assert report(health, 0.0)["hedging"] == {
        "streams": 40, "hedged": 1, "won": 0, "extra_share": 0.025, "absorbed_nano_usd": 7,
    }  # fmt: skip
