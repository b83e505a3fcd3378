"""How far a word that denies, or hedges, reaches over the list that follows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from auditor.claims.marks import Mark, Sign, Term
from auditor.claims.mentions import Reading
from auditor.claims.senses import Sense
from auditor.vocabulary import Phenomenon


class Reach(Enum):
    """How far an operator reaches."""

    WHOLE = "whole"  # "absence of a, b and c"
    ALIKE = "alike"  # "no a, b or c": as far as the list stays alike
    EMBEDDED = "embedded"  # "a without b": within a list, less far
    ITEM = "item"  # "rather than a": the one item, and what "or" adds to it


# The backgrounds that take over where others end: a list that denies the others may well stop
# before them ("no alpha, theta activity").
_TAKES_OVER = frozenset({Phenomenon.THETA_ACTIVITY, Phenomenon.LOW_AMPLITUDE_MIXED_FREQUENCY})
_ENDS_A_LIST = (
    *(Sense.IS, Sense.SHOWS, Sense.OCCURS, Sense.LASTS, Sense.MEETS, Sense.EXCLUDES),
    Sense.WITH,
)


@dataclass(slots=True)
class Scope:
    """An operator in force.

    Attributes:
        effect: the reading that it gives.
        reach: how far it goes over a list.
        carrier: it stands before what shows phenomena ("no channel …"), or before a verb
            ("nor does …"), and goes on behind the verb.
        noun: it stands before a noun that is no phenomenon ("no change …").
        blurred: that noun has further words of its own ("no change in …").
        hit: it has met its first mention.
        definite: that mention bore "the", so that further ones that bear it are its parallels.
        group: the kind of its last mention.
        items: how many mentions it has met.
        held_until: index up to which an "or" holds its list together.
    """

    effect: Reading
    reach: Reach
    carrier: bool = False
    noun: bool = False
    blurred: bool = False
    hit: bool = False
    definite: bool = False
    group: str = ""
    items: int = 0
    held_until: int = -1

    def reading(self, row: Sequence[Mark], at: int, term: Term, joint: Sequence[Mark]) -> Reading:
        """What it makes of the mention at ``at``, which ``joint`` joins to the one before."""
        reading = self._of(row, at, term, joint)
        self.items += 1
        self.group = term.group
        if reading is Reading.UNREAD:
            self.effect, self.reach = Reading.UNREAD, Reach.WHOLE
        if reading is Reading.UNSAID and term.phenomenon is not Phenomenon.AROUSAL:
            return Reading.UNREAD
        return reading

    def _of(self, row: Sequence[Mark], at: int, term: Term, joint: Sequence[Mark]) -> Reading:
        if not self.hit:
            self.hit = True
            fronted = row[0].has(Sense.PREPOSITION, Sense.WITHOUT)
            self.definite = not fronted and _stands_with(row, at, Sense.DEFINITE)
            self.held_until = held_until(row, at)
            return Reading.UNREAD if self.blurred else self.effect
        if at <= self.held_until:
            return self.effect
        return self._of_further(row, at, term, joint) if joint else Reading.UNREAD

    def _of_further(
        self, row: Sequence[Mark], at: int, term: Term, joint: Sequence[Mark]
    ) -> Reading:
        """The reading of an item that a comma or "and" adds to the list."""
        parallel = self.definite and _stands_with(row, at, Sense.DEFINITE)
        asserted = not parallel and _stands_with(row, at, Sense.CLEAR, Sense.ARTICLE)
        conjoined = any(m.has(Sense.AND) for m in joint)
        takes_over = term.phenomenon in _TAKES_OVER
        alike = term.group == self.group
        match self.reach:
            case Reach.WHOLE:
                return Reading.UNREAD if asserted else self.effect
            case Reach.ITEM:
                if asserted or not conjoined:
                    return Reading.PRESENT
                return self.effect if alike and not takes_over else Reading.UNREAD
            case _:
                if asserted or term.level is not None:
                    return Reading.PRESENT
                listed = self.reach is Reach.ALIKE and (self.items > 1 or not conjoined)
                return self.effect if (alike or listed) and not takes_over else Reading.UNREAD


def combined(outer: Reading, inner: Reading) -> Reading:
    """The effect of an operator within another's scope."""
    if outer is Reading.ABSENT:
        return Reading.ABSENT if inner is Reading.UNCERTAIN else Reading.UNREAD
    return outer


def held_until(row: Sequence[Mark], at: int) -> int:
    """Index of the last mention that "or" joins to the list that begins here; -1 for none."""
    until = -1
    joined_by_or = False
    for i in range(at + 1, len(row)):
        mark = row[i]
        if mark.has(*_ENDS_A_LIST):
            break
        if mark.sign is Sign.COMMA or mark.has(Sense.AND):
            joined_by_or = False
        if mark.has(Sense.OR, Sense.NOR) or mark.sign is Sign.SLASH:
            joined_by_or = True
        if mark.term and joined_by_or:
            until = i
    return until


def _stands_with(row: Sequence[Mark], at: int, *senses: Sense) -> bool:
    """Whether one of these stands among a mention's own words before it ("a", "prominent")."""
    for mark in reversed(row[:at]):
        if mark.term or mark.sign or mark.has(Sense.AND, Sense.OR, Sense.LACK):
            return False
        if mark.has(*senses):
            return True
    return False
