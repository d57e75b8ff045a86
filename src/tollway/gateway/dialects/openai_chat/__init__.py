"""OpenAI Chat Completions: the wire most of the field speaks."""

from tollway.gateway.dialect import Dialect
from tollway.gateway.dialects.openai_chat.encoder import ChatEncoder
from tollway.gateway.dialects.openai_chat.error import read_error, write_error
from tollway.gateway.dialects.openai_chat.glance import glance
from tollway.gateway.dialects.openai_chat.instruct import instructed
from tollway.gateway.dialects.openai_chat.reply import read_reply, write_reply
from tollway.gateway.dialects.openai_chat.request import MEDIA_MARKERS, WORDS, edit_request, envelope, read_request
from tollway.gateway.dialects.openai_chat.stream import ChatDecoder
from tollway.gateway.dialects.openai_chat.write import write_request

dialect = Dialect(
    name="openai_chat",
    family="openai",
    envelope=envelope,
    read_request=read_request,
    write_request=write_request,
    edit_request=edit_request,
    glance=glance,
    read_reply=read_reply,
    write_reply=write_reply,
    decoder=ChatDecoder,
    encoder=ChatEncoder,
    read_error=read_error,
    write_error=write_error,
    instruct=instructed,
    hides_usage=True,
    media_markers=MEDIA_MARKERS,
    words=WORDS,
)
