"""From text to tokens and sentences, with the offsets of the text as it was given."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_DASHES = "‐‑‒–—―−﹣-"
_SPECIAL = {
    **dict.fromkeys(_DASHES, "-"),
    **dict.fromkeys("•◦▪●‣", "-"),
    **dict.fromkeys("‘’ʼ", "'"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("≈∼∿～≃≅", "~"),
    **dict.fromkeys("≧⩾", "≥"),
    **dict.fromkeys("≦⩽", "≤"),
    "µ": "μ",
    "ſ": "s",
}
_LONGEST_NUMBER = 30
"""Characters; one of hundreds of digits is infinite as a float, and nothing that was measured."""

_TOKEN = re.compile(
    r"(?P<number>0,\d+(?![\d,])|\d+(?:\.\d+)?)"
    r"|(?P<rule>[^\W\d_]{1,3}\d?\.\d+(?![\w.]))"
    r"|(?P<word>[^\W\d_]+[^\W_]*(?:'[^\W\d_]+)?)"
    r"|(?P<newline>\n)"
    r"|(?P<symbol>[<>]=|[^\w\s])"
)
_STOPS = frozenset(".!?")
_MARKUP = frozenset("*`#|")
# No sentence of prose has more tokens; what has is cut, and not read.
_LONGEST = 250
# "Sleep spindles?" asks less than it heads the answer that follows.
_LONGEST_HEADING = 3
# A line that ends before this column ends its sentence, unless it ends in mid-list.
_WRAPPED_FROM = 55


class Token(NamedTuple):
    """A word, a number or a sign.

    Attributes:
        text: folded: lower case, one sign for all dashes, and so on.
        start, end: offsets in the text as given.
        tight: nothing stands between it and the token before.
        number: its value where it is one.
        capital: its first letter is a capital.
    """

    text: str
    start: int
    end: int
    tight: bool = False
    number: float | None = None
    capital: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or a piece of what is too long to be one.

    Attributes:
        tokens: at least one.
        is_whole: it begins and ends where a sentence does.
    """

    tokens: Sequence[Token]
    is_whole: bool

    @property
    def is_question(self) -> bool:
        return self.tokens[-1].text == "?"

    @property
    def words(self) -> list[str]:
        """Its words of more than one letter."""
        return [t.text for t in self.tokens if t.text[0].isalpha() and len(t.text) > 1]


class _Folding(dict[int, str]):
    """Each character as the lexicon writes it; one for one, so that offsets stay."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        folded = _SPECIAL.get(char)
        if folded is None:
            folded = unicodedata.normalize("NFKC", char).lower()
            folded = _SPECIAL.get(folded, folded)
        self[code] = folded if len(folded) == 1 else char
        return self[code]


_FOLDING = _Folding()


def fold(text: str) -> str:
    """The text with one sign for each thing, character for character as long as it was."""
    return text.translate(_FOLDING)


def tokens(text: str) -> list[Token]:
    """All tokens; a line break is the token ``"\\n"``."""
    folded = fold(text)
    found: list[Token] = []
    end = -1
    for match in _TOKEN.finditer(folded):
        word = match.group()
        start, stop = match.span()
        if word in _MARKUP:
            if not (found and found[-1].text == "\n" and folded.startswith(" ", stop)):
                continue
            word = "-"
        is_number = match.lastgroup == "number" and len(word) <= _LONGEST_NUMBER
        number = float(word.replace(",", ".")) if is_number else None
        found.append(Token(word, start, stop, start == end, number, text[start].isupper()))
        end = stop
    return found


def sentences(
    text: str, abbreviations: frozenset[str], unfinished: frozenset[str]
) -> Iterator[Sentence]:
    """The text cut at full stops, marks and line ends.

    Args:
        text: as given.
        abbreviations: words after which a full stop ends nothing.
        unfinished: words that do not end a line's sentence ("or", "the", "no").
    """
    found = tokens(text)
    sentence: list[Token] = []
    whole = True
    line_start = 0
    for i, token in enumerate(found):
        after = found[i + 1] if i + 1 < len(found) else None
        if token.text == "?" and 0 < len(sentence) <= _LONGEST_HEADING and after is not None:
            token = token._replace(text=":")
        if token.text == "\n":
            ends = _line_ends(sentence, after, token.start - line_start, unfinished)
            line_start = token.end
        else:
            sentence.append(token)
            ends = token.text in _STOPS and _stops(found, i, after, abbreviations)
        cut = len(sentence) == _LONGEST
        if sentence and (ends or cut or after is None):
            yield Sentence(sentence, whole and not cut)
            sentence, whole = [], not cut or ends


def _stops(
    found: Sequence[Token], i: int, after: Token | None, abbreviations: frozenset[str]
) -> bool:
    """Whether this token is a full stop, or a mark, that ends its sentence."""
    if after is None or after.text == "\n":
        return True
    if after.tight and after.text not in {'"', "'", ")"}:
        return False
    return found[i].text != "." or i == 0 or found[i - 1].text not in abbreviations


def _line_ends(
    sentence: Sequence[Token], after: Token | None, width: int, unfinished: frozenset[str]
) -> bool:
    """Whether a line break ends the sentence, or only wraps it."""
    if not sentence or after is None or after.text in {"\n", "-", "+"}:
        return True
    last = sentence[-1].text
    if last in {",", "(", "/"} or last in unfinished:
        return False
    return after.capital or width < _WRAPPED_FROM
