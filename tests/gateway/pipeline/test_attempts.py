"""The order of attempts, and the names of what was dropped."""

from decimal import Decimal

import msgspec
import pytest

from tests.laws.plugins import PROVIDERS
from tollway.core.errors import BadRequest, Fault, Remedy
from tollway.core.ids import ChannelId, ModelId
from tollway.core.model import Channel, Model, Price
from tollway.gateway.pipeline.head import listed
from tollway.gateway.pipeline.prepare import CannotSay
from tollway.gateway.pipeline.turns import attempts
from tollway.gateway.routing.candidate import candidate_of
from tollway.gateway.routing.plan import Candidate, plan_of

PRICE = Price(version="1", input=Decimal(1), output=Decimal(2))
MODEL = Model(
    id=ModelId("m"), name="m", provider="openai", category="fast", context_window=10, max_output=10, price=PRICE,
    served_by={"openai": "m"}, family="openai",
)  # fmt: skip


OTHER = msgspec.structs.replace(MODEL, id=ModelId("other"))


def candidate(name: str) -> Candidate:
    """A channel by its letter; a capital one serves a fallback model."""
    channel = Channel(id=ChannelId(name), provider="openai", base_url=f"http://{name}.test")
    return candidate_of(channel, PROVIDERS["openai"], OTHER if name.isupper() else MODEL, "m")


@pytest.mark.parametrize(
    ("channels", "faults", "tried"),
    [
        ("abc", "nnn", "abc"),
        ("abc", "snn", "abc"),
        ("abc", "ssn", "ab"),
        ("a", "sn", "aa"),
        ("a", "ss", "aa"),
        ("ab", "nsn", "abb"),
        ("aab", "nn", "ab"),
        ("aab", "mnn", "aab"),
        ("aa", "sn", "aa"),
        ("aab", "wmn", "aab"),
        ("abcdefgh", "nnnnnn", "abcdef"),
        ("aB", "wn", "a"),
        ("abC", "wwn", "ab"),
        ("abC", "nwn", "abC"),
    ],
)
def test_attempts_follow_the_plan(channels: str, faults: str, tried: str) -> None:
    """n: next channel; s: once more; m: the model is missing there; w: no words for it there."""
    kinds = {
        "n": Fault("n", status=502, remedy=Remedy.NEXT_CHANNEL),
        "s": Fault("s", status=504, remedy=Remedy.ONCE_MORE),
        "m": Fault("m", status=404, remedy=Remedy.NEXT_CHANNEL),
        "w": CannotSay(BadRequest("w")),
    }
    plan = plan_of(MODEL, tuple(candidate(name) for name in channels))
    met: list[Fault] = []
    said = iter(faults)
    seen = ""
    for one in attempts(plan, met):
        seen += one.channel.id
        met.append(kinds[next(said)])
    assert seen == tried


def test_names_of_dropped_fields_are_listed_once_plainly_and_not_without_end() -> None:
    assert listed(()) == ()
    assert listed(("seed", "seed", "tools[0].strict")) == ("seed", "tools[0].strict")
    assert listed(("a,b\n\u00fc",)) == ("a%2Cb%0A%C3%BC",)
    many = listed(tuple(f"f{number}" for number in range(1000)))
    assert len(many) == 25 and many[-1] == "and 976 more"
