"""The hub's own chat format (hub.md 2.4, 2.5, 3): spoken only to callers, never to a provider."""

from typing import NoReturn

from tollway.core.errors import Unsupported
from tollway.gateway.dialect import Dialect
from tollway.gateway.dialects.hub.error import write_error
from tollway.gateway.dialects.hub.reply import write_reply
from tollway.gateway.dialects.hub.request import WORDS, envelope, read_request
from tollway.gateway.dialects.hub.stream import HubEncoder


def _one_way(*said: object) -> NoReturn:
    raise Unsupported("no provider speaks the hub's dialect")


dialect = Dialect(
    name="hub",
    family="hub",
    envelope=envelope,
    read_request=read_request,
    write_request=_one_way,
    edit_request=_one_way,
    glance=_one_way,
    read_reply=_one_way,
    write_reply=write_reply,
    decoder=_one_way,
    encoder=HubEncoder,
    read_error=_one_way,
    write_error=write_error,
    media_markers=(b'"image"',),
    words=WORDS,
    one_way=True,
)
