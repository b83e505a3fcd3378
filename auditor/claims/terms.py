"""Which marks of a sentence name a phenomenon: names, eye movements by kind, chin tone by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from auditor.claims.lexicon import Lexicon, Sense
from auditor.claims.marks import Mark, Sign, Term
from auditor.vocabulary import Level, Phenomenon

# "moderate, well maintained baseline chin EMG tone": from a level to the tone it is of.
_LEVEL_REACH = 6


def with_terms(row: Sequence[Mark], lexicon: Lexicon) -> list[Mark]:
    """The row with each mention as one mark that carries its :class:`Term`."""
    return _once(_ChinReading(_eyes(_names(row, lexicon))).row())


def _joined(parts: Sequence[Mark], term: Term) -> Mark:
    return Mark(parts[0].start, parts[-1].end, term=term, tight=parts[0].tight)


def _term_of(mark: Mark) -> Phenomenon | None:
    return mark.term.phenomenon if mark.term else None


def _once(row: list[Mark]) -> list[Mark]:
    """The row without what says the same thing twice.

    A description counts only where the sentence does not name the phenomenon as well; a second
    name counts once where it only explains the first ("alpha (posterior dominant rhythm)").
    """
    named = {m.term.phenomenon for m in row if m.term and not m.term.described}
    last: Phenomenon | None = None
    result: list[Mark] = []
    for mark in row:
        if mark.term and (
            (mark.term.described and mark.term.phenomenon in named) or mark.term.phenomenon is last
        ):
            mark = replace(mark, term=None)
        result.append(mark)
        if mark.term:
            last = mark.term.phenomenon if mark.term.level is None else None
        elif mark.sign not in {Sign.OPEN, Sign.SLASH} and not mark.has(Sense.SUCH):
            last = None
    return result


# ── names ─────────────────────────────────────────────────────────────────────────────────


def _names(row: Sequence[Mark], lexicon: Lexicon) -> list[Mark]:
    """Names with what belongs to them: "alpha rhythm", "spindle-like activity"."""
    result: list[Mark] = []
    i = 0
    while i < len(row):
        phenomenon = row[i].senses.get(Sense.NAME) or row[i].senses.get(Sense.DESCRIPTION)
        if phenomenon is None:
            result.append(row[i])
            i += 1
            continue
        end, likened = _after_name(row, i + 1, phenomenon)
        described = not row[i].has(Sense.NAME)
        denied = _is_freedom(row, end)
        end += 2 * denied
        term = Term(phenomenon, lexicon.groups[phenomenon], None, described, likened, denied)
        result.append(_joined(row[i:end], term))
        i = end
    return result


def _after_name(row: Sequence[Mark], i: int, phenomenon: Phenomenon) -> tuple[int, bool]:
    """The index after a name and its nouns, and whether it is a mere likeness."""
    likened = False
    while i < len(row):
        at = i + 1 if row[i].sign is Sign.HYPHEN and i + 1 < len(row) else i
        if row[at].has(Sense.AFTER_NAME, Sense.CRITERION):
            i = at + 1
        elif row[at].has(Sense.LIKENESS) and row[at].tight:
            likened, i = True, at + 1
        elif _abbreviates(row, i, phenomenon):
            i += 3
        else:
            break
    return i, likened


def _is_freedom(row: Sequence[Mark], i: int) -> bool:
    """Whether "-free" stands here."""
    return i + 1 < len(row) and row[i].sign is Sign.HYPHEN and row[i + 1].has(Sense.FREEDOM)


def _abbreviates(row: Sequence[Mark], i: int, phenomenon: Phenomenon) -> bool:
    """Whether the same phenomenon's other name stands here in parentheses."""
    return (
        i + 2 < len(row)
        and row[i].sign is Sign.OPEN
        and row[i + 1].senses.get(Sense.NAME) is phenomenon
        and row[i + 2].sign is Sign.CLOSE
    )


# ── eye movements ─────────────────────────────────────────────────────────────────────────

_EYES = "eyes"
_AMONG_KINDS = (Sense.EYE_NEUTRAL, Sense.EYE_DESCRIBED, Sense.PREPOSITION, Sense.ARTICLE)


def _eyes(row: list[Mark]) -> list[Mark]:
    """Eye movements by the words before them ("rapid or slow eye movements") or after."""
    result: list[Mark] = []
    i = 0
    while i < len(row):
        mark = row[i]
        if not mark.has(Sense.EYES):
            result.append(mark)
            i += 1
            continue
        start = _adjectives_start(result)
        adjectives = result[start:]
        kinds = _kinds(adjectives, Sense.EYE_KIND) or _kinds(adjectives, Sense.EYE_DESCRIBED)[:1]
        if not kinds:
            result.append(mark)
            i = _predicated(row, i + 1, result)
            continue
        del result[start:]
        described = Sense.EYE_KIND not in adjectives[kinds[0][0]].senses
        for n, (at, phenomenon) in enumerate(kinds[:-1]):
            result.append(_joined(adjectives[at : at + 1], Term(phenomenon, _EYES)))
            result += [m for m in adjectives[at + 1 : kinds[n + 1][0]] if _joins(m)]
        at, phenomenon = kinds[-1] if len(kinds) > 1 else (0, kinds[0][1])
        end, likened = _after_name(row, i + 1, phenomenon)
        term = Term(phenomenon, _EYES, described=described, likened=likened)
        result.append(_joined([*adjectives[at:], *row[i:end]], term))
        i = end
    return result


def _joins(mark: Mark) -> bool:
    return mark.sign in {Sign.COMMA, Sign.SLASH} or mark.has(Sense.AND, Sense.OR, Sense.NOR)


def _adjectives_start(before: Sequence[Mark]) -> int:
    """Where the adjectives begin that stand before an eye movement."""
    start = at = len(before)
    while at:
        mark = before[at - 1]
        if mark.term or mark.quantity:
            break
        if mark.has(Sense.EYE_KIND, Sense.EYE_DESCRIBED, Sense.EYE_NEUTRAL):
            start = at - 1
        elif not (_joins(mark) or mark.sign is Sign.HYPHEN) or at == len(before):
            break
        at -= 1
    return start


def _kinds(adjectives: Sequence[Mark], sense: Sense) -> list[tuple[int, Phenomenon]]:
    """Each kind that the adjectives name, where it is first named.

    Of two without a joint the second counts ("rapid reading eye movements").
    """
    kinds: list[tuple[int, Phenomenon]] = []
    for at, mark in enumerate(adjectives):
        phenomenon = mark.senses.get(sense)
        if phenomenon is None or phenomenon in {p for _, p in kinds}:
            continue
        if kinds and not any(_joins(m) for m in adjectives[kinds[-1][0] : at]):
            kinds[-1] = (kinds[-1][0], phenomenon)
        else:
            kinds.append((at, phenomenon))
    return kinds


def _qualifies(row: Sequence[Mark], i: int, bare: bool = False) -> bool:
    """Whether the kind stands right after ("…, slow and rolling", "… of the rapid type")."""
    at = i
    if bare:
        return i < len(row) and row[i].has(Sense.EYE_KIND)
    while at < len(row) and (
        row[at].sign is Sign.COMMA or row[at].has(Sense.PREPOSITION, Sense.ARTICLE)
    ):
        at += 1
    return i < at < len(row) and row[at].has(Sense.EYE_KIND)


def _predicated(row: Sequence[Mark], i: int, result: list[Mark]) -> int:
    """Appends what is said of eye movements ("… are slow and rolling") as their kind."""
    said = _qualifies(row, i)
    seen: set[Phenomenon] = set()
    while i < len(row):
        mark = row[i]
        phenomenon = mark.senses.get(Sense.EYE_KIND)
        if phenomenon is not None and said:
            follows = row[i + 1] if i + 1 < len(row) else None
            if follows is not None and (follows.has(Sense.NAME, Sense.EYES) or follows.term):
                break
            if phenomenon not in seen:
                result.append(_joined([mark], Term(phenomenon, _EYES)))
            seen.add(phenomenon)
        elif mark.has(Sense.IS):
            said = True
            result.append(mark)
        elif mark.has(Sense.NOT, Sense.NEITHER, Sense.NOR, Sense.ADVERB, Sense.FILLER) or (
            said and (_joins(mark) or mark.has(*_AMONG_KINDS))
        ):
            result.append(mark)
        elif said and mark.has(Sense.BREAK) and _qualifies(row, i + 1, bare=True):
            result.append(mark)
        elif not said and (
            mark.channel or mark.has(Sense.PREPOSITION, Sense.ARTICLE, Sense.SIGNAL)
        ):
            result.append(mark)
        else:
            break
        i += 1
    return i


# ── chin tone ─────────────────────────────────────────────────────────────────────────────


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
                self._take(self._row[i : i + 1], Level.LOW)
                i += 1
            elif mark.has(Sense.LEVEL) and (end := self._level_end(i)):
                parts = self._row[i:end]
                self._take(parts, self._level(i, parts))
                i = end
            elif mark.has(Sense.MUSCLE, Sense.TONE):
                i = self._speak_of(i)
            else:
                if self._closes(mark):
                    self._settle()
                self._read.append(mark)
                i += 1
        self._settle()
        return self._read

    def _take(self, parts: Sequence[Mark], level: Level | None) -> None:
        """A level is claimed."""
        of_its_own = any(m.has(Sense.TONE, Sense.MUSCLE, Sense.TONE_GONE) for m in parts)
        said_from = self._subject.start if self._subject and not of_its_own else None
        self._read.append(_joined(parts, _tone(level, said_from)))
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
        already = any(_term_of(m) is Phenomenon.CHIN_TONE for m in self._read)
        self._toned = None if already else at

    def _closes(self, mark: Mark) -> bool:
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
            low = _joined([self._read[operator], mark], _tone(Level.LOW))
            self._read[operator : at + 1] = [low]
        elif (predicate := self._denied_after(at)) is not None:
            low = _joined([mark, self._read[predicate]], _tone(Level.LOW))
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
        """Whether "or absent" stands around here, after a level."""
        row = self._row
        if row[i].has(Sense.ABSENT):
            return row[i - 1].has(Sense.OR)
        return row[i].has(Sense.OR) and i + 1 < len(row) and row[i + 1].has(Sense.ABSENT)

    def _joins_levels(self, i: int) -> bool:
        """Whether "or", "to" or a hyphen between two levels stands here."""
        row = self._row
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
