"""The control plane keeps the promises of its own OpenAPI document, for an administrator and for anybody else."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.journeys.hub import Hub, NewDatabase, Providers

EXAMPLES = {"admin": 80, "anybody": 20}
"""For each operation; to anybody nearly all of them say only that he is none of theirs."""


@pytest.fixture(scope="module")
def office(vendors: Providers, tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Hub]:
    """A gateway of its own: its users and keys come and go here."""
    hub = Hub(tmp_path_factory.mktemp("office"), vendors.environ | new_database()).start()
    yield hub
    assert not hub.audit()
    assert "Traceback" not in (hub.folder / "serve.log").read_text()
    if hub.process is not None:
        hub.stop()


def a_400_names_its_field(ctx: Any, response: Any, case: Any) -> None:
    """In place of "what fits the schema is accepted": no schema can say which names are printable or credits enough."""
    if response.status_code == 400:
        detail = json.loads(response.content)["detail"]
        unread = "JSON" in detail["message"] or detail["message"].startswith(("the body", "the query"))
        assert detail.get("field") or unread, detail


def say(hub: Hub, key: str, operation: Any, examples: int) -> None:
    """Ask one operation in many ways, right and wrong, and judge every answer by every check there is."""

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(*(operation.as_strategy(mode) for mode in schemathesis.GenerationMode)))
    def judge(case: Any) -> None:
        case.call_and_validate(
            base_url=hub.url,
            headers={"authorization": f"Bearer {key}"},
            timeout=20,
            excluded_checks=[positive_data_acceptance],
            additional_checks=[a_400_names_its_field],
        )

    judge()


@pytest.mark.parametrize("who", ["admin", "anybody"])
def test_every_operation_keeps_its_promises(office: Hub, who: str) -> None:
    key = office.keys["admin_key"] if who == "admin" else office.keys["api_key"]
    schema = schemathesis.openapi.from_url(f"{office.url}/openapi.json")
    failures = []
    for found in schema.get_all_operations():
        operation = found.ok()
        try:
            say(office, key, operation, EXAMPLES[who])
        except (AssertionError, BaseExceptionGroup) as failure:
            failures.append(f"{operation.label}: {failure}")
    assert not failures, "\n\n".join(failures)
