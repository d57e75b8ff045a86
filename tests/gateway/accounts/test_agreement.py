"""However events fall in two processes, and whenever each looks, both end with what the file says."""

import asyncio
import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.pipeline.effort import effort
from tollway.gateway.accounts.account import OUT, Patience, disabled, enabled, limited, refused, revoked, worked
from tollway.gateway.accounts.roster import Event, Roster
from tollway.gateway.accounts.state_file import StateFile

NOW = 1_800_000_000_000
PATIENCE = Patience()
EVENTS: dict[str, Event] = {
    "limited": lambda one: limited(one, NOW, 60_000),
    "refused": lambda one: refused(one, NOW, PATIENCE),
    "worked": lambda one: worked(one, NOW),
    "revoked": lambda one: revoked(one, NOW, "invalid_grant"),
    "disabled": lambda one: disabled(one, NOW),
    "enabled": lambda one: enabled(one, NOW),
}
NAMES = ("ann", "bob")
STEPS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(NAMES), st.sampled_from([*EVENTS, "look", "wait"])), max_size=25
)


async def lived(path: Path, steps: list[tuple[int, str, str]]) -> None:
    rows = [{"id": name, "access_token": "a", "refresh_token": "r", "expires_at": NOW} for name in NAMES]
    path.write_text(json.dumps({"version": 2, "accounts": rows}))
    both = [Roster(StateFile(path), lambda: NOW) for _ in range(2)]
    for roster in both:
        await roster.load()
    for who, name, what in steps:
        if what == "look":
            await both[who].look()
        elif what == "wait":
            await both[who].written(30)
        else:
            both[who].happened(name, EVENTS[what])
    for roster in both:
        await roster.written(30)
    for roster in both:
        await roster.look()
        assert roster.everyone == StateFile(path).load()[0]
    assert both[0].everyone == both[1].everyone
    for roster in both:
        usable = {one.id for one in roster.pool()}
        assert usable == {name for name, one in roster.everyone.items() if one.state not in OUT}
        await roster.close()


@given(STEPS)
@effort(60)
def test_two_processes_end_with_one_truth(steps: list[tuple[int, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(lived(Path(folder) / "accounts.json", steps))
