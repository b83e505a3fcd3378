"""Text from files, made safe to show: on a terminal, in one line, in an EHR.

A terminal obeys control characters, and FHIR allows none in its strings but tabs and line ends.
Each becomes a space as it is read, so that places in a text stay where they were; so does half
of a surrogate pair, which no file can hold.
"""

from __future__ import annotations

# The control characters of ASCII and of ISO 8859-1, and those that turn the direction of writing.
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SURROGATES = range(0xD800, 0xE000)
_LINE_ENDS = (0x2028, 0x2029)

_AS_SPACE = dict.fromkeys((*_CONTROLS, *_SURROGATES), " ")
_AS_SPACE_IN_PROSE = {code: space for code, space in _AS_SPACE.items() if chr(code) not in "\t\n\r"}
_AS_ESCAPE = {
    code: chr(code).encode("unicode_escape").decode("ascii") for code in (*_CONTROLS, *_LINE_ENDS)
}


def plain_label(text: str) -> str:
    """A label or another short text without control characters."""
    return text.translate(_AS_SPACE)


def plain_prose(text: str) -> str:
    """Prose without control characters, except for tabs and line ends."""
    return text.translate(_AS_SPACE_IN_PROSE)


def one_line(text: str) -> str:
    """A text such as a file's name in one line, control characters written as ``\\x1b``."""
    return text.translate(_AS_ESCAPE)
