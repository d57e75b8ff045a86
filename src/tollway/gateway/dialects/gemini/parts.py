"""Parts of an answer as wire objects and back, shared by whole and streamed answers."""

import secrets
from typing import Any

import msgspec

from tollway.core.chat import Reasoning, Refusal, Text, ToolCall
from tollway.core.media import Media
from tollway.core.stream import Choice
from tollway.gateway.dialect import Opaque
from tollway.gateway.dialects.gemini.answer import AnswerPart, FunctionCall
from tollway.gateway.dialects.gemini.media import kind_of
from tollway.gateway.dialects.gemini.seals import FAMILY, Seal, write_seal
from tollway.gateway.dialects.gemini.write_contents import args_object

WirePart = dict[str, Any]


def new_call_id() -> str:
    """An id for a call that Google gave none."""
    return f"call_{secrets.token_hex(12)}"


def compact_args(call: FunctionCall) -> str:
    """The call's arguments as compact JSON text of an object."""
    if bytes(call.args) == b"null":
        return "{}"
    return msgspec.json.format(bytes(call.args), indent=-1).decode()


def code_text(part: AnswerPart) -> str | None:
    """Code run at Google, or its output, as a fenced block; None for other parts."""
    if part.executable_code is not None:
        code = part.executable_code
        return f"```{code.language.lower()}\n{code.code.rstrip()}\n```\n"
    if part.code_execution_result is not None:
        return f"```\n{part.code_execution_result.output.rstrip()}\n```\n"
    return None


def read_media(part: AnswerPart) -> Media | None:
    """The part's picture, sound or file."""
    if part.inline_data is not None:
        mime = part.inline_data.mime_type
        return Media(kind=kind_of(mime), mime=mime, data=part.inline_data.data)
    if part.file_data is not None:
        mime = part.file_data.mime_type or ""
        return Media(kind=kind_of(mime), mime=mime or None, url=part.file_data.file_uri)
    return None


def media_part(media: Media) -> WirePart:
    """Media as the answer's part."""
    if media.data is not None:
        return {"inlineData": {"mimeType": media.mime or "application/octet-stream", "data": media.data}}
    if media.text is not None:
        return {"text": media.text}
    pointer = {"fileUri": media.url or media.file_id or ""}
    return {"fileData": {"mimeType": media.mime} | pointer if media.mime else pointer}


def seal_part(seal: Seal, opaque: Opaque | None) -> WirePart | None:
    """A seal on no words of its own; a foreign one came from a thought."""
    told = write_seal(seal, opaque)
    if told is None:
        return None
    return (
        {"text": "", "thoughtSignature": told}
        if seal.family == FAMILY
        else {
            "text": "",
            "thought": True,
            "thoughtSignature": told,
        }
    )


def call_part(call: ToolCall, opaque: Opaque | None) -> WirePart:
    """A complete call as a functionCall part."""
    part: WirePart = {
        "functionCall": {"id": call.id, "name": call.name, "args": args_object(call.args_json, call.kind)}
    }
    if call.family is not None:
        told = write_seal(Seal(call.family, call.signature), opaque)
        if told is not None:
            part["thoughtSignature"] = told
    return part


def answer_parts(choice: Choice, opaque: Opaque | None) -> list[tuple[WirePart, Text | None]]:
    """Each part as it goes to the caller, with the Text it came from, if it did."""
    written: list[tuple[WirePart, Text | None]] = []
    for part in choice.parts:
        match part:
            case Text():
                written.append((_signed({"text": part.text}, part.family, part.signature, opaque), part))
            case Refusal():
                written.append(({"text": part.text}, None))
            case Reasoning():
                written += [(said, None) for said in _thought(part, opaque)]
            case ToolCall():
                written.append((call_part(part, opaque), None))
            case Media():
                written.append((media_part(part), None))
            case _:
                pass  # what only another family understands has no place here
    return written


def _signed(part: WirePart, family: str | None, signature: str | None, opaque: Opaque | None) -> WirePart:
    told = write_seal(Seal(family, signature), opaque) if family is not None and signature is not None else None
    return part if told is None else part | {"thoughtSignature": told}


def _thought(part: Reasoning, opaque: Opaque | None) -> list[WirePart]:
    seal = None if part.family is None else Seal(part.family, part.signature, part.redacted)
    if not part.text:
        alone = seal_part(seal, opaque) if seal is not None else None
        return [alone] if alone is not None else []
    said: WirePart = {"text": part.text, "thought": True}
    told = write_seal(seal, opaque) if seal is not None else None
    return [said if told is None else said | {"thoughtSignature": told}]
