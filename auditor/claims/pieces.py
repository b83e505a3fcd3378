"""What stands between two joints of a statement: an item of a list, or a clause's beginning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from auditor.claims.marks import Mark, Sign, joins
from auditor.claims.senses import Sense

OPERATORS = (
    *(Sense.NO, Sense.LACK, Sense.WITHOUT, Sense.INSTEAD, Sense.NEITHER, Sense.NOR, Sense.NOT),
    *(Sense.ABSENT, Sense.HEDGE, Sense.MODAL, Sense.IF, Sense.EXCEPT, Sense.DOUBTFUL),
    *(Sense.NEEDS, Sense.EXCLUDES, Sense.UNCLEAR, Sense.REPLACES, Sense.HARDLY),
)
VERBS = (
    *(Sense.SHOWS, Sense.IS, Sense.OCCURS, Sense.LASTS, Sense.MEETS, Sense.MISSES),
    *(Sense.FALLS_SHORT, Sense.EXCLUDES, Sense.NEEDS, Sense.DEFINES, Sense.FADES),
    *(Sense.REPLACES, Sense.MODAL),
)
PREDICATES = (Sense.ABSENT, Sense.PRESENT)
_TAKING_OBJECTS = (Sense.SHOWS, Sense.MEETS, Sense.MODAL)
_OTHER_SUBJECTS = (Sense.MUSCLE, Sense.SIGNAL, Sense.STAGE, Sense.ANAPHOR)


@dataclass
class Piece:
    """What stands between two joints.

    Attributes:
        joint: what joins it to the piece before.
        marks: its own.
        doubtful: it may belong to the verb before it or to the one after it.
    """

    joint: tuple[Mark, ...]
    marks: list[Mark] = field(default_factory=list)
    doubtful: bool = False

    @property
    def comma(self) -> bool:
        return any(m.sign is Sign.COMMA for m in self.joint)

    @property
    def conjunction(self) -> bool:
        return any(m.has(Sense.AND) for m in self.joint)

    @property
    def alternative(self) -> bool:
        return any(m.has(Sense.OR, Sense.NOR) or m.sign is Sign.SLASH for m in self.joint)

    @cached_property
    def has_term(self) -> bool:
        return any(m.term for m in self.marks)

    @cached_property
    def has_operator(self) -> bool:
        return any(m.has(*OPERATORS) for m in self.marks)

    @cached_property
    def verb(self) -> int | None:
        """Where the verb stands; a bare "absent" after its subject counts."""
        for i, mark in enumerate(self.marks):
            if mark.has(Sense.RELATIVE):
                return self._bare_predicate(i)
            if mark.has(*VERBS) or self._is_bare_predicate(i):
                return i
        return None

    def _bare_predicate(self, start: int) -> int | None:
        indices = range(start, len(self.marks))
        return next((i for i in indices if self._is_bare_predicate(i)), None)

    def _is_bare_predicate(self, i: int) -> bool:
        if not self.marks[i].has(*PREDICATES):
            return False
        for mark in reversed(self.marks[:i]):
            if not (mark.aside or mark.has(Sense.ADVERB, Sense.FILLER)):
                return mark.term is not None or mark.has(Sense.NOT, Sense.MUSCLE)
        return False

    @property
    def is_closed(self) -> bool:
        """Whether it says all of its subject ("spindles are absent"): no object may follow."""
        if self.verb is None or self.marks[self.verb].has(*_TAKING_OBJECTS):
            return False
        said = self.marks[self.verb :]
        if any(m.term and not m.term.level for m in said):
            return False
        level = said[0].has(Sense.IS) and any(m.term for m in said)
        return level or any(m.has(*PREDICATES) and not m.term for m in said)

    @property
    def is_inverted(self) -> bool:
        """Whether a denial has put the verb before its subject ("nowhere are spindles …")."""
        if not self.starts_with(Sense.NOT) or self.verb is None:
            return False
        verb, *said = self.marks[self.verb :]
        return verb.has(Sense.IS) and any(m.term for m in said)

    @property
    def ends_with_verb(self) -> bool:
        """Whether its verb, which may belong to one before, ends it ("… or a found")."""
        return self.verb == len(self.marks) - 1

    @property
    def is_told_by_sign(self) -> bool:
        """Whether a colon or a dash stands for the verb."""
        return self.verb is not None and self.marks[self.verb].sign is not None

    @property
    def is_governed(self) -> bool:
        """Whether an operator stands before the verb."""
        return any(m.has(*OPERATORS) for m in self.marks[: self.verb])

    @property
    def starts_with_verb(self) -> bool:
        for mark in self.marks:
            if not mark.has(Sense.ADVERB, Sense.FILLER, Sense.NOT):
                return mark.has(*VERBS, *PREDICATES)
        return False

    def starts_with(self, *senses: Sense) -> bool:
        return bool(self.marks) and self.marks[0].has(*senses)

    @property
    def names_its_subject(self) -> bool:
        """Whether it tells, without a verb, what another signal shows ("…, EOG full of REMs")."""
        first = self.marks[0] if self.marks else None
        if first is None or not self.comma or not self.has_term:
            return False
        return first.channel is not None or first.has(Sense.SIGNAL, Sense.MUSCLE)

    @property
    def has_other_subject(self) -> bool:
        """Whether its subject is a channel, the chin, or anything but a phenomenon."""
        for mark in self.marks:
            if mark.term:
                subject = self.verb is not None and not self.starts_with(Sense.PREPOSITION)
                return mark.term.level is not None and subject
            if mark.channel or mark.has(*_OTHER_SUBJECTS):
                return True
        return False


def pieces(part: Sequence[Mark]) -> list[Piece]:
    """The statement cut at its commas and conjunctions."""
    cut = [Piece(())]
    for mark in part:
        if not joins(mark):
            cut[-1].marks.append(mark)
        elif cut[-1].marks:
            cut.append(Piece((mark,)))
        else:
            cut[-1].joint += (mark,)
    return cut
