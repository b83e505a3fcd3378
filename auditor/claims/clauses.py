"""A sentence cut into clauses, so that no word's scope runs past its own statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from auditor.claims.marks import Mark, Sign
from auditor.claims.parentheses import without_parentheses
from auditor.claims.pieces import OPERATORS, VERBS, Piece, pieces
from auditor.claims.quantities import Times
from auditor.claims.senses import Sense


class Link(StrEnum):
    """How a clause follows the one before."""

    APART = "apart"  # a statement of its own
    SAME_SUBJECT = "same subject"  # it goes on about what the clause before speaks of
    EXPLAINS = "explains"  # after a colon, what stands before it
    OTHERWISE = "otherwise"  # after a colon, what is no phenomenon ("REM sleep: no")


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


def clauses(row: Sequence[Mark]) -> Iterator[Clause]:
    """The sentence's clauses, those in parentheses last."""
    main, apart = without_parentheses(row)
    for statement in (main, *apart):
        for part, link in _parts(statement):
            yield from _by_verbs(part, link)


# ── statements ────────────────────────────────────────────────────────────────────────────


def _parts(row: Sequence[Mark]) -> Iterator[tuple[list[Mark], Link]]:
    """The row cut where one statement ends for certain: semicolons, "but", "because"."""
    part: list[Mark] = []
    link = Link.APART
    for i, mark in enumerate(row):
        if mark.sign is None and not mark.has(Sense.BREAK, Sense.BECAUSE):
            part.append(mark)
            continue
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
            link = Link.EXPLAINS if any(m.term for m in part) else Link.OTHERWISE
            part = _carried(part, row[i + 1 :])
        elif mark.sign is Sign.DASH:
            part.append(replace(mark, sign=Sign.COMMA))
        elif mark.has(Sense.BREAK) and _interjected(part, following):
            continue
        elif mark.has(Sense.BECAUSE) and following is not None and following.quantity:
            part.append(mark)
        elif mark.has(Sense.BREAK, Sense.BECAUSE) and _breaks(mark, part):
            yield part, link
            link = Link.SAME_SUBJECT if mark.has(Sense.BREAK) else Link.APART
            fronts = mark.has(Sense.PREPOSITION) and not mark.has(Sense.FILLER)
            part = [replace(mark, senses={Sense.PREPOSITION: True})] if fronts else []
        else:
            part.append(mark)
    yield part, link


def _tells(part: Sequence[Mark], following: Mark | None) -> bool:
    """Whether a colon or a dash says something of a phenomenon ("spindles: none")."""
    if following is None or not part:
        return False
    if not (part[-1].term or part[-1].aside or part[-1].has(Sense.MUSCLE)):
        return False
    if any(m.has(*VERBS) for m in part):
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


def _carried(part: Sequence[Mark], rest: Sequence[Mark]) -> list[Mark]:
    """What stays in force after a colon: "C4-M1: …", "absent: …", "no features of N2: …"."""
    if any(m.term for m in part):
        return []
    channels = [
        m
        for m in part
        if m.channel or any(a.channel for a in m.aside) or isinstance(m.quantity, Times)
    ]
    if rest and (rest[0].has(*OPERATORS) or any(m.has(*VERBS) for m in rest)):
        return channels
    denial = [m for m in part if m.has(Sense.NO, Sense.LACK, Sense.ABSENT, Sense.WITHOUT)]
    if part and part[-1].has(Sense.FULFILLED):
        return channels
    if part and part[-1].has(Sense.PRESENT, Sense.SHOWS, Sense.OCCURS):
        denial += [m for m in part if m.has(Sense.NOT)]
    return channels + [replace(m, senses={Sense.LACK: True}) for m in denial[:1]]


def _interjected(part: Sequence[Mark], following: Mark | None) -> bool:
    """Whether "however" stands between commas within a statement that has no verb yet."""
    return (
        bool(part)
        and part[-1].sign is Sign.COMMA
        and following is not None
        and following.sign is Sign.COMMA
        and not any(m.has(*VERBS) for m in part)
    )


def _breaks(mark: Mark, part: Sequence[Mark]) -> bool:
    """Whether a word that can be an adverb as well ("yet") parts two statements here."""
    return not mark.has(Sense.FILLER) or not part or part[-1].sign is Sign.COMMA


# ── clauses by their verbs ────────────────────────────────────────────────────────────────


def _by_verbs(part: Sequence[Mark], link: Link) -> Iterator[Clause]:
    """The statement cut before each further verb that has a subject of its own."""
    row = pieces(part)
    current: list[Piece] = []
    for k, piece in enumerate(row):
        starts = _starts_clause(current, row[k:]) if current else None
        if starts is not None:
            yield _clause(current, link)
            current, link = [], starts
        elif _could_be_either(current, row[k:]):
            piece.doubtful = True
        current.append(piece)
    yield _clause(current, link)


def _clause(current: Sequence[Piece], link: Link) -> Clause:
    row: list[Mark] = []
    doubtful: set[int] = set()
    for piece in current:
        # "Nor" denies also where it begins a clause; other joints join nothing there.
        row += piece.joint if row else [m for m in piece.joint if m.has(Sense.NOR)]
        if piece.doubtful:
            doubtful |= set(range(len(row), len(row) + len(piece.marks)))
        row += piece.marks
    return Clause(tuple(row), link, frozenset(doubtful))


def _starts_clause(current: Sequence[Piece], ahead: Sequence[Piece]) -> Link | None:
    """How the next piece follows the clause so far; None where it still belongs to it."""
    piece = ahead[0]
    has_verb = any(p.verb is not None for p in current)
    if piece.starts_with(Sense.ECHO, Sense.WITH, Sense.IF):
        return Link.SAME_SUBJECT
    if current[0].starts_with(Sense.IF) and piece.comma:
        return Link.APART
    if piece.starts_with_verb:
        return Link.SAME_SUBJECT if has_verb else None
    if piece.verb is None:
        if piece.names_its_subject and any(p.has_term for p in current):
            return Link.APART
        if not has_verb:
            return Link.APART if _ends_fronted(current, ahead) else None
        closed = piece.has_term and piece.comma and current[-1].is_closed
        starts = closed or _lists_next_subject(ahead)
    elif _ends_inversion(current, piece):
        return None
    else:
        starts = has_verb or _parts_from_list(current, piece)
    return Link.APART if starts else None


def _lists_next_subject(ahead: Sequence[Piece]) -> bool:
    """Whether a piece without a verb begins the subject of a verb that comes later.

    A comma within that list wants a second conjunction ("…, and a, b and c are absent").
    """
    if not (ahead[0].comma and ahead[0].conjunction):
        return False
    listed = False
    for piece in ahead[1:]:
        last = piece.verb is not None
        if piece.starts_with_verb or (piece.comma and (last or piece.conjunction)):
            return False
        if last:
            return not listed or piece.conjunction or piece.alternative
        listed = listed or piece.comma
    return False


def _ends_fronted(current: Sequence[Piece], ahead: Sequence[Piece]) -> bool:
    """Whether a comma ends "despite the lack of a" and a subject of two begins ("b and c are")."""
    first = current[0]
    fronted = first.starts_with(Sense.PREPOSITION, Sense.WITHOUT) and any(
        m.has(Sense.LACK, Sense.WITHOUT) for m in first.marks
    )
    if not (fronted and ahead[0].comma and ahead[0].has_term and not ahead[0].conjunction):
        return False
    if len(ahead) == 1 or any(p.comma for p in current[1:]) or ahead[1].comma:
        return False
    following = ahead[1]
    if following.verb is None or following.starts_with_verb:
        return False
    return following.marks[following.verb - 1].term is not None


def _could_be_either(current: Sequence[Piece], ahead: Sequence[Piece]) -> bool:
    """Whether a listed item may be the next verb's subject as well as the last one's object."""
    if _is_one_thing(current, ahead[0]):
        # Two items only, and none says again that it is governed ("of a and of b").
        return not (any(p.comma for p in current) or ahead[0].starts_with(Sense.PREPOSITION))
    if len(ahead) == 1 or ahead[0].verb is not None or not ahead[0].has_term:
        return False
    following = ahead[1]
    if following.verb is None or following.starts_with_verb or following.comma:
        return False
    if _ends_inversion(current, following):
        return False
    return any(p.verb is not None for p in current) and not (
        following.has_other_subject or following.is_governed
    )


def _ends_inversion(current: Sequence[Piece], piece: Piece) -> bool:
    """Whether the piece ends what "nowhere are …" began ("… or a found")."""
    return piece.ends_with_verb and bool(current) and current[0].is_inverted


def _is_one_thing(current: Sequence[Piece], piece: Piece) -> bool:
    """Whether the verb is of one thing ("an absence of a, b and low tone is noted")."""
    if not (current and piece.verb and piece.conjunction) or piece.comma:
        return False
    subject, verb = piece.marks[piece.verb - 1 : piece.verb + 1]
    lacking = any(m.has(Sense.LACK) for m in current[0].marks)
    return lacking and subject.term is not None and verb.has(Sense.SINGULAR)


def _parts_from_list(current: Sequence[Piece], piece: Piece) -> bool:
    """Whether a piece with a verb parts from the row without one before it."""
    if piece.alternative and not piece.has_other_subject:
        return False
    listed = sum(p.has_term for p in current)
    governed = any(p.has_operator for p in current)
    whole = any(m.has(Sense.LACK) for m in current[0].marks)
    if not (listed or governed):
        return False
    if piece.has_other_subject:
        return not _is_one_thing(current, piece)
    if piece.is_told_by_sign:
        return governed
    if not piece.conjunction:
        return True
    if not governed or piece.is_governed:
        return False
    if listed > 1:
        return all(p.has_operator for p in current if p.has_term)
    return piece.comma and not whole
