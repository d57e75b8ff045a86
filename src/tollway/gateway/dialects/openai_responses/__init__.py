"""OpenAI Responses: the vendor's newer wire, whose answers are lists of items."""

from tollway.gateway.dialect import Dialect
from tollway.gateway.dialects.openai_responses.answer import write_reply
from tollway.gateway.dialects.openai_responses.encoder import ResponsesEncoder
from tollway.gateway.dialects.openai_responses.error import read_error, write_error
from tollway.gateway.dialects.openai_responses.instruct import instructed
from tollway.gateway.dialects.openai_responses.limit import limit_end
from tollway.gateway.dialects.openai_responses.reply import glance, read_reply
from tollway.gateway.dialects.openai_responses.request import (
    MEDIA_MARKERS,
    WORDS,
    edit_request,
    envelope,
    read_request,
)
from tollway.gateway.dialects.openai_responses.stream import ResponsesDecoder
from tollway.gateway.dialects.openai_responses.write import write_request

dialect = Dialect(
    name="openai_responses",
    family="openai",
    envelope=envelope,
    read_request=read_request,
    write_request=write_request,
    edit_request=edit_request,
    glance=glance,
    read_reply=read_reply,
    write_reply=write_reply,
    decoder=ResponsesDecoder,
    encoder=ResponsesEncoder,
    read_error=read_error,
    write_error=write_error,
    instruct=instructed,
    media_markers=MEDIA_MARKERS,
    words=WORDS,
    closes=limit_end,
)
