"""What a clause says of each phenomenon in it: asserted, denied, hedged, or not to be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from auditor.claims import operators, predicates
from auditor.claims.clauses import Clause
from auditor.claims.marks import Mark, Sign, joins
from auditor.claims.mentions import Mention, Reading
from auditor.claims.negation import misses, not_
from auditor.claims.senses import Sense
from auditor.claims.state import State

_Reader: TypeAlias = Callable[[State, int], int | None]
# Where a word can do several things, the first that it does here counts.
_READERS: dict[Sense, _Reader] = {
    Sense.NOT: not_,
    Sense.UNRELATED: operators.unrelated,
    Sense.IF: operators.provided,
    Sense.INVERTED: operators.inverted,
    Sense.NEITHER: operators.neither,
    Sense.WITHOUT: operators.without,
    Sense.LACK: operators.lack,
    Sense.NO: operators.no,
    Sense.INSTEAD: operators.instead,
    Sense.EXCEPT: operators.excepting,
    Sense.UNCLEAR: operators.unclear,
    Sense.BEGINS: operators.begins,
    Sense.TOO: operators.too,
    Sense.REPLACES: operators.unclear,
    Sense.NEEDS: operators.needs,
    Sense.CHARACTERIZED: operators.characterized,
    Sense.AFFECTS: predicates.affects,
    Sense.NEEDED: predicates.needed,
    Sense.DEFINES: predicates.defines,
    Sense.DOUBTFUL: predicates.doubtful,
    Sense.HEDGE: operators.hedge,
    Sense.ABSENT: predicates.absent,
    Sense.EXCLUDED: predicates.excluded,
    Sense.EXCLUDES: operators.excludes,
    Sense.HARDLY: predicates.hardly,
    Sense.INTERRUPTED: predicates.interrupted,
    Sense.FADES: predicates.fades,
    Sense.MISSES: misses,
    Sense.FALLS_SHORT: predicates.falls_short,
    Sense.MODAL: predicates.may,
    Sense.SHOWS: predicates.shows,
    Sense.MEETS: predicates.shows,
    Sense.LASTS: predicates.shows,
    Sense.OCCURS: predicates.occurs,
    Sense.IS: predicates.is_,
    Sense.PRESENT: predicates.present,
    Sense.RELATIVE: operators.relative,
    Sense.WITH: operators.accompanied,
    Sense.PREPOSITION: operators.preposition,
    Sense.PRESENCE: operators.presence,
    Sense.JUST: operators.presence,
    Sense.ECHO: operators.echo,
}
_ORDER = {sense: n for n, sense in enumerate(_READERS)}


def read_clause(clause: Clause, before: Sequence[Mention]) -> State:
    """Reads a clause from left to right.

    Args:
        clause: what to read.
        before: the mentions that an elided subject or a pronoun would stand for; what is said
            of them here changes them.

    Returns:
        What is known at its end, mentions included.
    """
    state = State(clause.marks, before, clause.doubtful)
    i = 0
    while i < len(clause.marks):
        i = _step(state, i)
    _say_of_those_before(state)
    if any(m.has(Sense.ELSEWHERE) for m in clause.marks):
        state.set(state.mentions, Reading.UNREAD)
    either = [m for m in state.mentions if m.is_one_of_two and m.reading is Reading.PRESENT]
    state.set(either, Reading.UNREAD)
    return state


def _step(state: State, i: int) -> int:
    """Reads the mark at ``i``; the index of the next one to read."""
    mark = state.row[i]
    if mark.term:
        state.speak(i, mark, mark.term)
    elif mark.aside:
        _hear_aside(state, mark)
    elif joins(mark):
        state.join(i, mark)
    elif mark.sign is Sign.QUERY:
        return operators.hedge(state, i)
    else:
        for sense in sorted(mark.senses.keys() & _ORDER.keys(), key=_ORDER.__getitem__):
            following = _READERS[sense](state, i)
            if following is not None:
                return following
        state.pass_over(mark)
    return i + 1


def _hear_aside(state: State, mark: Mark) -> None:
    """A parenthesis that says more of the mention before it."""
    host = [*state.before, *state.mentions][-1:]
    inner = mark.aside
    if any(m.has(Sense.IF, Sense.DOUBTFUL, Sense.HEDGE) or m.sign is Sign.QUERY for m in inner):
        state.set(host, Reading.UNCERTAIN)
    elif _denies(inner):
        for mention in host:
            denied = mention.reading is Reading.PRESENT
            mention.reading = Reading.ABSENT if denied else Reading.UNREAD


def _denies(inner: Sequence[Mark]) -> bool:
    """Whether a parenthesis says "not there": ``(absent)``, ``(-)``, ``(n = 0)``."""
    if inner[0].sign in {Sign.DASH, Sign.HYPHEN} or inner[-1].has(Sense.NO):
        return True
    return any(m.has(Sense.ABSENT) for m in inner) or (
        any(m.has(Sense.NOT) for m in inner) and inner[-1].has(Sense.PRESENT)
    )


def _say_of_those_before(state: State) -> None:
    """ "None is seen": what denies and finds no mention is said of those before."""
    scope = state.scope
    if scope is None or state.mentions or not _begins_with_denial(state):
        return
    if not (scope.noun or scope.carrier or state.own_subject):
        state.deny(0)


def _begins_with_denial(state: State) -> bool:
    for mark in state.row:
        if not mark.has(Sense.FILLER, Sense.ADVERB, Sense.AND):
            return mark.has(Sense.NO, Sense.NEITHER)
    return False
