"""Words the front's own refusals, and refuses strangers before their bodies are read."""

from tollway.core.errors import BadRequest, TollwayError, TooLarge, Unauthenticated, kind_of_status
from tollway.gateway.auth.credential import credential
from tollway.gateway.http import JSON, Front
from tollway.kit.http1.wire import Answer, Headers, Refuse, Request, Screen, refuse_in_json
from tollway.kit.uuid7 import uuid7


def refusal_of(front: Front) -> Refuse:
    """Errors of the wire (a bad chunk, too many headers) in the dialect of the path they were sent to."""

    def refuse(status: int, code: str, message: str, path: str | None) -> tuple[Headers, bytes]:
        found = front.paths.find(path, "") if path else None
        if found is None:
            return refuse_in_json(status, code, message, path)
        error: TollwayError = TooLarge(message) if status == 413 else BadRequest(message)
        error.status, error.code, error.kind = status, code, kind_of_status(status)
        front.note(found, "POST", status, error)
        return (JSON,), found.surface.dialect.write_error(error, "req_" + uuid7())[1]

    return refuse


def screen_of(front: Front) -> Screen:
    """A request for a model without any credential is refused before its body is read."""

    def screen(request: Request) -> Answer | None:
        found = front.paths.find(request.path, request.query)
        if found is None or credential(request.headers, request.query, found.surface.credentials):
            return None
        error = Unauthenticated("no API key in the request: send `Authorization: Bearer <key>` or `x-api-key`")
        status, body = found.surface.dialect.write_error(error, "req_" + uuid7())
        front.note(found, request.method, status, error)
        return status, (JSON,), body

    return screen
