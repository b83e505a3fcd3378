""" "Not" takes its meaning from the first word after it that carries one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from auditor.claims.marks import Sign, joins
from auditor.claims.mentions import Reading
from auditor.claims.operators import unrelated
from auditor.claims.scope import Reach, Scope
from auditor.claims.senses import Sense
from auditor.claims.state import State
from auditor.vocabulary import Phenomenon

_SKIPPED = (Sense.ADVERB, Sense.FILLER, Sense.IS, Sense.MODAL)
_IN_NOUN_PHRASE = (Sense.ARTICLE, Sense.CLEAR, Sense.TRANSPARENT, Sense.HEDGE)


def not_(state: State, i: int) -> int:
    if state.has(i + 1, Sense.JUST):
        return i + 2
    inverted = None if i else _inverted_verb(state)
    at = inverted or i + 1
    qualified = False
    while state.has(at, *_SKIPPED):
        qualified = qualified or state.has(at, Sense.ADVERB)
        at += 1
    state.list_open = False
    mark = state.mark(at)
    if mark is None:
        if any(m.by_predicate and m.reading is not Reading.PRESENT for m in state.spoken_before):
            state.set(state.subject, Reading.UNREAD)  # "a has ceased, b has not"
        else:
            state.deny(i)
        return at
    if qualified and mark.has(Sense.PRESENT, Sense.OCCURS):
        # "Not clearly visible" may be there less clearly.
        state.set(state.spoken_of, Reading.UNREAD)
        return at + 1
    if inverted and mark.term:
        state.open(Reading.ABSENT, Reach.WHOLE)
        return at
    if not (mark.term or _is_adjective(state, at)):
        for senses, read in _AFTER_NOT:
            if mark.has(*senses):
                return read(state, at)
    return _not_phrase(state, at)


def _inverted_verb(state: State) -> int | None:
    """Where the verb stands that "never" or "nowhere" has put before its subject."""
    for at, mark in enumerate(state.row):
        if mark.has(Sense.IS):
            return at
        if mark.term or joins(mark):
            return None
    return None


def _is_adjective(state: State, at: int) -> bool:
    """Whether a participle stands before a mention ("not identified spindles")."""
    following = state.mark(at + 1)
    return state.has(at, Sense.PRESENT) and following is not None and following.term is not None


def _not_phrase(state: State, at: int) -> int:
    """ "Not" before a quantity, a stage, or a phenomenon with its adjectives."""
    if state.row[at].quantity:
        state.falls_short_from = at - 1
        return at
    if state.row[at].has(Sense.STAGE):
        return at + 1
    if _is_no_phenomenon(state, at):
        return at + 1
    if _in_noun_phrase(state, at):
        state.open(Reading.ABSENT, Reach.ITEM)
        return at
    # Something is denied, and nobody can tell what.
    state.set(state.subject, Reading.UNREAD)
    state.scope = Scope(Reading.UNREAD, Reach.ITEM)
    return at


def _is_no_phenomenon(state: State, at: int) -> bool:
    """Whether "eye movements" of no kind follow, of which nothing is said here."""
    for mark in state.row[at:]:
        if mark.has(Sense.EYES):
            return True
        if not (mark.is_word or mark.has(Sense.ARTICLE, Sense.CLEAR, Sense.ADVERB)):
            return False
    return False


def _in_noun_phrase(state: State, at: int) -> bool:
    """Whether a mention follows with nothing but its own adjectives before it."""
    for mark in state.row[at + state.has(at, Sense.PREPOSITION) :]:
        if mark.term:
            return True
        adjective = mark.is_word or mark.sign is Sign.HYPHEN or mark.has(*_IN_NOUN_PHRASE)
        if not (adjective or mark.has(Sense.STAGE)):
            return False
    return False


def _present(state: State, at: int) -> int:
    state.deny(at)
    return at + 1


def _shows(state: State, at: int) -> int:
    state.scope = Scope(Reading.ABSENT, Reach.WHOLE)
    return at + 1


def _meets(state: State, at: int) -> int:
    """ "Does not meet K complex criteria" denies it; "does not reach 20 %" does not."""
    if state.mention_follows(at):
        return _shows(state, at)
    state.falls_short_from = at
    return at + 1


def misses(state: State, i: int) -> int:
    """ "Fails the low-tone criterion" denies low tone; "falls below 20 %" does not deny."""
    state.verb()
    if _in_noun_phrase(state, i + 1):
        missed = next(m.term for m in state.row[i:] if m.term)
        of_itself = any(
            m.term.phenomenon is missed.phenomenon and m.term.level is missed.level
            for m in state.subject
        )
        state.open(Reading.UNREAD if of_itself else Reading.ABSENT, Reach.WHOLE)
    else:
        state.falls_short_from = i
    return i + 1


def _lasts(state: State, at: int) -> int:
    state.falls_short_from = at
    if not any(m.quantity for m in state.row[at:]):
        state.set(state.spoken_of, Reading.UNREAD)
    return at + 1


def _absent(state: State, at: int) -> int:
    state.scope = None
    return at + 1


def _excluded(state: State, at: int) -> int:
    state.set(state.spoken_of, Reading.UNCERTAIN)
    return at + 1


def _excludes(state: State, at: int) -> int:
    state.scope = Scope(Reading.UNCERTAIN, Reach.WHOLE)
    return at + 1


def _suggests(state: State, at: int) -> int:
    state.open(Reading.ABSENT, Reach.ITEM)
    return at + 1


def _accompanied(state: State, at: int) -> int:
    """ "Not accompanied by REMs" denies them; of an arousal it says only that it is elsewhere."""
    term = next((m.term for m in state.row[at:] if m.term), None)
    arousal = term is not None and term.phenomenon is Phenomenon.AROUSAL
    return unrelated(state, at) if arousal else _shows(state, at)


def _goes_on(state: State, at: int) -> int:
    state.verb()
    return at + 1


def _needs(_: State, at: int) -> int:
    return at


_Reader: TypeAlias = Callable[[State, int], int]
_AFTER_NOT: tuple[tuple[tuple[Sense, ...], _Reader], ...] = (
    ((Sense.DECIDED, Sense.EXCLUDED), _excluded),
    ((Sense.PRESENT, Sense.OCCURS), _present),
    ((Sense.EXCLUDES,), _excludes),
    ((Sense.SHOWS,), _shows),
    ((Sense.MEETS,), _meets),
    ((Sense.LASTS,), _lasts),
    ((Sense.ABSENT, Sense.LACK, Sense.WITHOUT, Sense.NO), _absent),
    ((Sense.ACCOMPANIED,), _accompanied),
    ((Sense.RELATES, Sense.UNRELATED), unrelated),
    ((Sense.INTERRUPTED,), _shows),
    ((Sense.FADES, Sense.AFFECTS), _goes_on),
    ((Sense.NEEDS, Sense.NEEDED), _needs),
    ((Sense.HEDGE,), _suggests),
)
