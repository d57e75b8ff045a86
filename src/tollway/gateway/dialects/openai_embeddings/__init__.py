"""OpenAI Embeddings: texts in, vectors out; never a stream."""

from tollway.core.model import EMBEDDING
from tollway.gateway.dialect import Dialect, never_streams
from tollway.gateway.dialects.openai_embeddings.reply import glance, read_reply, write_reply
from tollway.gateway.dialects.openai_embeddings.request import (
    WORDS,
    edit_request,
    envelope,
    read_request,
    write_request,
)
from tollway.gateway.openai_family.error import read_error, write_error

dialect = Dialect(
    name="openai_embeddings",
    family="openai",
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
    words=WORDS,
    type=EMBEDDING,
)
