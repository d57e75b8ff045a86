"""Gemini generateContent: request, reply, stream and error, read and written."""

from tollway.gateway.dialect import Dialect
from tollway.gateway.dialects.gemini.encoder import GeminiEncoder
from tollway.gateway.dialects.gemini.generation import WORDS
from tollway.gateway.dialects.gemini.instruct import instructed
from tollway.gateway.dialects.gemini.reply import glance, read_reply, write_count, write_reply
from tollway.gateway.dialects.gemini.request import MEDIA_MARKERS, edit_request, envelope, read_request, write_request
from tollway.gateway.dialects.gemini.seals import FAMILY
from tollway.gateway.dialects.gemini.stream import GeminiDecoder
from tollway.gateway.gemini_family.error import read_error, write_error

dialect = Dialect(
    name="gemini",
    family=FAMILY,
    envelope=envelope,
    read_request=read_request,
    write_request=write_request,
    edit_request=edit_request,
    glance=glance,
    read_reply=read_reply,
    write_reply=write_reply,
    decoder=GeminiDecoder,
    encoder=GeminiEncoder,
    read_error=read_error,
    write_error=write_error,
    instruct=instructed,
    media_markers=MEDIA_MARKERS,
    words=WORDS,
    reframer=lambda voice: GeminiEncoder(voice) if voice.framing == "array" else None,
    breaks_off=True,
    write_count=write_count,
)
