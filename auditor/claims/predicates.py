"""Verbs, and what is said of a subject: "is absent", "may occur", "fades", …

Each reads the mark at an index of the clause and returns the index to go on from; None where
the word is none of its kind here.
"""

from __future__ import annotations

from auditor.claims.marks import joins
from auditor.claims.mentions import Reading
from auditor.claims.scope import Reach
from auditor.claims.senses import Sense
from auditor.claims.state import State

# "Is not really needed": how far a verb may stand before its predicate.
_VERB_REACH = 3
_RHYTHMS = "background"


def is_(state: State, i: int) -> int:
    state.verb()
    if state.definition and any(m.has(Sense.STAGE) for m in state.row[:i]):
        state.hypothetical = True
    return i + 1


def shows(state: State, i: int) -> int:
    state.verb()
    return i + 1


def occurs(state: State, i: int) -> int:
    state.verb()
    return present(state, i)


def present(state: State, i: int) -> int:
    if state.modal:
        state.set(state.spoken_of, Reading.UNCERTAIN)
    elif not state.in_relative and _is_coordinated(state, i):
        state.set([m for m in state.spoken_of if m.yields], Reading.PRESENT)
    return i + 1


def _is_coordinated(state: State, i: int) -> bool:
    """Whether a predicate follows another one ("… and present", "…, are now seen")."""
    if any(m.has(Sense.ELSEWHERE) for m in state.row):
        return False
    for mark in reversed(state.row[:i]):
        if not mark.has(Sense.IS, Sense.ADVERB, Sense.FILLER):
            return joins(mark)
    return True


def absent(state: State, i: int) -> int:
    """ "Absent" is said of the mentions before it, or stands before what it denies."""
    if state.is_attributive(i):
        state.open(Reading.ABSENT, Reach.ITEM)
        return i + 1
    if not state.subject and state.has(i + 1, Sense.IS) and state.mention_follows(i):
        state.open(Reading.ABSENT, Reach.WHOLE, carrier=True)
        return i + 2
    return excluded(state, i)


def excluded(state: State, i: int) -> int:
    state.list_open = False
    state.deny(i)
    return i + 1


def doubtful(state: State, i: int) -> int | None:
    if not _after_verb(state, i) or not state.spoken_of:
        return None
    state.set(state.spoken_of, Reading.UNCERTAIN)
    return i + 1


def needed(state: State, i: int) -> int:
    if state.in_relative:
        return i + 1
    if _after_verb(state, i):
        _make_general(state, Reading.UNCERTAIN)
    elif not state.mentions:
        state.definition = True
    return i + 1


def _after_verb(state: State, i: int) -> bool:
    return any(m.has(Sense.IS) for m in state.row[max(0, i - _VERB_REACH) : i])


def defines(state: State, i: int) -> int | None:
    """ "Spindles define N2" is said of no epoch; "the spindles define it as N2" is."""
    if not state.subject or state.in_relative:
        return None
    state.list_open = False
    of_stage = state.has(i + 1, Sense.STAGE) or state.has(i + 2, Sense.STAGE)
    pointed_at = any(m.has(Sense.ARTICLE) for m in state.row[: state.subject[0].at])
    if of_stage and not pointed_at and not state.has(i + 1, Sense.ANAPHOR):
        _make_general(state, Reading.GENERAL)
    return i + 1


def _make_general(state: State, reading: Reading) -> None:
    """What was asserted is asserted of a stage, not of this epoch."""
    state.set([m for m in state.subject if m.reading is Reading.PRESENT], reading)


def affects(state: State, i: int) -> int | None:
    """As a noun it is none ("no change in alpha")."""
    return shows(state, i) if state.mentions else None


def fades(state: State, i: int) -> int | None:
    if state.is_noun(i) or state.has(i + 1, Sense.STAGE):
        return None
    if state.has(i + 1, Sense.PLACE):
        return i + 2
    following = hardly(state, i)
    for mention in state.spoken_of:
        mention.yields = mention.reading is Reading.UNREAD
    return following


def interrupted(state: State, i: int) -> int | None:
    """A rhythm that a wave interrupts goes on; one that another rhythm interrupts may be over."""
    by = next((m.term for m in state.row[i + 1 :] if m.term), None)
    if by is None or by.group == _RHYTHMS:
        return fades(state, i)
    return i + 1


def hardly(state: State, i: int) -> int:
    """Of the mentions before it, or of what follows, nobody can say whether it is there."""
    state.list_open = False
    if state.is_attributive(i):
        state.open(Reading.UNREAD, Reach.ITEM)
    else:
        state.set(state.spoken_of, Reading.UNREAD)
    return i + 1


def falls_short(state: State, i: int) -> int:
    """ "Too few" are there; "too short to be a spindle" is none."""
    state.verb()
    state.falls_short_from = i
    term = next((at for at in range(i, len(state.row)) if state.row[at].term), i)
    between = [m for m in state.row[i + 1 : term] if not m.aside]
    takes_for = any(m.has(Sense.IS, Sense.MEETS) for m in between) or (
        bool(between)
        and between[0].has(Sense.PREPOSITION)
        and all(m.has(Sense.PREPOSITION, Sense.ARTICLE) for m in between)
    )
    if takes_for and (not state.subject or any(m.has(Sense.IS, Sense.MEETS) for m in between)):
        state.open(Reading.ABSENT, Reach.WHOLE, carrier=True)
    return i + 1


def may(state: State, i: int) -> int:
    state.list_open = False
    if state.in_relative:
        return i + 1
    state.modal = True
    following = state.mark(i + 1)
    if following is not None and (following.is_word or following.has(Sense.LASTS, Sense.MEETS)):
        state.set(state.subject, Reading.UNCERTAIN)
    return i + 1
