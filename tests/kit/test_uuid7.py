"""Names of calls: no two alike however quickly they are made, and sorted by the time they were made."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from tollway.kit.uuid7 import made_at_ms, uuid7


def test_serving_19_names_made_at_once_differ_though_the_clock_has_not_moved() -> None:
    """A name of microseconds is given twice within one of them; a second row of that name is lost with its cost."""
    with ThreadPoolExecutor(4) as pool:
        made = [name for part in pool.map(lambda _: [uuid7() for _ in range(10_000)], range(4)) for name in part]
    assert len(set(made)) == len(made)


def test_a_name_is_a_uuid_of_version_7_that_tells_when_it_was_made() -> None:
    before_ms = time.time_ns() // 1_000_000
    name = uuid7()
    told = uuid.UUID(name)
    assert str(told) == name and told.version == 7 and told.variant == uuid.RFC_4122
    assert before_ms <= made_at_ms(name) <= time.time_ns() // 1_000_000


def test_a_later_millisecond_sorts_later() -> None:
    first = uuid7()
    while made_at_ms(second := uuid7()) == made_at_ms(first):
        pass
    assert first < second
