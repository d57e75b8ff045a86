"""Gemini embedContent: one content in, one vector out."""

from tollway.core.model import EMBEDDING
from tollway.gateway.dialect import Dialect, never_streams
from tollway.gateway.dialects.gemini_embed_content.reply import glance, read_reply, write_reply
from tollway.gateway.dialects.gemini_embed_content.request import (
    WORDS,
    edit_request,
    envelope,
    read_request,
    write_request,
)
from tollway.gateway.gemini_family.content import FAMILY, MEDIA_MARKERS
from tollway.gateway.gemini_family.error import read_error, write_error

dialect = Dialect(
    name="gemini_embed_content",
    family=FAMILY,
    envelope=envelope,
    read_request=read_request,
    write_request=write_request,
    edit_request=edit_request,
    glance=glance,
    read_reply=read_reply,
    write_reply=write_reply,
    decoder=never_streams,
    encoder=never_streams,
    read_error=read_error,
    write_error=write_error,
    media_markers=MEDIA_MARKERS,
    words=WORDS,
    type=EMBEDDING,
)
