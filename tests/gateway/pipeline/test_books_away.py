"""A stream of a rich caller whose books cannot be asked: it waits a while, and nobody says that he has no credit."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.gateway.pipeline.stage import (
    DONE,
    KEYS,
    Ear,
    Played,
    Stage,
    chat_body,
    chunk,
    frames,
    open_stage,
    spoken,
    whole,
)
from tests.gateway.pipeline.test_allowance import PATHS, START, WORD, body, until, usage_of
from tests.postgres import Postgres
from tollway.backends.sql.postgresql import WRITER_LOCK
from tollway.core.receipt import Reason

LONGEST_S = 0.3
"""How long a writer waits for another before it says that it cannot write."""


class Away:
    """A database that answers nobody while it is `away`."""

    def __init__(self, url: str, server: Postgres | None = None, file: Path | None = None) -> None:
        self.url, self._server, self._file = url, server, file

    @contextmanager
    def away(self) -> Iterator[None]:
        """Frozen, or held by another writer."""
        if self._server is not None:
            self._server.freeze()
            try:
                yield
            finally:
                self._server.thaw()
        else:
            assert self._file is not None
            other = sqlite3.connect(self._file, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                other.execute("ROLLBACK")
                other.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Away:
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("own_postgres")
        return Away(f"{server.fresh()}&timeout={LONGEST_S}", server)
    file = tmp_path / "books.db"
    return Away(f"sqlite:///{file}?timeout={LONGEST_S}", None, file)


@asynccontextmanager
async def rich(folder: Path, url: str) -> AsyncIterator[Stage]:
    async with open_stage(folder, environ=KEYS | {"TOLLWAY_DATABASE_URL": url}, credits=400.0) as stage:
        yield stage


async def begun(stage: Stage) -> tuple[Ear, Played]:
    """A stream that has said its first word."""
    provider = Played([START], lingers=True)
    ear, _ = stage.begin(
        "/v1/chat/completions",
        chat_body(max_tokens=64_000, stream=True, stream_options={"include_usage": True}),
        provider,
    )
    await until(lambda: bool(ear.data))
    return ear, provider


def use_up(provider: Played) -> int:
    """As many words as what is leased here pays for; how many."""
    for said in range(64_000):
        if provider.paused:
            return said
        provider.say(chunk({"content": WORD}))
    raise AssertionError("it may say whatever it likes")


async def test_a_stream_that_waits_for_its_books_goes_on_when_they_are_back(tmp_path: Path, database: Away) -> None:
    async with rich(tmp_path, database.url) as stage:
        ear, provider = await begun(stage)
        with database.away():
            said = use_up(provider)
            await asyncio.sleep(3 * LONGEST_S)  # it asks in vain meanwhile
            assert provider.paused
        await until(lambda: not provider.paused)
        provider.say(chunk({"content": " more"}) + chunk({}, "stop") + chunk(usage=usage_of(said)) + DONE)
        provider.over()
        await until(lambda: ear.ending == "end")
        receipt = await stage.receipt(ear.call)
        assert (receipt.stop, receipt.reason, receipt.overrun_nano_usd) == ("", Reason.COMPLETED, 0)
        assert b" more" in ear.data
        await stage.quiet()


async def test_a_stream_whose_books_stay_away_ends_at_its_limit_and_its_receipt_does_not_blame_the_credit(
    tmp_path: Path, database: Away
) -> None:
    async with rich(tmp_path, database.url) as stage:
        ear, provider = await begun(stage)
        with database.away():
            use_up(provider)
            await until(lambda: not provider.paused)
            while not ear.ending:
                provider.say(chunk({"content": WORD}))
        assert frames(ear.data)[-1] == "[DONE]"
        assert frames(ear.data)[-3]["choices"][0]["finish_reason"] == "length"
        assert b"credit" not in ear.data
        receipt = await stage.receipt(ear.call)
        assert (receipt.stop, receipt.reason, receipt.overrun_nano_usd) == ("books_unavailable", Reason.COMPLETED, 0)
        assert 0 < receipt.charge_nano_usd <= receipt.hold_nano_usd
        await stage.quiet()


@contextmanager
def written_by_another(url: str) -> Iterator[None]:
    """Another writer does not come to an end."""
    if url.startswith("sqlite"):
        with Away(url, None, Path(url.removeprefix("sqlite:///").partition("?")[0])).away():
            yield
    else:
        with psycopg.connect(url.partition("&timeout")[0]) as other:
            other.execute(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})".encode())
            yield


@pytest.mark.parametrize("surface", PATHS)
async def test_a_caller_whose_credit_cannot_be_asked_for_is_told_to_come_back_and_nothing_about_credit(
    tmp_path: Path, database_url: str, surface: str
) -> None:
    url = f"sqlite:///{tmp_path / 'books.db'}?" if database_url == "sqlite://" else f"{database_url}&"
    url += f"timeout={LONGEST_S}"
    async with rich(tmp_path, url) as stage:
        asked = body(surface, "gpt-5-mini")
        with written_by_another(url):
            ear = await stage.ask(PATHS[surface].format(model="gpt-5-mini"), asked)
        assert ear.status == 503
        assert int(ear.headers["retry-after"]) >= 1
        assert b"the database is busy" in ear.data
        assert not any(word in ear.data.lower() for word in (b"credit", b"quota", b"insufficient", b"lock", b"sqlite"))
        again = await stage.ask(PATHS[surface].format(model="gpt-5-mini"), asked, Played([spoken()]))
        assert again.status == 200
        await stage.quiet()


SMALL = {"max_tokens": 100}
GOOGLE = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 100}}
WAYS = {
    "/v1/chat/completions": chat_body(**SMALL),
    "/v1/messages": chat_body(**SMALL),
    "/v1/responses": {"model": "gpt-5-mini", "input": "hi", "max_output_tokens": 100},
    "/chat": chat_body(**SMALL, stream=False),
}
ASKED = [
    *((path, asked | {"stream": stream}, stream) for path, asked in WAYS.items() for stream in (False, True)),
    ("/v1beta/models/gpt-5-mini:generateContent", GOOGLE, False),
    ("/v1beta/models/gpt-5-mini:streamGenerateContent", GOOGLE, True),
    ("/v1beta/models/gpt-5-mini:streamGenerateContent?alt=sse", GOOGLE, True),
]


async def test_with_sync_durability_nobody_pays_for_an_answer_that_the_books_held_back(tmp_path: Path) -> None:
    """All at once, because each waits ten seconds for books that another writer keeps; one caller leaves meanwhile."""
    url = f"sqlite:///{tmp_path / 'books.db'}?timeout={LONGEST_S}"
    environ = KEYS | {"TOLLWAY_DATABASE_URL": url, "TOLLWAY_LEDGER_DURABILITY": "sync"}
    async with open_stage(tmp_path, environ=environ) as stage:
        assert (await stage.chat(whole(), max_tokens=20_000)).status == 200
        left = (await stage.hub.ledger.balance(stage.user)).left
        with written_by_another(url):
            ears = [
                stage.begin(path, asked, Played([spoken()]) if stream else whole()) for path, asked, stream in ASKED
            ]
            _, leaving = stage.begin("/v1/chat/completions", WAYS["/v1/chat/completions"], whole())
            await until(lambda: len(stage.hub.ledger.writer.pending) == len(ears) + 1)
            leaving.cancel()
            await asyncio.wait({leaving, *(task for _, task in ears)}, timeout=60)
        for (path, _, _), (ear, _) in zip(ASKED, ears, strict=True):
            assert b"hello" not in ear.data, path
            assert b"the books cannot be written now" in ear.data, path
            receipt = await stage.receipt(ear.call)
            assert (receipt.reason, receipt.charge_nano_usd) == (Reason.FAILED, 0), path
            assert receipt.note.startswith("free: the books"), path
        assert (await stage.hub.ledger.balance(stage.user)).left == left
        assert (await stage.chat(whole())).status == 200
        await stage.quiet()
