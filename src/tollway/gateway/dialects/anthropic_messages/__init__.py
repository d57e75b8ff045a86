"""The Anthropic Messages dialect."""

from tollway.gateway.dialect import Dialect
from tollway.gateway.dialects.anthropic_messages.encoder import Encoder
from tollway.gateway.dialects.anthropic_messages.error import read_error, write_error
from tollway.gateway.dialects.anthropic_messages.frames import limit_end
from tollway.gateway.dialects.anthropic_messages.instruct import instructed
from tollway.gateway.dialects.anthropic_messages.reply import glance, read_reply, write_count, write_reply
from tollway.gateway.dialects.anthropic_messages.request import (
    MEDIA_MARKERS,
    WORDS,
    edit_request,
    envelope,
    read_request,
    write_request,
)
from tollway.gateway.dialects.anthropic_messages.stream import Decoder

dialect = Dialect(
    name="anthropic_messages",
    family="anthropic",
    envelope=envelope,
    read_request=read_request,
    write_request=write_request,
    edit_request=edit_request,
    glance=glance,
    read_reply=read_reply,
    write_reply=write_reply,
    decoder=Decoder,
    encoder=Encoder,
    read_error=read_error,
    write_error=write_error,
    instruct=instructed,
    media_markers=MEDIA_MARKERS,
    words=WORDS,
    widens_limit=True,
    passes=(b"anthropic-beta",),
    closes=limit_end,
    write_count=write_count,
)
