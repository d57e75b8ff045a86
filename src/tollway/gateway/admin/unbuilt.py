"""What vendors' clients may ask for and this hub does not do: a clear 501 in the vendor's own words (relay.md 1.1)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from fastapi import APIRouter

from tollway.core.errors import TollwayError

ANY = ("GET", "POST", "PUT", "PATCH", "DELETE")
NOTHING_KEPT = "this hub keeps no responses: send the whole conversation as `input`, the answers' own items included"


class NotBuilt(TollwayError):
    """A part of a vendor's API that is not served here; asking again is in vain."""

    status, kind, code = 501, "invalid_request", "not_implemented"


class Unbuilt(NamedTuple):
    """One path and why it answers nothing."""

    path: str
    methods: Sequence[str]
    why: str


UNBUILT = (
    Unbuilt("/v1/responses/compact", ("POST",), "conversations are not compacted here"),
    Unbuilt("/v1/responses/{rest:path}", ANY, NOTHING_KEPT),
    Unbuilt("/v1/conversations", ANY, NOTHING_KEPT),
    Unbuilt("/v1/conversations/{rest:path}", ANY, NOTHING_KEPT),
    Unbuilt("/v1/batches", ANY, "batches are not served here"),
    Unbuilt("/v1/batches/{rest:path}", ANY, "batches are not served here"),
    Unbuilt("/v1/files", ANY, "files are not kept here: send them within the request"),
    Unbuilt("/v1/files/{rest:path}", ANY, "files are not kept here: send them within the request"),
    Unbuilt("/v1/fine-tunes", ANY, "models are not tuned here"),
    Unbuilt("/v1/fine-tunes/{rest:path}", ANY, "models are not tuned here"),
    Unbuilt("/v1/fine_tuning/{rest:path}", ANY, "models are not tuned here"),
    Unbuilt("/v1/images/variations", ("POST",), "pictures are not varied here"),
    Unbuilt("/v1/models/{rest:path}", ("DELETE",), "the models of this hub are its operator's"),
)


def routes() -> APIRouter:
    """All of them; not in the OpenAPI document, which says what there is."""
    router = APIRouter(include_in_schema=False)
    for one in UNBUILT:
        router.add_api_route(one.path, _refusing(one.why), methods=list(one.methods))
    return router


def _refusing(why: str) -> Callable[[], Awaitable[None]]:
    async def refuse() -> None:
        raise NotBuilt(why)

    return refuse
