"""A sentence cut into clauses, so that no word's scope runs past its own statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from auditor.claims.lexicon import Sense
from auditor.claims.marks import Mark, Sign


class Link(StrEnum):
    """How a clause follows the one before."""

    APART = "apart"  # a statement of its own
    SAME_SUBJECT = "same subject"  # it goes on about what the clause before speaks of
    EXPLAINS = "explains"  # after a colon


@dataclass(frozen=True, slots=True)
class Clause:
    """One statement.

    Attributes:
        marks: without the parentheses, which are asides of the mark before them.
        link: how it follows the clause before.
        doubtful: which of the marks may belong to this clause's verb or to the next one's.
    """

    marks: tuple[Mark, ...]
    link: Link
    doubtful: frozenset[int] = frozenset()


_OPERATORS = (
    *(Sense.NO, Sense.LACK, Sense.WITHOUT, Sense.INSTEAD, Sense.NEITHER, Sense.NOR, Sense.NOT),
    *(Sense.ABSENT, Sense.HEDGE, Sense.MODAL, Sense.IF, Sense.EXCEPT, Sense.DOUBTFUL),
    *(Sense.NEEDS, Sense.EXCLUDES, Sense.UNCLEAR, Sense.REPLACES),
)
_VERBS = (
    *(Sense.SHOWS, Sense.IS, Sense.OCCURS, Sense.LASTS, Sense.MEETS, Sense.FALLS_SHORT),
    *(Sense.EXCLUDES, Sense.NEEDS, Sense.DEFINES, Sense.FADES, Sense.REPLACES, Sense.MODAL),
)
_PREDICATES = (Sense.ABSENT, Sense.PRESENT)


def clauses(row: Sequence[Mark]) -> Iterator[Clause]:
    """The sentence's clauses, those in parentheses last."""
    main, apart = _without_parentheses(row)
    yield from _main_clauses(main)
    for inner in apart:
        yield from _main_clauses(inner)


def _main_clauses(row: Sequence[Mark]) -> Iterator[Clause]:
    link = Link.APART
    for part, link in _parts(row):
        yield from _by_verbs(part, link)


# ── parentheses ───────────────────────────────────────────────────────────────────────────


def _without_parentheses(row: Sequence[Mark]) -> tuple[list[Mark], list[list[Mark]]]:
    """The row with each parenthesis as an aside or in line, and those that stand alone."""
    main: list[Mark] = []
    apart: list[list[Mark]] = []
    i = 0
    while i < len(row):
        mark = row[i]
        if mark.sign is not Sign.OPEN:
            if mark.sign is not Sign.CLOSE:
                main.append(mark)
            i += 1
            continue
        close = _closing(row, i)
        inner = [m for m in row[i + 1 : close] if m.sign not in {Sign.OPEN, Sign.CLOSE}]
        if not any(m.term for m in inner):
            if inner:
                main.append(Mark(inner[0].start, inner[-1].end, aside=tuple(inner)))
        elif any(m.has(*_OPERATORS) or m.has(*_PREDICATES, *_VERBS) for m in inner):
            apart.append(inner)
        else:
            slash = replace(mark, sign=Sign.SLASH)
            main += [slash] * bool(main and main[-1].term)
            main += [slash if m.sign is Sign.COMMA else m for m in inner]
        i = close + 1
    return main, apart


def _closing(row: Sequence[Mark], i: int) -> int:
    depth = 0
    for at in range(i, len(row)):
        if row[at].sign is Sign.OPEN:
            depth += 1
        elif row[at].sign is Sign.CLOSE:
            depth -= 1
            if not depth:
                return at
    return len(row)


# ── statements ────────────────────────────────────────────────────────────────────────────


def _parts(row: Sequence[Mark]) -> Iterator[tuple[list[Mark], Link]]:
    """The row cut where one statement ends for certain: semicolons, "but", "because"."""
    part: list[Mark] = []
    link = Link.APART
    for i, mark in enumerate(row):
        following = row[i + 1] if i + 1 < len(row) else None
        if mark.sign in {Sign.DASH, Sign.HYPHEN} and _crosses_out(part, following):
            part.append(replace(mark, sign=None, senses={Sense.ABSENT: True}))
        elif mark.sign in {Sign.SEMICOLON, Sign.STOP}:
            yield part, link
            part, link = [], Link.APART
        elif mark.sign in {Sign.COLON, Sign.DASH} and _tells(part, following):
            part.append(replace(mark, senses={Sense.IS: True}))
        elif mark.sign is Sign.COLON:
            yield part, link
            part = _carried(part, following)
            link = Link.EXPLAINS
        elif mark.sign is Sign.DASH:
            part.append(replace(mark, sign=Sign.COMMA))
        elif mark.has(Sense.BREAK) and _interjected(part, following):
            continue
        elif mark.has(Sense.BECAUSE) and following is not None and following.quantity:
            part.append(mark)
        elif mark.has(Sense.BREAK, Sense.BECAUSE) and _breaks(mark, part):
            yield part, link
            part, link = [], Link.SAME_SUBJECT if mark.has(Sense.BREAK) else Link.APART
        else:
            part.append(mark)
    yield part, link


def _tells(part: Sequence[Mark], following: Mark | None) -> bool:
    """Whether a colon or a dash says something of a phenomenon ("spindles: none")."""
    if following is None or not part:
        return False
    if not (part[-1].term or part[-1].aside or part[-1].has(Sense.MUSCLE)):
        return False
    if any(m.has(*_VERBS) for m in part):
        return False
    return bool(
        following.has(Sense.ABSENT, Sense.PRESENT, Sense.NO, Sense.NOT, Sense.LEVEL, Sense.DOUBTFUL)
        or following.quantity
        or following.sign is Sign.DASH
        or (following.term is not None and following.term.level is not None)
    )


_ENDS = (Sign.COMMA, Sign.SEMICOLON, Sign.STOP, Sign.SLASH)


def _crosses_out(part: Sequence[Mark], following: Mark | None) -> bool:
    """Whether a dash after a phenomenon is a minus ("spindles -, K complexes +")."""
    ends = following is None or following.sign in _ENDS
    return ends and bool(part) and (part[-1].term is not None or part[-1].sign is Sign.COLON)


def _carried(part: Sequence[Mark], following: Mark | None) -> list[Mark]:
    """What stays in force after a colon: "absent: …", "no features of N2: …"."""
    if any(m.term for m in part) or (following is not None and following.has(*_OPERATORS)):
        return []
    denial = [m for m in part if m.has(Sense.NO, Sense.LACK, Sense.ABSENT, Sense.WITHOUT)]
    negation = [m for m in part if m.has(Sense.NOT)]
    if negation and any(m.has(Sense.PRESENT) for m in part):
        return [replace(negation[0], senses={Sense.LACK: True})]
    return [replace(denial[0], senses={Sense.LACK: True})] if denial else []


def _interjected(part: Sequence[Mark], following: Mark | None) -> bool:
    """Whether "however" stands between commas within a statement that has no verb yet."""
    return (
        bool(part)
        and part[-1].sign is Sign.COMMA
        and following is not None
        and following.sign is Sign.COMMA
        and not any(m.has(*_VERBS) for m in part)
    )


def _breaks(mark: Mark, part: Sequence[Mark]) -> bool:
    """Whether a word that can be an adverb as well ("yet") parts two statements here."""
    return not mark.has(Sense.FILLER) or not part or part[-1].sign is Sign.COMMA


# ── clauses by their verbs ────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Piece:
    """What stands between two joints of a statement."""

    joint: tuple[Mark, ...]
    marks: list[Mark] = field(default_factory=list)

    @property
    def comma(self) -> bool:
        return any(m.sign is Sign.COMMA for m in self.joint)

    @property
    def conjunction(self) -> bool:
        return any(m.has(Sense.AND) for m in self.joint)

    @property
    def alternative(self) -> bool:
        return any(m.has(Sense.OR, Sense.NOR) or m.sign is Sign.SLASH for m in self.joint)

    @property
    def verb(self) -> int | None:
        """Where the verb stands; a bare "absent" after its subject counts."""
        for i, mark in enumerate(self.marks):
            if mark.has(*_VERBS) and not self._within_relative(i):
                return i
            if i and mark.has(*_PREDICATES) and self._follows_subject(i):
                return i
        return None

    def _within_relative(self, i: int) -> bool:
        return any(m.has(Sense.RELATIVE) for m in self.marks[:i])

    def _follows_subject(self, i: int) -> bool:
        before = [
            m for m in self.marks[:i] if not m.has(Sense.ADVERB, Sense.FILLER) and not m.aside
        ]
        return bool(before) and (
            before[-1].term is not None or before[-1].has(Sense.NOT, Sense.MUSCLE)
        )

    @property
    def is_closed(self) -> bool:
        """Whether it says all of its subject ("spindles are absent"): no object may follow."""
        verb = self.verb
        if verb is None or self.marks[verb].has(Sense.SHOWS, Sense.MEETS, Sense.MODAL):
            return False
        rest = self.marks[verb:]
        return any(m.has(*_PREDICATES) for m in rest) and not any(m.term for m in rest)

    @property
    def starts_with_verb(self) -> bool:
        first = next(
            (m for m in self.marks if not m.has(Sense.ADVERB, Sense.FILLER, Sense.NOT)), None
        )
        return first is not None and first.has(*_VERBS, *_PREDICATES)

    @property
    def starts_apart(self) -> bool:
        return bool(self.marks) and self.marks[0].has(Sense.WITH)

    @property
    def has_term(self) -> bool:
        return any(m.term for m in self.marks)

    @property
    def has_operator(self) -> bool:
        return any(m.has(*_OPERATORS) for m in self.marks)

    @property
    def told_by_sign(self) -> bool:
        """Whether a colon or a dash stands for the verb."""
        return self.verb is not None and self.marks[self.verb].sign is not None

    @property
    def has_operator_before_verb(self) -> bool:
        end = self.verb
        return any(m.has(*_OPERATORS) for m in self.marks[:end])

    @property
    def other_subject(self) -> bool:
        """Whether its subject is a channel, the chin, or anything but a phenomenon."""
        for mark in self.marks:
            if mark.term:
                return mark.term.group == "muscle" and self.verb is not None
            if mark.channel or mark.has(Sense.MUSCLE, Sense.SIGNAL, Sense.STAGE, Sense.ANAPHOR):
                return True
        return False


def _by_verbs(part: Sequence[Mark], link: Link) -> Iterator[Clause]:
    """The statement cut before each further verb that has a subject of its own."""
    pieces = _pieces(part)
    current: list[_Piece] = []
    doubtful: set[int] = set()
    for k, piece in enumerate(pieces):
        starts = _starts_clause(current, pieces, k)
        if starts is not None:
            yield _clause(current, link, doubtful)
            current, doubtful, link = [], set(), starts
        elif current and _could_be_either(pieces, k, current):
            doubtful.add(len(current))
        current.append(piece)
    if current:
        yield _clause(current, link, doubtful)


def _pieces(part: Sequence[Mark]) -> list[_Piece]:
    pieces = [_Piece(())]
    for mark in part:
        joins = mark.sign in {Sign.COMMA, Sign.SLASH} or mark.has(Sense.AND, Sense.OR, Sense.NOR)
        if not joins:
            pieces[-1].marks.append(mark)
        elif pieces[-1].marks:
            pieces.append(_Piece((mark,)))
        else:
            pieces[-1].joint += (mark,)
    return pieces


def _clause(pieces: Sequence[_Piece], link: Link, doubtful: set[int]) -> Clause:
    row: list[Mark] = []
    unsure: set[int] = set()
    for n, piece in enumerate(pieces):
        if n or not row:
            row += piece.joint if n else [m for m in piece.joint if m.has(Sense.NOR)]
        if n in doubtful:
            unsure |= set(range(len(row), len(row) + len(piece.marks)))
        row += piece.marks
    return Clause(tuple(row), link, frozenset(unsure))


def _starts_clause(current: Sequence[_Piece], pieces: Sequence[_Piece], k: int) -> Link | None:
    """How the piece follows the clause so far, if it starts one of its own; None if not."""
    piece = pieces[k]
    if not current:
        return None
    has_verb = any(p.verb is not None for p in current)
    if piece.marks and piece.marks[0].has(Sense.ECHO):
        return Link.SAME_SUBJECT
    if piece.starts_apart or any(m.has(Sense.IF) for m in piece.marks[:1]):
        return Link.SAME_SUBJECT
    if any(m.has(Sense.IF) for m in current[0].marks[:1]) and piece.comma:
        return Link.APART
    if piece.starts_with_verb:
        return Link.SAME_SUBJECT if has_verb else None
    if piece.verb is None:
        closed = piece.has_term and piece.comma and current[-1].is_closed
        starts = has_verb and (closed or _list_of_next_verb(pieces, k))
        return Link.APART if starts else None
    if has_verb:
        return Link.APART
    return Link.APART if _parts_from_list(current, piece) else None


def _list_of_next_verb(pieces: Sequence[_Piece], k: int) -> bool:
    """Whether a verbless piece begins the subject of a verb that comes later."""
    if not (pieces[k].comma and pieces[k].conjunction):
        return False
    for piece in pieces[k + 1 :]:
        if piece.comma or piece.starts_with_verb:
            return False
        if piece.verb is not None:
            return True
    return False


def _could_be_either(pieces: Sequence[_Piece], k: int, current: Sequence[_Piece]) -> bool:
    """Whether a listed item may be the next verb's subject as well as the last one's object."""
    if pieces[k].verb is not None or not pieces[k].has_term or k + 1 >= len(pieces):
        return False
    following = pieces[k + 1]
    return (
        any(p.verb is not None for p in current)
        and following.verb is not None
        and not following.starts_with_verb
        and not following.comma
        and not following.other_subject
        and not following.has_operator_before_verb
    )


def _parts_from_list(current: Sequence[_Piece], piece: _Piece) -> bool:
    """Whether a piece with a verb parts from the verbless row before it."""
    if piece.alternative and not piece.other_subject:
        return False
    has_term = any(p.has_term for p in current)
    denies = any(p.has_operator for p in current)
    if not has_term and not denies:
        return False
    if piece.other_subject:
        return True
    if piece.told_by_sign:
        return denies
    if not piece.conjunction:
        return not _strong(current)
    if not denies:
        return False
    if piece.has_operator_before_verb:
        return False
    listed = sum(p.has_term for p in current)
    if listed > 1:
        return all(p.has_operator for p in current if p.has_term)
    return piece.comma and not _strong(current)


def _strong(current: Sequence[_Piece]) -> bool:
    """Whether the row is governed by a noun that takes a whole list ("absence of …")."""
    return any(m.has(Sense.LACK) for m in current[0].marks)
