"""A sentence as a row of marks: phrases with their senses, quantities, channels and signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from auditor.claims.lexicon import Lexicon
from auditor.claims.quantities import Quantity, is_unit, quantity_at
from auditor.claims.senses import Sense
from auditor.claims.text import Token, fold
from auditor.vocabulary import Level, Phenomenon


class Sign(StrEnum):
    """Punctuation that joins or parts."""

    COMMA = ","
    COLON = ":"
    SEMICOLON = ";"
    DASH = "-"
    HYPHEN = "‐"
    SLASH = "/"
    OPEN = "("
    CLOSE = ")"
    QUERY = "?"
    STOP = "."


_SIGNS = {sign.value: sign for sign in Sign} | {
    "[": Sign.OPEN,
    "]": Sign.CLOSE,
    "!": Sign.STOP,
    "→": Sign.SEMICOLON,
}


@dataclass(frozen=True, slots=True)
class Term:
    """A phenomenon spoken of.

    Attributes:
        phenomenon: which.
        group: the kind of things that it is listed with.
        level: of chin tone.
        described: told by a description, not by its name.
        likened: only something like it ("spindle-like").
        denied: the name itself denies it ("alpha-free").
        vague: what is said of it cannot be told.
        said_from: where the words that say it begin, when that is before the mark.
    """

    phenomenon: Phenomenon
    group: str
    level: Level | None = None
    described: bool = False
    likened: bool = False
    denied: bool = False
    vague: bool = False
    said_from: int | None = None


_NO_SENSES: Mapping[Sense, Any] = {}


@dataclass(frozen=True, slots=True)
class Mark:
    """One element of a sentence.

    Attributes:
        start, end: offsets in the text.
        senses: what its words can do; empty for words that the lexicon does not know.
        sign: where it is punctuation.
        quantity: where it is one.
        channel: where it is a channel's label, as written.
        term: where it names a phenomenon.
        aside: the marks of a parenthesis that says more of what stands before it.
        tight: nothing stands between it and the mark before.
    """

    start: int
    end: int
    senses: Mapping[Sense, Any] = field(default_factory=lambda: _NO_SENSES)
    sign: Sign | None = None
    quantity: Quantity | None = None
    channel: str | None = None
    term: Term | None = None
    aside: tuple[Mark, ...] = ()
    tight: bool = False

    def has(self, *senses: Sense) -> bool:
        """Whether it has one of these senses."""
        return bool(self.senses) and not self.senses.keys().isdisjoint(senses)

    @property
    def is_word(self) -> bool:
        """Whether it is made of words and nothing more is known of it."""
        return not (
            self.senses or self.sign or self.quantity or self.channel or self.term or self.aside
        )


def merged(parts: Sequence[Mark], term: Term) -> Mark:
    """One mark for all of these, that names a phenomenon."""
    return Mark(parts[0].start, parts[-1].end, term=term, tight=parts[0].tight)


def joins(mark: Mark) -> bool:
    """Whether it joins the items of a list."""
    if mark.sign is not None:
        return mark.sign is Sign.COMMA or mark.sign is Sign.SLASH
    return mark.has(Sense.AND, Sense.OR, Sense.NOR)


# The chin's electrodes (AASM scoring manual, technical rules, EMG): one in front, two below; some
# devices number the third, or call it F or Z.
_CHIN_ELECTRODES = (1.0, 2.0, 3.0)
_CHIN_LETTERS = frozenset({"f", "z"})


def marks(found: Sequence[Token], text: str, lexicon: Lexicon) -> list[Mark]:
    """The sentence's marks, longest phrases first."""
    row: list[Mark] = []
    i = 0
    while i < len(found):
        mark, i = _mark(found, i, text, lexicon)
        if mark.sign is not Sign.STOP or i == len(found):
            row.append(mark)
    return row


def _mark(found: Sequence[Token], i: int, text: str, lexicon: Lexicon) -> tuple[Mark, int]:
    token = found[i]
    if token.text in lexicon.leads:
        return _channel(found, i, text, lexicon)
    if token.text in lexicon.muscles and (end := _pair_end(found, i + 1, lexicon)):
        span = (token.start, found[end - 1].end)
        label = _label(text[slice(*span)])
        return Mark(*span, {Sense.MUSCLE: True}, channel=label, tight=token.tight), end
    phrase = lexicon.phrases.longest(found, i)
    measured = quantity_at(found, i, lexicon)
    if measured and (phrase is None or measured[1] >= phrase[0]):
        quantity, end = measured
        span = (token.start, found[end - 1].end)
        return Mark(*span, quantity=quantity, tight=token.tight), end
    if phrase:
        end, senses = phrase
        return Mark(token.start, found[end - 1].end, senses, tight=token.tight), end
    if token.text[0].isalpha() and "." in token.text:  # a rule's name
        return Mark(token.start, token.end, {Sense.STAGE: True}, tight=token.tight), i + 1
    sign = _SIGNS.get(token.text)
    if sign is Sign.DASH and _within_a_word(found, i):
        sign = Sign.HYPHEN
    return Mark(token.start, token.end, sign=sign, tight=token.tight), i + 1


def _within_a_word(found: Sequence[Token], i: int) -> bool:
    return found[i].tight and i + 1 < len(found) and found[i + 1].tight


def _channel(found: Sequence[Token], i: int, text: str, lexicon: Lexicon) -> tuple[Mark, int]:
    """A label such as ``O2-M1``: a lead and, where it stands there, its reference."""
    end = i + 1
    if (
        i + 2 < len(found)
        and found[i + 1].text in {"-", ":", "/"}
        and found[i + 2].tight
        and found[i + 2].text in lexicon.references
    ):
        end = i + 3
    span = (found[i].start, found[end - 1].end)
    return Mark(*span, channel=_label(text[slice(*span)]), tight=found[i].tight), end


def _pair_end(found: Sequence[Token], i: int, lexicon: Lexicon) -> int | None:
    """The index after a pair of electrodes such as ``1-2`` or ``1-F``; None where none is here."""
    if i + 2 >= len(found) or found[i].number not in _CHIN_ELECTRODES:
        return None
    joint, second = found[i + 1], found[i + 2]
    paired = joint.text in {"-", "/"} and joint.tight and second.tight
    if not (paired and (second.number in _CHIN_ELECTRODES or second.text in _CHIN_LETTERS)):
        return None
    # "Chin 1-2 s" is a time.
    return None if is_unit(found, i + 3, lexicon) else i + 3


def _label(text: str) -> str:
    """The label with the plain hyphen that recordings write."""
    return "".join("-" if fold(char) == "-" else char for char in text)
