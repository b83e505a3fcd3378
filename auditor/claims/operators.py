"""Words that govern what follows them: "no", "without", "possible", "rather than", …

Each reads the mark at an index of the clause and returns the index to go on from; None where
the word is none of its kind here.
"""

from __future__ import annotations

from auditor.claims.marks import joins
from auditor.claims.mentions import Reading
from auditor.claims.pieces import VERBS
from auditor.claims.predicates import absent, falls_short
from auditor.claims.scope import Reach, Scope
from auditor.claims.senses import Sense
from auditor.claims.state import State

_AFTER_NONE: tuple[Sense, ...] = (
    *(Sense.FILLER, Sense.ADVERB, Sense.PRESENT, Sense.IS, Sense.PREPOSITION, Sense.ARTICLE),
    Sense.SIGNAL,
)


def no(state: State, i: int) -> int:
    if state.row[i].has(Sense.CARRIER):
        state.open(Reading.ABSENT, Reach.WHOLE, carrier=True)
        return i + 1
    if _stands_alone(state, i):
        return absent(state, i)
    state.open(Reading.ABSENT, Reach.ALIKE)
    return i + 1


def _stands_alone(state: State, i: int) -> bool:
    """Whether nothing follows that "no" or "none" could deny ("spindles: none seen")."""
    passed = _AFTER_NONE
    if state.subject and state.has(i - 1, Sense.PREPOSITION):
        passed = (*passed, Sense.CARRIER)  # "is seen in no channel"
    for mark in state.row[i + 1 :]:
        if joins(mark):
            return True
        if not (mark.channel or mark.quantity or mark.aside or mark.has(*passed)):
            return False
    return True


def lack(state: State, i: int) -> int:
    state.open(Reading.ABSENT, Reach.WHOLE)
    state.list_open = False
    return i + 1


def without(state: State, i: int) -> int:
    within = Reach.EMBEDDED if state.mentions else Reach.ALIKE
    state.open(Reading.ABSENT, within if i else Reach.WHOLE)
    state.list_open = False
    return i + 1


def instead(state: State, i: int) -> int:
    state.open(Reading.ABSENT, Reach.ITEM)
    return i + 1


def neither(state: State, i: int) -> int:
    if state.has(i + 1, Sense.PRESENT):
        state.deny(i)
        return i + 2
    if not state.mention_follows(i):
        state.set(state.subject, Reading.UNREAD)
    state.open(Reading.ABSENT, Reach.WHOLE)
    return i + 1


def hedge(state: State, i: int) -> int:
    if _trails(state, i):
        state.set(state.spoken_of, Reading.UNCERTAIN)
    state.open(Reading.UNCERTAIN, Reach.ITEM)
    return i + 1


def _trails(state: State, i: int) -> bool:
    """Whether a hedge ends a clause as a remark on what it said ("…, most likely")."""
    if i + 1 < len(state.row):
        return False
    for mark in reversed(state.row[:i]):
        if mark.term or mark.aside or joins(mark):
            return True
        if not (mark.is_word or mark.has(Sense.ADVERB, Sense.FILLER)):
            return False
    return False


def unclear(state: State, i: int) -> int:
    state.open(Reading.UNREAD, Reach.ITEM)
    return i + 1


def begins(state: State, i: int) -> int:
    """ "No return of alpha" denies alpha; after "return of alpha" nobody knows since when."""
    denied = state.scope is not None and state.scope.effect is Reading.ABSENT
    return i + 1 if denied else unclear(state, i)


def too(state: State, i: int) -> int | None:
    """ "A is absent, and b too": what was said of a is said of b; "too slow to be b" is none."""
    if state.has(i + 2, Sense.PREPOSITION) and not state.row[i + 1].term:
        return falls_short(state, i + 1)
    said = state.spoken_before
    if not (said and state.subject) or i + 1 < len(state.row):
        return None
    between = state.row[state.subject[-1].at + 1 : i]
    if any(m.has(*VERBS) for m in between):
        return None
    told = said[0].by_predicate or said[0].reading is Reading.PRESENT
    plain = all(m.has(Sense.ADVERB, Sense.FILLER) for m in between)
    state.set(state.subject, said[0].reading if told and plain else Reading.UNREAD)
    return i + 1


def unrelated(state: State, i: int) -> int:
    state.scope = Scope(Reading.UNSAID, Reach.WHOLE)
    return i + 1


def excepting(state: State, i: int) -> int:
    """ "No eye movements except blinks": what is excepted from a denial is there."""
    if state.scope is not None and state.scope.effect is Reading.ABSENT:
        state.scope = Scope(Reading.PRESENT, Reach.WHOLE)
    elif state.mentions:
        state.scope = Scope(Reading.UNREAD, Reach.WHOLE)
    return i + 1


def presence(state: State, i: int) -> int:
    """ "The absence of a and the presence of b", "no a, only b"."""
    if state.scope is not None and state.scope.hit:
        state.scope = None
    return i + 1


def echo(state: State, i: int) -> int:
    """ "…, as are b": what was said last is said of what follows."""
    for mention in [*state.before, *state.subject][-1:]:
        state.scope = Scope(mention.reading, Reach.WHOLE)
    state.list_open = False
    return i + 1


def needs(state: State, i: int) -> int:
    state.verb()
    state.hypothetical = True
    return i + 1


def characterized(state: State, i: int) -> int:
    """What characterizes a stage is said of no epoch; what characterizes an epoch is there."""
    if not state.mentions and any(m.has(Sense.STAGE) for m in state.row[:i]):
        return needs(state, i)
    return i + 1


def provided(state: State, i: int) -> int:
    """ "If present" hedges what stands before it; else what follows is a condition."""
    bare = not any(m.term for m in state.row[i:]) and len(state.row) - i <= 2
    if state.has(i + 1, Sense.PRESENT, Sense.ABSENT) or bare:
        state.set(state.subject or state.before, Reading.UNCERTAIN)
        return i + 2
    state.hypothetical = True
    return i + 1


def inverted(state: State, i: int) -> int | None:
    """ "Had alpha been present, …"."""
    if i:
        return None
    state.hypothetical = True
    return i + 1


def excludes(state: State, i: int) -> int:
    state.verb()
    state.open(Reading.ABSENT, Reach.WHOLE)
    return i + 1


def relative(state: State, i: int) -> int:
    state.in_relative = True
    scope = state.scope
    if scope is not None and not scope.hit and scope.noun:
        scope.blurred = True
    return i + 1


def preposition(state: State, i: int) -> int:
    state.blur()
    return i + 1


def accompanied(state: State, i: int) -> int:
    """ "With" begins a list of its own."""
    if state.scope is not None and state.scope.hit:
        state.scope = None
    state.list_open = False
    return i + 1
