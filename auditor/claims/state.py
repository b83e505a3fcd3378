"""What is known of a clause while it is read from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from auditor.claims.marks import Mark, Sign, Term
from auditor.claims.mentions import Mention, Reading
from auditor.claims.scope import Reach, Scope, combined, held_until
from auditor.claims.senses import Sense

_NOUNS = (Sense.STAGE, Sense.EYES, Sense.AFTER_NAME, Sense.AFTER_MUSCLE, Sense.MOVES, Sense.AFFECTS)


@dataclass(slots=True)
class State:
    """A clause, as far as it has been read.

    Attributes:
        row: the clause's marks.
        before: the mentions that an elided subject or a pronoun would stand for.
        doubtful: indices of marks that may belong to the next clause's verb.
        mentions: met so far.
        subject: the last list of mentions, of which a predicate would be said.
        scope: the operator in force.
        joint: what joins the last mention to what comes next.
        list_open: the next mention still belongs to the last list.
        own_subject: the clause began with a subject that is no phenomenon.
        modal: "may" or the like was met.
        hypothetical: what the clause says is a condition or a requirement.
        definition: the clause began with what defines ("the hallmark of N2 …").
        in_relative: the words belong to "which …".
        falls_short_from: index after which quantities are not reached; None where they are.
    """

    row: Sequence[Mark]
    before: Sequence[Mention]
    doubtful: frozenset[int]
    mentions: list[Mention] = field(default_factory=list)
    subject: list[Mention] = field(default_factory=list)
    scope: Scope | None = None
    joint: list[Mark] = field(default_factory=list)
    list_open: bool = False
    own_subject: bool = False
    modal: bool = False
    hypothetical: bool = False
    definition: bool = False
    in_relative: bool = False
    falls_short_from: int | None = None

    # ── what stands where ──

    def mark(self, i: int) -> Mark | None:
        return self.row[i] if 0 <= i < len(self.row) else None

    def has(self, i: int, *senses: Sense) -> bool:
        """Whether a mark stands at ``i`` and has one of these senses."""
        return 0 <= i < len(self.row) and self.row[i].has(*senses)

    def mention_follows(self, i: int) -> bool:
        return any(m.term for m in self.row[i + 1 :])

    def is_attributive(self, i: int) -> bool:
        """Whether the word at ``i`` stands before a mention as its adjective."""
        before = self.mark(i - 1)
        opens = before is None or before.sign is Sign.COMMA or before.has(*_BEFORE_ADJECTIVES)
        opens = opens or not (self.subject or self.has(i - 1, Sense.IS))
        rest = (m for m in self.row[i + 1 :] if not (m.is_word or m.has(Sense.ARTICLE)))
        following = next(rest, None)
        return opens and following is not None and following.term is not None

    def is_noun(self, i: int) -> bool:
        """Whether an article or a preposition makes a noun of the word at ``i`` ("a shift")."""
        for mark in reversed(self.row[:i]):
            if mark.has(Sense.ARTICLE, Sense.PREPOSITION):
                return True
            if not (mark.is_word or mark.has(Sense.CLEAR, Sense.EYE_DESCRIBED, Sense.EYE_KIND)):
                return False
        return False

    # ── mentions ──

    def speak(self, i: int, mark: Mark, term: Term) -> None:
        """The mark at ``i`` names a phenomenon."""
        mention = Mention(mark, term, i, self._reading(i, term))
        if self.list_open and self.joint:
            self.subject.append(mention)
            if any(m.has(Sense.OR) for m in self.joint):
                for either in self.subject[-2:]:
                    either.is_one_of_two = True
        else:
            self.subject = [mention]
        self.list_open, self.joint = True, []
        self.mentions.append(mention)

    def _reading(self, i: int, term: Term) -> Reading:
        reading = self._scoped(i, term)
        if term.denied:
            reading = Reading.ABSENT if reading is Reading.PRESENT else Reading.UNREAD
        if reading is Reading.UNSAID:
            return reading
        if term.vague or i in self.doubtful:
            return Reading.UNREAD
        if reading in {Reading.PRESENT, Reading.ABSENT} and (self.hypothetical or self.modal):
            return Reading.UNCERTAIN
        if reading is Reading.PRESENT and term.likened:
            return Reading.UNCERTAIN
        return reading

    def _scoped(self, i: int, term: Term) -> Reading:
        """The reading that the operator in force gives, if there is one."""
        if self.scope is None:
            return Reading.PRESENT
        reading = self.scope.reading(self.row, i, term, self.joint)
        if reading is Reading.PRESENT is not self.scope.effect:
            self.scope = None
        return reading

    def join(self, i: int, mark: Mark) -> None:
        """A comma, a slash or a conjunction."""
        ends_relative = self.in_relative and mark.sign is Sign.COMMA
        self.in_relative = self.in_relative and not ends_relative
        self.joint.append(mark)
        scope = self.scope
        if scope is None or scope.hit:
            if mark.has(Sense.NOR):
                self.open(Reading.ABSENT, Reach.WHOLE, carrier=True)
            elif ends_relative and self.has(i + 1, Sense.AND):
                self.scope = None  # "…, which excludes a, and b"
        elif self.has(i + 1, Sense.NO, Sense.LACK, Sense.WITHOUT):
            self.scope = None  # "free of movement and free of b"
        elif scope.reach is not Reach.WHOLE:
            alternative = mark.sign is Sign.SLASH or mark.has(Sense.OR, Sense.NOR)
            if not alternative and held_until(self.row, i) < 0:
                self.scope = None

    def pass_over(self, mark: Mark) -> None:
        """A word that does nothing but stand there."""
        shows = mark.has(Sense.CARRIER, Sense.SIGNAL) or mark.channel is not None
        noun = mark.is_word or mark.has(*_NOUNS)
        if not self.mentions and (shows or noun or mark.has(Sense.MUSCLE)):
            self.own_subject = True
        scope = self.scope
        if scope is None or scope.hit:
            return
        if shows:
            scope.carrier, scope.noun = True, False
        elif noun:
            scope.noun = True

    # ── scopes ──

    def open(self, effect: Reading, reach: Reach, carrier: bool = False) -> None:
        """An operator takes force, within the one before where that has met nothing yet."""
        scope = self.scope
        if scope is not None and not scope.hit:
            effect = combined(scope.effect, effect)
            reach = Reach.WHOLE if scope.reach is Reach.WHOLE else reach
        self.scope = Scope(effect, reach, carrier)

    def verb(self) -> None:
        """A verb ends the scope of what stands before it, unless what shows is denied."""
        self.list_open = False
        scope = self.scope
        if scope is None or (scope.carrier and not scope.hit):
            return
        if scope.hit:
            self.scope = None
        elif scope.noun:
            scope.effect, scope.reach = Reading.UNREAD, Reach.WHOLE

    def blur(self) -> None:
        """The noun that an operator stands before has words of its own."""
        scope = self.scope
        if scope is not None and not scope.hit and scope.noun and not scope.carrier:
            scope.blurred = True

    # ── what is said of the subject ──

    @property
    def spoken_of(self) -> Sequence[Mention]:
        """The mentions that a predicate here is said of."""
        if self.subject:
            return self.subject
        return () if self.own_subject else self.before

    @property
    def spoken_before(self) -> Sequence[Mention]:
        """The last mention before the subject, if there is one."""
        return [*self.before, *(m for m in self.mentions if m not in self.subject)][-1:]

    def set(self, mentions: Sequence[Mention], reading: Reading) -> None:
        for mention in mentions:
            mention.reading, mention.by_predicate, mention.yields = reading, True, False

    def deny(self, at: int) -> None:
        """The mentions spoken of are absent, by the words at ``at``; what was denied already, or
        asserted in another clause, can then not be told."""
        aside = self.in_relative or self._is_apposed(at)
        for mention in self.spoken_of:
            deniable = Reading.PRESENT if self.subject else Reading.UNCERTAIN
            if mention.reading is deniable:
                mention.reading, mention.by_predicate = Reading.ABSENT, True
                mention.yields = aside
            elif not (mention.reading is Reading.ABSENT and mention.by_predicate):
                mention.reading = Reading.UNREAD

    def _is_apposed(self, at: int) -> bool:
        """Whether the predicate at ``at`` stands after a comma, as a relative clause would
        ("blinks, not seen so far, …")."""
        for mark in reversed(self.row[:at]):
            if not mark.has(Sense.NOT, Sense.ADVERB, Sense.FILLER):
                return mark.sign is Sign.COMMA
        return False


_BEFORE_ADJECTIVES = (
    *(Sense.AND, Sense.OR, Sense.ARTICLE, Sense.SHOWS, Sense.WITH, Sense.PREPOSITION),
)
