"""Packed bodies, methods, credentials and queries of every kind at the front door: refused in words, or answered."""

import gzip
import json
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.gateway.pipeline.counter import Counter
from tests.gateway.pipeline.effort import effort
from tests.gateway.pipeline.envelope import field_of
from tests.gateway.pipeline.mistakes import damaged, written
from tests.gateway.pipeline.questions import Question, questions

NAMES = (
    b"gzip",
    b"GZIP ",
    b"deflate",
    b"identity",
    b"",
    b"br",
    b"zstd",
    b"gzip, gzip",
    b"x-gzip",
    b"\xff",
    b"gzip;q=1",
)
QUERIES = (
    "",
    "key=",
    "key=a&key=b",
    "key=%00",
    "key=%ff",
    "key=%",
    "alt=sse",
    "alt=sse&alt=x",
    "alt=%00",
    "&&=&",
    "a" * 9000,
    "$alt=json",
    "alt=%C3%28",
    "\xff",
    "key=inf_" + "x" * 43,
)
CREDENTIALS = (
    b"",
    b"Bearer",
    b"Bearer ",
    b"bearer x",
    b"Basic eDp5",
    b"Bearer inf_" + b"x" * 43,
    b"\xff",
    b"Bearer \xff\x00",
    b"Bearer sk-" + b"a" * 48,
    b"Bearer sk-" + b"a" * 48 + b"-openai",
    b"Bearer " + b"x" * 9000,
)
SPOKEN = {400, 401, 403, 404, 405, 413, 429}


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    counter = Counter(tmp_path_factory.mktemp("hub"))
    yield counter
    counter.close()


def deflated(data: bytes) -> bytes:
    return zlib.compress(data)


@st.composite
def packed(draw: st.DrawFn, data: bytes) -> bytes:
    """The body packed, or nearly so."""
    data = draw(st.sampled_from((gzip.compress, deflated, lambda plain: plain)))(data)
    return draw(damaged(data)) if draw(st.booleans()) else data


@effort(500)
@given(data=st.data(), question=questions, name=st.sampled_from(NAMES))
def test_a_packed_body_is_read_or_refused(
    counter: Counter, data: st.DataObject, question: Question, name: bytes
) -> None:
    counter.vendors.reset()
    body = data.draw(packed(written(question.body)))
    told = counter.ask(question.path, body, query=question.query, headers={b"content-encoding": name})
    note(f"{question.path} {name!r} {body[:500]!r}\n{told}")
    counter.lawful(told)
    assert told.status == 200 or told.status in SPOKEN
    if told.status != 200 and not counter.vendors.refused:
        field_of(question.dialect, told)


@pytest.mark.parametrize("name", [b"gzip", b"deflate"])
def test_a_bomb_is_refused_by_its_size(counter: Counter, name: bytes) -> None:
    limit = counter.hub.front.max_body
    plain = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "x" * 1000}]}).encode()
    body = (gzip.compress if name == b"gzip" else zlib.compress)(plain + b" " * limit, 1)
    told = counter.ask("/v1/chat/completions", body, headers={b"content-encoding": name})
    counter.lawful(told)
    assert told.status == 413
    assert len(body) < limit // 50


@effort(300)
@given(
    question=questions,
    method=st.sampled_from(("GET", "PUT", "DELETE", "HEAD", "OPTIONS", "POST", "POST", "PATCH", "post", "")),
    query=st.sampled_from(QUERIES),
    credential=st.none() | st.sampled_from(CREDENTIALS),
    carrier=st.sampled_from((b"authorization", b"x-api-key", b"x-goog-api-key")),
)
def test_whoever_comes_in_whichever_way_is_answered_in_his_dialect(
    counter: Counter, question: Question, method: str, query: str, credential: bytes | None, carrier: bytes
) -> None:
    counter.vendors.reset()
    headers = {} if credential is None else {b"authorization": b"", carrier: credential}
    told = counter.ask(question.path, written(question.body), method=method, query=query, headers=headers)
    note(f"{method} {question.path}?{query} {headers}\n{told}")
    counter.lawful(told)
    assert told.status == 200 or told.status in SPOKEN
    if told.status != 200 and not counter.vendors.refused:
        field_of(question.dialect, told)
    if method != "POST":
        assert told.status == 405
    elif credential is not None:
        assert told.status in (401, 403)
