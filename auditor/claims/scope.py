"""What a clause says of each phenomenon in it: asserted, denied, hedged, or not to be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from auditor.claims.clauses import Clause
from auditor.claims.lexicon import Sense
from auditor.claims.marks import Mark, Sign, Term
from auditor.claims.quantities import Quantity
from auditor.vocabulary import Phenomenon


class Reading(StrEnum):
    """What the words say of one mention."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"
    UNREAD = "unread"
    UNSAID = "unsaid"  # nothing is said of this epoch ("not associated with an arousal")


@dataclass(slots=True, eq=False)
class Mention:
    """One phenomenon spoken of, while its sentence is being read.

    Attributes:
        at: index of its mark in the clause.
        by_predicate: its reading comes from what is said of it, not from what stands before.
    """

    mark: Mark
    term: Term
    at: int
    reading: Reading
    by_predicate: bool = False
    quantities: list[Quantity] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)


class _Reach(Enum):
    """How far an operator reaches over a list."""

    WHOLE = "whole"  # "absence of a, b and c"
    ALIKE = "alike"  # "no a, b or c": as far as the list stays alike
    EMBEDDED = "embedded"  # "a without b": within a list, less far
    ITEM = "item"  # "rather than a": the one item, and what "or" adds to it


@dataclass(slots=True)
class _Scope:
    """An operator in force.

    Attributes:
        effect: the reading that it gives.
        reach: how far it goes over a list.
        hit: it has met its first mention.
        noun: it stands before a noun that is no phenomenon ("no change …").
        carrier: it stands before what shows phenomena ("no channel …").
        blurred: its noun has further words of its own ("no change in …").
        group: the kind of its last mention.
        items: how many mentions it has met.
        alike_until: index up to which an "or" holds its list together.
    """

    effect: Reading
    reach: _Reach
    hit: bool = False
    noun: bool = False
    carrier: bool = False
    blurred: bool = False
    group: str = ""
    items: int = 0
    alike_until: int = -1


_VERBS = (Sense.IS, Sense.SHOWS, Sense.OCCURS, Sense.LASTS, Sense.MEETS, Sense.EXCLUDES)
# What stands for the phenomenon in N1's and R's background; it takes over where others end,
# so that a list that denies the others may well stop before it.
_TAKES_OVER = frozenset({Phenomenon.THETA_ACTIVITY, Phenomenon.LOW_AMPLITUDE_MIXED_FREQUENCY})
_AFTER_NONE = (
    *(Sense.FILLER, Sense.ADVERB, Sense.PRESENT, Sense.IS, Sense.PREPOSITION, Sense.ARTICLE),
    Sense.SIGNAL,
)
_NOUNS = (Sense.STAGE, Sense.EYES, Sense.AFTER_NAME, Sense.AFTER_MUSCLE, Sense.MOVES)
_BEFORE_ADJECTIVES = (
    *(Sense.AND, Sense.OR, Sense.ARTICLE, Sense.SHOWS, Sense.WITH, Sense.PREPOSITION),
)
_SKIPPED_AFTER_NOT = (Sense.ADVERB, Sense.FILLER, Sense.IS, Sense.MODAL, Sense.JUST)


class ClauseReading:
    """Reads one clause from left to right.

    Attributes:
        mentions: in order.
        subject: the last list of mentions, that a predicate would be said of.
        falls_short_from: index after which quantities are not reached; None where they are.
    """

    def __init__(self, clause: Clause, before: Sequence[Mention]) -> None:
        """Reads the clause.

        Args:
            clause: what to read.
            before: the mentions that an elided subject or a pronoun would stand for.
        """
        self.mentions: list[Mention] = []
        self.subject: list[Mention] = []
        self.falls_short_from: int | None = None
        self._row = clause.marks
        self._doubtful = clause.doubtful
        self._before = before
        self._scope: _Scope | None = None
        self._joint: list[Mark] = []
        self._list_open = False
        self._own_subject = False
        self._modal = False
        self._hypothetical = False
        self._definition = False
        self._in_relative = False
        self._elsewhere = any(m.has(Sense.ELSEWHERE) for m in self._row)
        i = 0
        while i < len(self._row):
            i = self._step(i)
        self._end()

    def _step(self, i: int) -> int:
        """Reads the mark at ``i``; the index of the next one to read."""
        mark = self._row[i]
        if mark.term:
            self._speak(i, mark, mark.term)
            return i + 1
        if mark.aside:
            self._hear_aside(mark)
            return i + 1
        if _joins(mark):
            self._join(i, mark)
            return i + 1
        if mark.sign is Sign.QUERY:
            self._hedge(i)
            return i + 1
        for sense, read in _READERS:
            if sense in mark.senses:
                following = read(self, i)
                if following is not None:
                    return following
        self._pass(mark)
        return i + 1

    # ── mentions ──

    def _speak(self, i: int, mark: Mark, term: Term) -> None:
        mention = Mention(mark, term, i, self._reading(i, term))
        if self._list_open and self._joint:
            self.subject.append(mention)
        else:
            self.subject = [mention]
        self._list_open = True
        self._joint = []
        self.mentions.append(mention)

    def _reading(self, i: int, term: Term) -> Reading:
        reading = self._scoped(i, term) if self._scope else Reading.PRESENT
        if term.denied:
            reading = Reading.ABSENT if reading is Reading.PRESENT else Reading.UNREAD
        if reading is Reading.UNSAID:
            return reading
        if self._elsewhere or term.vague or i in self._doubtful:
            return Reading.UNREAD
        if reading is Reading.PRESENT and not self._scope and self._is_either():
            self._set(self.subject[-1:], Reading.UNREAD)
            return Reading.UNREAD
        if reading is Reading.PRESENT and term.likened:
            return Reading.UNCERTAIN
        if reading in {Reading.PRESENT, Reading.ABSENT} and (self._hypothetical or self._modal):
            return Reading.UNCERTAIN
        return reading

    def _is_either(self) -> bool:
        """Whether "or" joins the mention to one that is asserted."""
        return self._list_open and bool(self.subject) and any(m.has(Sense.OR) for m in self._joint)

    def _scoped(self, i: int, term: Term) -> Reading:
        """The reading that the operator in force gives."""
        scope = self._scope
        assert scope is not None
        if not scope.hit:
            reading = Reading.UNREAD if scope.blurred else scope.effect
            scope.hit = True
            scope.alike_until = self._alike_until(i)
        elif i <= scope.alike_until:
            reading = scope.effect
        elif not self._joint:
            reading = Reading.UNREAD
        else:
            reading = self._extended(scope, i, term)
        scope.items += 1
        scope.group = term.group
        if reading is Reading.UNREAD:
            scope.effect, scope.reach = Reading.UNREAD, _Reach.WHOLE
        elif reading is not scope.effect:
            self._scope = None
        if scope.effect is Reading.UNSAID and term.phenomenon is not Phenomenon.AROUSAL:
            return Reading.UNREAD
        return reading

    def _extended(self, scope: _Scope, i: int, term: Term) -> Reading:
        """The reading of a further item, joined by a comma or "and", of an operator's list."""
        clear = self._asserted(i)
        conjoined = any(m.has(Sense.AND) for m in self._joint)
        if scope.reach is _Reach.WHOLE:
            return Reading.UNREAD if clear else scope.effect
        if scope.reach is _Reach.ITEM:
            if clear or not conjoined:
                return Reading.PRESENT
            alike = term.group == scope.group and term.phenomenon not in _TAKES_OVER
            return scope.effect if alike else Reading.UNREAD
        if term.group == "muscle" or clear:
            return Reading.PRESENT
        if term.phenomenon in _TAKES_OVER:
            return Reading.UNREAD
        alike = term.group == scope.group
        if scope.reach is _Reach.EMBEDDED:
            return scope.effect if alike else Reading.UNREAD
        listed = scope.items > 1 or not conjoined
        return scope.effect if alike or listed else Reading.UNREAD

    def _asserted(self, i: int) -> bool:
        """Whether the words before a mention say that it is there ("a", "prominent")."""
        for mark in reversed(self._row[:i]):
            if mark.term or mark.sign or mark.has(Sense.AND, Sense.OR):
                return False
            if mark.has(Sense.CLEAR, Sense.ARTICLE):
                return True
        return False

    def _alike_until(self, i: int) -> int:
        """Index of the last mention that "or" joins to the list that begins here."""
        until = -1
        joined_by_or = False
        for at in range(i + 1, len(self._row)):
            mark = self._row[at]
            if mark.has(*_VERBS, Sense.WITH):
                break
            if mark.sign is Sign.COMMA or mark.has(Sense.AND):
                joined_by_or = False
            if mark.has(Sense.OR, Sense.NOR) or mark.sign is Sign.SLASH:
                joined_by_or = True
            if mark.term and joined_by_or:
                until = at
        return until

    # ── what joins ──

    def _join(self, i: int, mark: Mark) -> None:
        self._in_relative = self._in_relative and mark.sign is not Sign.COMMA
        self._joint.append(mark)
        if mark.has(Sense.NOR):
            self._open(Reading.ABSENT, _Reach.WHOLE, carrier=True)
            return
        scope = self._scope
        if scope is None or scope.hit or mark.sign is Sign.SLASH:
            return
        if scope.reach is _Reach.WHOLE or mark.has(Sense.OR):
            return
        if self._alike_until(i - 1) < 0:
            self._scope = None

    def _pass(self, mark: Mark) -> None:
        """A word that is no operator."""
        noun = mark.is_word or mark.has(*_NOUNS)
        if noun or mark.channel or mark.has(Sense.CARRIER, Sense.SIGNAL, Sense.MUSCLE):
            self._own_subject = self._own_subject or not self.mentions
        scope = self._scope
        if scope and not scope.hit:
            if mark.has(Sense.CARRIER, Sense.SIGNAL) or mark.channel:
                scope.carrier, scope.noun = True, False
            elif noun:
                scope.noun = True

    # ── operators before what they govern ──

    def _open(self, effect: Reading, reach: _Reach, carrier: bool = False) -> None:
        scope = self._scope
        if scope and not scope.hit:
            effect = _combined(scope.effect, effect)
            if scope.reach is _Reach.WHOLE:
                reach = _Reach.WHOLE
        self._scope = _Scope(effect, reach, carrier=carrier)

    def _no(self, i: int) -> int | None:
        if self._row[i].has(Sense.CARRIER):
            self._open(Reading.ABSENT, _Reach.WHOLE, carrier=True)
            return i + 1
        if self._stands_alone(i):
            return self._absent(i)
        self._open(Reading.ABSENT, _Reach.ALIKE)
        return i + 1

    def _lack(self, i: int) -> int:
        self._open(Reading.ABSENT, _Reach.WHOLE)
        self._list_open = False
        return i + 1

    def _without(self, i: int) -> int:
        reach = _Reach.WHOLE if not i else _Reach.EMBEDDED if self.mentions else _Reach.ALIKE
        self._open(Reading.ABSENT, reach)
        self._list_open = False
        return i + 1

    def _instead(self, i: int) -> int:
        self._open(Reading.ABSENT, _Reach.ITEM)
        return i + 1

    def _neither(self, i: int) -> int:
        if i + 1 < len(self._row) and self._row[i + 1].has(Sense.PRESENT):
            self._deny()
            return i + 2
        self._open(Reading.ABSENT, _Reach.WHOLE)
        return i + 1

    def _hedge(self, i: int) -> int:
        if self._trails(i):
            self._set(self._of_predicate(), Reading.UNCERTAIN)
        self._open(Reading.UNCERTAIN, _Reach.ITEM)
        return i + 1

    def _trails(self, i: int) -> bool:
        """Whether a hedge ends a clause as a remark on what it said ("…, most likely")."""
        if i + 1 < len(self._row):
            return False
        for mark in reversed(self._row[:i]):
            if mark.term or mark.aside or _joins(mark):
                return True
            if not (mark.is_word or mark.has(Sense.ADVERB, Sense.FILLER)):
                return False
        return False

    def _characterized(self, i: int) -> int:
        if not self.mentions and any(m.has(Sense.STAGE) for m in self._row[:i]):
            return self._needs(i)
        return i + 1

    def _needs(self, i: int) -> int:
        self._verb()
        self._hypothetical = True
        return i + 1

    def _unclear(self, i: int) -> int:
        self._open(Reading.UNREAD, _Reach.ITEM)
        return i + 1

    def _unrelated(self, i: int) -> int:
        self._scope = _Scope(Reading.UNSAID, _Reach.WHOLE)
        return i + 1

    def _except(self, i: int) -> int:
        scope = self._scope
        if scope and scope.effect is Reading.ABSENT:
            self._scope = _Scope(Reading.PRESENT, _Reach.WHOLE)
        elif self.mentions:
            self._scope = _Scope(Reading.UNREAD, _Reach.WHOLE)
        return i + 1

    def _excludes(self, i: int) -> int:
        self._verb()
        self._open(Reading.ABSENT, _Reach.WHOLE)
        return i + 1

    def _presence(self, i: int) -> int:
        if self._scope and self._scope.hit:
            self._scope = None
        return i + 1

    def _echo(self, i: int) -> int:
        said = (self.subject or list(self._before))[-1:]
        for mention in said:
            self._scope = _Scope(mention.reading, _Reach.WHOLE)
        self._list_open = False
        return i + 1

    def _noun_of_its_own(self, i: int) -> bool:
        """Whether an article makes a noun of the word at ``i`` ("an abrupt shift")."""
        for mark in reversed(self._row[:i]):
            if mark.has(Sense.ARTICLE, Sense.PREPOSITION):
                return True
            if not (mark.is_word or mark.has(Sense.CLEAR, Sense.EYE_DESCRIBED, Sense.EYE_KIND)):
                return False
        return False

    def _attributive(self, i: int) -> bool:
        """Whether the word at ``i`` stands before a mention as its adjective."""
        before = self._row[i - 1] if i else None
        opens = before is None or before.sign is Sign.COMMA or before.has(*_BEFORE_ADJECTIVES)
        follows = next((m for m in self._row[i + 1 :] if not m.is_word), None)
        opens = opens or not (self.subject or (before is not None and before.has(Sense.IS)))
        return opens and follows is not None and follows.term is not None

    def _stands_alone(self, i: int) -> bool:
        """Whether nothing follows that "no" or "none" could deny ("spindles: none seen")."""
        for mark in self._row[i + 1 :]:
            if _joins(mark):
                return True
            if not (mark.channel or mark.quantity or mark.aside or mark.has(*_AFTER_NONE)):
                return False
        return True

    # ── verbs and what they say of their subject ──

    def _verb(self) -> None:
        """A verb ends the scope of what stands before it, unless what shows is denied."""
        self._list_open = False
        scope = self._scope
        if scope is None or (scope.carrier and not scope.hit):
            return
        if scope.hit:
            self._scope = None
        elif scope.noun:
            scope.effect, scope.reach, scope.blurred = Reading.UNREAD, _Reach.WHOLE, True

    def _is(self, i: int) -> int:
        self._verb()
        if self._definition and any(m.has(Sense.STAGE) for m in self._row[:i]):
            self._hypothetical = True
        return i + 1

    def _shows(self, i: int) -> int:
        self._verb()
        return i + 1

    def _occurs(self, i: int) -> int:
        self._verb()
        self._assert()
        return i + 1

    def _present(self, i: int) -> int:
        self._assert()
        return i + 1

    def _assert(self) -> None:
        if self._modal:
            self._set(self._of_predicate(), Reading.UNCERTAIN)

    def _absent(self, i: int) -> int:
        """ "Absent" and the like: of the mentions before it, or before what it denies."""
        if self._attributive(i):
            return self._instead(i)
        following = self._row[i + 1 :]
        if not self.subject and following and following[0].has(Sense.IS) and any(
            m.term for m in following
        ):
            self._open(Reading.ABSENT, _Reach.WHOLE, carrier=True)
            return i + 2
        self._list_open = False
        self._deny()
        return i + 1

    def _excluded(self, i: int) -> int:
        self._list_open = False
        self._deny()
        return i + 1

    def _doubtful(self, i: int) -> int | None:
        """ "Questionable": of its subject after a verb, or before what it hedges."""
        predicate = any(m.has(Sense.IS) for m in self._row[max(0, i - 3) : i])
        if not predicate or not self._of_predicate():
            return None
        self._set(self._of_predicate(), Reading.UNCERTAIN)
        return i + 1

    def _needed(self, i: int) -> int | None:
        if self._in_relative:
            return i + 1
        if any(m.has(Sense.IS) for m in self._row[max(0, i - 3) : i]):
            self._set(self.subject, Reading.UNCERTAIN)
        elif not self.mentions:
            self._definition = True
        return i + 1

    def _defines(self, i: int) -> int | None:
        if not self.subject or self._in_relative:
            return None
        self._list_open = False
        if not any(m.has(Sense.ARTICLE) for m in self._row[: self.subject[0].at]):
            self._set(self.subject, Reading.UNCERTAIN)
        return i + 1

    def _fades(self, i: int) -> int | None:
        if self._noun_of_its_own(i):
            return None
        self._list_open = False
        if self._attributive(i):
            self._open(Reading.UNREAD, _Reach.ITEM)
        else:
            self._set(self._of_predicate(), Reading.UNREAD)
        return i + 1

    def _falls_short(self, i: int) -> int:
        self._verb()
        self.falls_short_from = i
        term = next((at for at in range(i, len(self._row)) if self._row[at].term), i)
        if any(m.has(Sense.IS, Sense.MEETS) for m in self._row[i + 1 : term]):
            self._open(Reading.ABSENT, _Reach.WHOLE, carrier=True)
        return i + 1

    def _may(self, i: int) -> int:
        self._list_open = False
        if self._in_relative:
            return i + 1
        self._modal = True
        if i + 1 < len(self._row) and self._row[i + 1].has(Sense.LASTS, Sense.MEETS):
            self._set(self.subject, Reading.UNCERTAIN)
        return i + 1

    def _if(self, i: int) -> int:
        if i + 1 < len(self._row) and self._row[i + 1].has(Sense.PRESENT, Sense.ABSENT):
            self._set(self.subject or self._before, Reading.UNCERTAIN)
            return i + 2
        if not any(m.term for m in self._row[i:]) and len(self._row) - i <= 2:
            self._set(self.subject or self._before, Reading.UNCERTAIN)
        self._hypothetical = True
        return i + 1

    def _inverted(self, i: int) -> int | None:
        if i:
            return None
        self._hypothetical = True
        return i + 1

    def _relative(self, i: int) -> int:
        self._in_relative = True
        scope = self._scope
        if scope and not scope.hit and scope.noun:
            scope.blurred = True
        return i + 1

    def _preposition(self, i: int) -> int:
        scope = self._scope
        if scope and not scope.hit and scope.noun and not scope.carrier:
            scope.blurred = True
        return i + 1

    def _with(self, i: int) -> int:
        if self._scope and self._scope.hit:
            self._scope = None
        self._list_open = False
        return i + 1

    # ── "not" ──

    def _not(self, i: int) -> int:
        """ "Not" takes its meaning from the first word that carries one."""
        at = i + 1
        blurred = False
        if not i:
            at = self._inverted_verb() or at
        while at < len(self._row) and self._row[at].has(*_SKIPPED_AFTER_NOT):
            if self._row[at].has(Sense.JUST):
                return at + 1
            blurred = blurred or self._row[at].has(Sense.ADVERB)
            at += 1
        self._list_open = False
        if at == len(self._row):
            self._deny()
            return at
        mark = self._row[at]
        for senses, read in _AFTER_NOT:
            if mark.has(*senses) and not (mark.term or self._adjective(at)):
                return read(self, i, at, blurred)
        if mark.quantity:
            self.falls_short_from = i
            return at
        if mark.has(Sense.STAGE):
            return at + 1
        if self._in_noun_phrase(at):
            self._open(Reading.ABSENT, _Reach.ITEM)
            return at
        return self._blur(at)

    def _inverted_verb(self) -> int | None:
        """Where the verb stands that "never" or "nowhere" has put before its subject."""
        for at, mark in enumerate(self._row):
            if mark.has(Sense.IS):
                return at
            if mark.term or _joins(mark):
                return None
        return None

    def _adjective(self, at: int) -> bool:
        """Whether a participle stands before a mention ("not identified spindles")."""
        mark = self._row[at]
        follows = self._row[at + 1] if at + 1 < len(self._row) else None
        return mark.has(Sense.PRESENT) and follows is not None and follows.term is not None

    def _in_noun_phrase(self, at: int) -> bool:
        """Whether a mention follows with nothing but its own adjectives before it."""
        for mark in self._row[at:]:
            if mark.term:
                return True
            if not (
                mark.is_word
                or mark.sign is Sign.HYPHEN
                or mark.has(Sense.ARTICLE, Sense.CLEAR, Sense.TRANSPARENT, Sense.HEDGE, Sense.STAGE)
            ):
                return False
        return False

    def _not_present(self, i: int, at: int, blurred: bool) -> int:
        if blurred:
            self._set(self._of_predicate(), Reading.UNREAD)
        else:
            self._deny()
        return at + 1

    def _not_shows(self, i: int, at: int, blurred: bool) -> int:
        self._scope = _Scope(Reading.ABSENT, _Reach.WHOLE)
        return at + 1

    def _not_meets(self, i: int, at: int, blurred: bool) -> int:
        if any(m.term for m in self._row[at:]):
            return self._not_shows(i, at, blurred)
        self.falls_short_from = i
        return at + 1

    def _not_lasts(self, i: int, at: int, blurred: bool) -> int:
        self.falls_short_from = i
        if not any(m.quantity for m in self._row[at:]):
            self._set(self._of_predicate(), Reading.UNREAD)
        return at + 1

    def _not_absent(self, i: int, at: int, blurred: bool) -> int:
        self._scope = None
        return at + 1

    def _not_excluded(self, i: int, at: int, blurred: bool) -> int:
        self._set(self._of_predicate(), Reading.UNCERTAIN)
        return at + 1

    def _not_excludes(self, i: int, at: int, blurred: bool) -> int:
        self._scope = _Scope(Reading.UNCERTAIN, _Reach.WHOLE)
        return at + 1

    def _not_hedged(self, i: int, at: int, blurred: bool) -> int:
        self._open(Reading.ABSENT, _Reach.ITEM)
        return at + 1

    def _not_related(self, i: int, at: int, blurred: bool) -> int:
        return self._unrelated(at)

    def _not_changed(self, i: int, at: int, blurred: bool) -> int:
        return at + 1

    def _not_needed(self, i: int, at: int, blurred: bool) -> int:
        return at

    def _blur(self, at: int) -> int:
        """Something is denied, and nobody can tell what."""
        self._set(self.subject, Reading.UNREAD)
        self._scope = _Scope(Reading.UNREAD, _Reach.ITEM)
        return at

    # ── the subject ──

    def _of_predicate(self) -> Sequence[Mention]:
        """The mentions that a predicate here is said of."""
        if self.subject:
            return self.subject
        return () if self._own_subject else self._before

    def _deny(self) -> None:
        for mention in self._of_predicate():
            if mention.reading is Reading.PRESENT and mention in self.subject:
                mention.reading, mention.by_predicate = Reading.ABSENT, True
            elif mention.reading is Reading.UNCERTAIN and mention not in self.subject:
                mention.reading, mention.by_predicate = Reading.ABSENT, True
            elif not (mention.reading is Reading.ABSENT and mention.by_predicate):
                mention.reading = Reading.UNREAD

    def _set(self, mentions: Sequence[Mention], reading: Reading) -> None:
        for mention in mentions:
            mention.reading, mention.by_predicate = reading, True

    def _hear_aside(self, mark: Mark) -> None:
        """A parenthesis that says more of the mention before it."""
        host = (self.mentions or list(self._before))[-1:]
        inner = mark.aside
        if any(m.has(Sense.IF, Sense.DOUBTFUL, Sense.HEDGE) or m.sign is Sign.QUERY for m in inner):
            self._set(host, Reading.UNCERTAIN)
        elif (
            inner[0].sign in {Sign.DASH, Sign.HYPHEN}
            or inner[-1].has(Sense.NO)
            or any(m.has(Sense.ABSENT) for m in inner)
        ) or (
            any(m.has(Sense.NOT, Sense.NO) for m in inner)
            and all(m.has(Sense.NOT, Sense.NO, Sense.PRESENT, Sense.ADVERB) for m in inner)
        ):
            for mention in host:
                mention.reading = (
                    Reading.ABSENT if mention.reading is Reading.PRESENT else Reading.UNREAD
                )

    def _end(self) -> None:
        """ "None is seen": what denies and finds no mention is said of those before."""
        scope = self._scope
        if (
            scope
            and not scope.hit
            and not self.mentions
            and scope.effect is Reading.ABSENT
            and not (scope.noun or scope.carrier or self._own_subject)
        ):
            self._deny()


def _joins(mark: Mark) -> bool:
    return mark.sign in {Sign.COMMA, Sign.SLASH} or mark.has(Sense.AND, Sense.OR, Sense.NOR)


def _combined(outer: Reading, inner: Reading) -> Reading:
    """The effect of an operator within another's scope."""
    if outer is Reading.ABSENT:
        return Reading.ABSENT if inner is Reading.UNCERTAIN else Reading.UNREAD
    return outer


_Reader = Callable[[ClauseReading, int], int | None]
_READERS: tuple[tuple[Sense, _Reader], ...] = (
    (Sense.NOT, ClauseReading._not),
    (Sense.UNRELATED, ClauseReading._unrelated),
    (Sense.IF, ClauseReading._if),
    (Sense.INVERTED, ClauseReading._inverted),
    (Sense.NEITHER, ClauseReading._neither),
    (Sense.WITHOUT, ClauseReading._without),
    (Sense.LACK, ClauseReading._lack),
    (Sense.NO, ClauseReading._no),
    (Sense.INSTEAD, ClauseReading._instead),
    (Sense.EXCEPT, ClauseReading._except),
    (Sense.UNCLEAR, ClauseReading._unclear),
    (Sense.REPLACES, ClauseReading._unclear),
    (Sense.NEEDS, ClauseReading._needs),
    (Sense.CHARACTERIZED, ClauseReading._characterized),
    (Sense.NEEDED, ClauseReading._needed),
    (Sense.DEFINES, ClauseReading._defines),
    (Sense.DOUBTFUL, ClauseReading._doubtful),
    (Sense.HEDGE, ClauseReading._hedge),
    (Sense.ABSENT, ClauseReading._absent),
    (Sense.EXCLUDED, ClauseReading._excluded),
    (Sense.EXCLUDES, ClauseReading._excludes),
    (Sense.FADES, ClauseReading._fades),
    (Sense.FALLS_SHORT, ClauseReading._falls_short),
    (Sense.MODAL, ClauseReading._may),
    (Sense.SHOWS, ClauseReading._shows),
    (Sense.MEETS, ClauseReading._shows),
    (Sense.LASTS, ClauseReading._shows),
    (Sense.OCCURS, ClauseReading._occurs),
    (Sense.IS, ClauseReading._is),
    (Sense.PRESENT, ClauseReading._present),
    (Sense.RELATIVE, ClauseReading._relative),
    (Sense.WITH, ClauseReading._with),
    (Sense.PREPOSITION, ClauseReading._preposition),
    (Sense.PRESENCE, ClauseReading._presence),
    (Sense.ECHO, ClauseReading._echo),
)
_NotReader = Callable[[ClauseReading, int, int, bool], int]
_AFTER_NOT: tuple[tuple[tuple[Sense, ...], _NotReader], ...] = (
    ((Sense.DECIDED,), ClauseReading._not_excluded),
    ((Sense.PRESENT, Sense.OCCURS), ClauseReading._not_present),
    ((Sense.EXCLUDED,), ClauseReading._not_excluded),
    ((Sense.EXCLUDES,), ClauseReading._not_excludes),
    ((Sense.SHOWS,), ClauseReading._not_shows),
    ((Sense.MEETS,), ClauseReading._not_meets),
    ((Sense.LASTS,), ClauseReading._not_lasts),
    ((Sense.ABSENT, Sense.LACK, Sense.WITHOUT, Sense.NO), ClauseReading._not_absent),
    ((Sense.RELATES, Sense.UNRELATED), ClauseReading._not_related),
    ((Sense.FADES,), ClauseReading._not_changed),
    ((Sense.NEEDS, Sense.NEEDED), ClauseReading._not_needed),
    ((Sense.HEDGE,), ClauseReading._not_hedged),
)
