"""Chin tone among the marks of a sentence: the level is the claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from auditor.claims.marks import Mark, Sign, Term, merged
from auditor.claims.senses import Sense
from auditor.vocabulary import Level, Phenomenon

# "Moderate, well maintained baseline chin EMG tone": from a level to the tone it is of.
_LEVEL_REACH = 6
_SPEAKS_OF_TONE = (Sense.MUSCLE, Sense.TONE, Sense.TONE_GONE)


def with_chin_tone(row: Sequence[Mark]) -> list[Mark]:
    """The row with each level of chin tone as one mark that carries its term."""
    if not any(m.has(*_SPEAKS_OF_TONE) for m in row):
        return list(row)
    return _ChinReading(row).row()


class _ChinReading:
    """Chin tone, whose level is the claim, read from left to right.

    A level is of chin tone where the tone follows it ("low chin EMG tone"), or where the chin
    is what the sentence speaks of ("chin EMG remains low").
    """

    def __init__(self, row: Sequence[Mark]) -> None:
        self._row = row
        self._read: list[Mark] = []
        self._subject: Mark | None = None
        self._toned: int | None = None  # where tone was spoken of and no level yet

    def row(self) -> list[Mark]:
        i = 0
        while i < len(self._row):
            mark = self._row[i]
            if mark.has(Sense.TONE_GONE):
                if self._toned is not None and self._denied_before(self._toned) is not None:
                    self._settle()  # "loss of chin tone (atonia)"
                self._take(self._row[i : i + 1], Level.LOW)
                i += 1
            elif mark.has(Sense.LEVEL) and (end := self._level_end(i)):
                parts = self._row[i:end]
                self._take(parts, self._level(i, parts))
                i = end
            elif mark.has(Sense.MUSCLE, Sense.TONE):
                i = self._speak_of(i)
            else:
                if self._closes(i):
                    self._settle()
                self._read.append(mark)
                i += 1
        self._settle()
        return self._read

    def _take(self, parts: Sequence[Mark], level: Level | None) -> None:
        """A level is claimed."""
        of_its_own = any(m.has(Sense.TONE, Sense.MUSCLE, Sense.TONE_GONE) for m in parts)
        said_from = self._subject.start if self._subject and not of_its_own else None
        self._read.append(merged(parts, _tone(level, said_from)))
        self._subject = self._subject or parts[-1]
        self._toned = None

    def _speak_of(self, i: int) -> int:
        """The chin, or its tone, becomes what the sentence speaks of."""
        end = i
        while end < len(self._row) and (
            self._row[end].has(Sense.MUSCLE, Sense.TONE, Sense.AFTER_MUSCLE)
            or (
                self._row[end].sign is Sign.HYPHEN
                and end + 1 < len(self._row)
                and self._row[end + 1].has(Sense.MUSCLE, Sense.TONE)
            )
        ):
            end += 1
        parts = self._row[i:end]
        self._subject = self._subject or parts[0]
        if any(m.has(Sense.TONE, Sense.AFTER_MUSCLE) for m in parts):
            self._settle_level(len(self._read))
        self._read.append(replace(parts[0], end=parts[-1].end, senses={Sense.MUSCLE: True}))
        return end

    def _settle_level(self, at: int) -> None:
        already = any(
            m.term is not None and m.term.phenomenon is Phenomenon.CHIN_TONE for m in self._read
        )
        self._toned = None if already else at

    def _closes(self, i: int) -> bool:
        """Whether the sentence turns away from the chin here."""
        mark = self._row[i]
        if mark.sign is Sign.SEMICOLON and i + 1 < len(self._row):
            return not self._row[i + 1].has(Sense.ANAPHOR)
        return bool(
            mark.sign in {Sign.SEMICOLON, Sign.STOP}
            or mark.term
            or mark.channel
            or mark.has(Sense.SIGNAL, Sense.EYES)
        )

    def _settle(self) -> None:
        """The sentence turns to something else: tone without a level is tone that is gone,
        or nobody knows how much."""
        at, self._toned, self._subject = self._toned, None, None
        if at is None:
            return
        mark = self._read[at]
        if (operator := self._denied_before(at)) is not None:
            low = merged([self._read[operator], mark], _tone(Level.LOW))
            self._read[operator : at + 1] = [low]
        elif (predicate := self._denied_after(at)) is not None:
            low = merged([mark, self._read[predicate]], _tone(Level.LOW))
            self._read[at : predicate + 1] = [low]
        else:
            self._read[at] = replace(mark, senses={}, term=_tone(None))

    def _denied_before(self, at: int) -> int | None:
        """Where "no" stands before the tone itself."""
        while at:
            at -= 1
            mark = self._read[at]
            if mark.has(Sense.NO, Sense.LACK, Sense.WITHOUT, Sense.ABSENT):
                return at
            if not (
                mark.is_word
                or mark.has(
                    Sense.CLEAR, Sense.ARTICLE, Sense.TRANSPARENT, Sense.MUSCLE, Sense.PRESENT
                )
            ):
                return None
        return None

    def _denied_after(self, at: int) -> int | None:
        """Where the tone is said to be absent."""
        while at + 1 < len(self._read):
            at += 1
            mark = self._read[at]
            if mark.has(Sense.ABSENT):
                return at
            if not mark.has(Sense.IS, Sense.ADVERB, Sense.FILLER) and mark.sign is not Sign.COLON:
                return None
        return None

    def _level_end(self, i: int) -> int | None:
        """The index after a level and the tone it is of; None where it is of something else."""
        row, n = self._row, len(self._row)
        end = i + 1
        while end < min(n, i + _LEVEL_REACH) and (
            row[end].has(Sense.LEVEL, Sense.VAGUE, Sense.CLEAR, Sense.ADVERB)
            or row[end].is_word
            or row[end].sign is Sign.HYPHEN
            or self._joins_levels(end)
        ):
            end += 1
        if end < n and row[end].has(Sense.MUSCLE, Sense.TONE):
            while end < n and row[end].has(
                Sense.MUSCLE, Sense.TONE, Sense.AFTER_MUSCLE, Sense.CRITERION
            ):
                end += 1
            return end
        return self._predicate_end(i) if self._subject else None

    def _predicate_end(self, i: int) -> int | None:
        row, n = self._row, len(self._row)
        end = i + 1
        while end < n and (
            row[end].has(Sense.LEVEL, Sense.AFTER_MUSCLE, Sense.CRITERION)
            or self._joins_levels(end)
            or self._or_absent(end)
        ):
            end += 1
        if end == n:
            return end
        follows = row[end]
        of_another = (
            follows.is_word
            or follows.term
            or follows.channel
            or follows.sign is Sign.HYPHEN
            or follows.has(Sense.NAME, Sense.EYES, Sense.EYE_KIND, Sense.SIGNAL, Sense.MOVES)
        )
        return None if of_another else end

    def _or_absent(self, i: int) -> bool:
        """Whether "or absent", "to absent" stands around here, after a level."""
        row = self._row
        if row[i].has(Sense.ABSENT):
            return row[i - 1].has(Sense.OR, Sense.PREPOSITION)
        joint = row[i].has(Sense.OR, Sense.PREPOSITION)
        return joint and i + 1 < len(row) and row[i + 1].has(Sense.ABSENT)

    def _joins_levels(self, i: int) -> bool:
        """Whether "or", "to", "to the" or a hyphen between two levels stands here."""
        row = self._row
        if 0 < i < len(row) - 1 and row[i].has(Sense.DEFINITE):
            return row[i - 1].has(Sense.PREPOSITION) and row[i + 1].has(Sense.LEVEL)
        if i + 2 < len(row) and row[i].has(Sense.PREPOSITION) and row[i + 1].has(Sense.DEFINITE):
            return row[i - 1].has(Sense.LEVEL) and row[i + 2].has(Sense.LEVEL)
        return (
            0 < i < len(row) - 1
            and row[i - 1].has(Sense.LEVEL)
            and row[i + 1].has(Sense.LEVEL)
            and (
                row[i].has(Sense.OR, Sense.AND, Sense.PREPOSITION)
                or row[i].sign in {Sign.HYPHEN, Sign.SLASH, Sign.COMMA}
            )
        )

    def _level(self, i: int, parts: Sequence[Mark]) -> Level | None:
        """The one level that is claimed; None where it is vague."""
        before = self._row[i - 1] if i else None
        after = self._row[i + len(parts)] if i + len(parts) < len(self._row) else None
        vague = (
            any(m.has(Sense.VAGUE) for m in parts)
            or (before is not None and before.has(Sense.VAGUE))
            or (after is not None and after.has(Sense.COMPARED))
        )
        levels = {m.senses[Sense.LEVEL] for m in parts if m.has(Sense.LEVEL)}
        return levels.pop() if len(levels) == 1 and not vague else None


def _tone(level: Level | None, said_from: int | None = None) -> Term:
    return Term(Phenomenon.CHIN_TONE, "muscle", level, vague=level is None, said_from=said_from)
