"""Decodes a FHIR Binary in JSON to the bytes that it carries, without holding them in memory.

A night's recording is some hundred megabytes, and the JSON form wraps it in one base64 string.
JSON parsers hand over a string only when it is whole, so the string is cut out of the stream
here and decoded in pieces; what stands around it goes through the real parser, which then
proves that the string was the ``data`` of a Binary and nothing else.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterable, Iterator

# Everything of a Binary but its data: id, meta, content type. Ours to choose; real ones have
# some hundred bytes.
_LONGEST_FRAME = 1 << 20

_DATA_STARTS = re.compile(rb'"data"\s*:\s*"')
_SPACE = b" \t\r\n"


class NotABinary(ValueError):
    """The stream is not the JSON of a FHIR Binary with data; the text says what is wrong."""


def decode_binary(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of the Binary whose JSON arrives in ``pieces``, in pieces of about that size.

    Raises:
        NotABinary: after as many bytes as were in order; what was yielded is then worthless.
    """
    stream = iter(pieces)
    before, rest = _until_data(stream)
    undecoded = b""
    while True:
        text, closing_quote, after = rest.partition(b'"')
        if not closing_quote:
            # An escape sequence (\/ or \u002B) may be cut in two by the end of the piece.
            backslash = text.rfind(b"\\", -6)
            text, carried = (text, b"") if backslash < 0 else (text[:backslash], text[backslash:])
        undecoded += _unescaped(text)
        whole = len(undecoded) - len(undecoded) % 4
        if whole:
            yield _decoded(undecoded[:whole])
            undecoded = undecoded[whole:]
        if closing_quote:
            break
        piece = next(stream, None)
        if piece is None:
            raise NotABinary("its JSON ends within the data")
        rest = carried + piece
    if undecoded:
        raise NotABinary("its data is cut off")
    _check_frame(before + b'"' + _all(after, stream))


def _until_data(stream: Iterator[bytes]) -> tuple[bytes, bytes]:
    """What stands before the data's characters, opening quote included, and what follows."""
    head = b""
    for piece in stream:
        head += piece
        if found := _DATA_STARTS.search(head):
            return head[: found.end()], head[found.end() :]
        if len(head) > _LONGEST_FRAME:
            break
    raise NotABinary("it has no data")


def _unescaped(text: bytes) -> bytes:
    """Base64 characters of a piece of a JSON string: some writers escape ``/`` and ``+``."""
    if b"\\" in text:
        try:
            text = json.loads(b'"' + text + b'"').encode()
        except ValueError as error:
            raise NotABinary("its data is not a JSON string") from error
    return text.translate(None, _SPACE)


def _decoded(characters: bytes) -> bytes:
    try:
        return binascii.a2b_base64(characters, strict_mode=True)
    except binascii.Error as error:
        raise NotABinary("its data is not base64") from error


def _all(first: bytes, stream: Iterator[bytes]) -> bytes:
    tail = first
    for piece in stream:
        tail += piece
        if len(tail) > _LONGEST_FRAME:
            raise NotABinary("its JSON goes on after the data")
    return tail


def _check_frame(frame: bytes) -> None:
    """Proves that the emptied string was ``Binary.data``."""
    try:
        resource = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise NotABinary("it is not JSON") from error
    if not isinstance(resource, dict) or resource.get("resourceType") != "Binary":
        raise NotABinary("it is not a Binary")
    if resource.get("data") != "":
        raise NotABinary("its data is not where a Binary has it")
