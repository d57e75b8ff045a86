"""Every form a key arrives in, and every form that is not one."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.auth.credential import carriers_of, channel_hint, credential, digest_of

KEY = b"inf_" + b"aB3-_" * 8 + b"xyz"
OLD = b"sk-" + b"0aZ9" * 12

ALL = ("bearer", "x-api-key", "query:key", "x-goog-api-key")


@pytest.mark.parametrize(
    ("headers", "query", "carriers", "found"),
    [
        ({b"authorization": b"Bearer k1"}, "", ALL, b"k1"),
        ({b"authorization": b"bEARER   k1 "}, "", ALL, b"k1"),
        ({b"authorization": b"Basic k1"}, "", ALL, None),
        ({b"authorization": b"Bearer"}, "", ALL, None),
        ({b"authorization": b"Bearer "}, "", ALL, None),
        ({b"authorization": b"Bearerk1"}, "", ALL, None),
        ({b"authorization": b""}, "", ALL, None),
        ({}, "", ALL, None),
        ({b"x-api-key": b" k2 "}, "", ALL, b"k2"),
        ({b"x-api-key": b"", b"authorization": b"Bearer k1"}, "", ("x-api-key", "bearer"), b"k1"),
        ({b"x-api-key": b"k2", b"authorization": b"Bearer k1"}, "", ("x-api-key", "bearer"), b"k2"),
        ({b"x-api-key": b"k2", b"authorization": b"Bearer k1"}, "", ("bearer", "x-api-key"), b"k1"),
        ({b"x-goog-api-key": b"k3"}, "key=k4", ("x-goog-api-key", "query:key", "bearer"), b"k3"),
        ({b"x-goog-api-key": b"k3"}, "", ("bearer",), None),
        ({}, "alt=sse&key=k4", ("query:key",), b"k4"),
        ({}, "key=&key=k5", ("query:key",), b"k5"),
        ({}, "monkey=k4", ("query:key",), None),
        ({}, "key=a%2Db%5F", ("query:key",), b"a-b_"),
        ({}, "key=%", ("query:key",), b"%"),
        ({}, "key", ("query:key",), None),
        ({}, "key=k4", ("bearer",), None),
    ],
)
def test_the_first_carrier_that_holds_something_wins(
    headers: dict[bytes, bytes], query: str, carriers: tuple[str, ...], found: bytes | None
) -> None:
    assert credential(headers, query, carriers) == found


def test_two_authorization_lines_joined_are_no_key() -> None:
    raw = credential({b"authorization": b"Bearer " + KEY + b", Bearer " + KEY}, "", ALL)
    assert raw is not None
    assert digest_of(raw) is None


@given(value=st.binary(max_size=200), query=st.text(max_size=80))
def test_no_bytes_make_the_parser_fail(value: bytes, query: str) -> None:
    headers = {b"authorization": value, b"x-api-key": value, b"x-goog-api-key": value}
    for carriers in (ALL, ALL[::-1]):
        raw = credential(headers, query, carriers)
        assert raw is None or raw
        if raw is not None:
            digest_of(raw)
            channel_hint(raw)


def test_a_key_is_known_by_its_sha256_digest_alone() -> None:
    assert digest_of(KEY) == hashlib.sha256(KEY).hexdigest()
    assert digest_of(OLD) == hashlib.sha256(OLD).hexdigest()


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"inf_", KEY[:-1], KEY + b"a", KEY + b"\n", KEY + b"-7", b"INF_" + KEY[4:], b" " + KEY, KEY * 2),
        *(OLD[:-1], OLD + b"\n", OLD + b"a", b"sk-proj-" + b"a" * 48),
        *(KEY.replace(b"a", b"\xe9", 1), b"A" * 100_000),
    ],
)
def test_what_has_not_the_form_of_a_key_has_no_digest(raw: bytes) -> None:
    assert digest_of(raw) is None
    assert channel_hint(raw) is None


def test_an_old_key_may_carry_a_channel_and_is_the_same_key_with_it() -> None:
    assert digest_of(OLD + b"-12") == digest_of(OLD)
    assert channel_hint(OLD + b"-12") == "12"
    assert channel_hint(OLD + b"-12-more") == "12"
    assert channel_hint(OLD + b"-") is None
    assert channel_hint(OLD) is None
    assert channel_hint(KEY) is None


@pytest.mark.parametrize(
    ("path", "takes_query"),
    [
        ("/v1beta/models", True),
        ("/v1/models/echo", True),
        ("/me", False),
        ("/api-keys", False),
        ("/admin/users", False),
    ],
)
def test_a_key_in_the_query_opens_only_what_googles_clients_ask_for(path: str, takes_query: bool) -> None:
    found = credential({}, "key=k1", carriers_of(path))
    assert found == (b"k1" if takes_query else None)
    assert credential({b"x-api-key": b"k2", b"authorization": b"Bearer k3"}, "key=k1", carriers_of(path)) == b"k2"
    assert credential({b"x-goog-api-key": b"k4"}, "key=k1", carriers_of(path)) == b"k4"
