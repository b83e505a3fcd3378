"""Claims out of a rationale's words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from auditor.claims.clauses import Clause, Link, clauses
from auditor.claims.lexicon import Lexicon, Sense, load_lexicon
from auditor.claims.marks import Mark, Sign, marks
from auditor.claims.quantities import (
    Amplitude,
    Duration,
    Frequency,
    Nothing,
    Quantity,
    Times,
    negated,
)
from auditor.claims.scope import ClauseReading, Mention, Reading
from auditor.claims.terms import with_terms
from auditor.claims.text import Token, sentences
from auditor.vocabulary import EPOCH_S, Claim, Extent, Interval, Phenomenon, Polarity, Span

# "A spindle (0.8 s, 13 Hz)": beside a frequency or an amplitude, a time as short as an event is
# how long it lasts, not when it is. No single event that is described so lasts longer.
_BRIEF_S = 2.0
# A share of the epoch, in seconds and in per cent, differs by no more than rounding.
_SAME_SHARE = 0.02
# From this on a duration is the share of the epoch that a rhythm, or slow waves, take up: no
# single wave and no burst that is named by its length lasts so long.
_SHARE_FROM_S = 3.0
_SHARED = frozenset(
    {
        Phenomenon.ALPHA_RHYTHM,
        Phenomenon.THETA_ACTIVITY,
        Phenomenon.LOW_AMPLITUDE_MIXED_FREQUENCY,
        Phenomenon.SLOW_WAVE_ACTIVITY,
    }
)
# No sentence of prose is longer; what is, is no prose, and is not read.
_LONGEST_SENTENCE = 250


def read_claims(text: str, language: str = "en") -> tuple[Claim, ...]:
    """The claims that a rationale makes, in order of mention.

    Args:
        text: the rationale as the stager wrote it.
        language: which lexicon to read it by.

    Returns:
        One claim for each mention of a phenomenon, its words quoted by offset. A claim whose
        sense the reader cannot tell has ``read`` False.

    Raises:
        RulebookRefused: there is no lexicon for the language, or it is not whole.
    """
    lexicon = load_lexicon(language)
    found: list[Mention] = []
    before: Sequence[Mention] = ()
    asked = False
    for sentence in sentences(text, lexicon.abbreviations, lexicon.unfinished):
        row = with_terms(marks(sentence, text, lexicon), lexicon)
        if asked and row[0].has(Sense.PRESENT):
            _affirm(before)
        mentions, before = _read_sentence(sentence, row, lexicon, before)
        found += mentions
        asked = sentence[-1].text == "?"
    return tuple(_claim(mention, text) for mention in found)


def _read_sentence(
    sentence: Sequence[Token], row: Sequence[Mark], lexicon: Lexicon, before: Sequence[Mention]
) -> tuple[list[Mention], Sequence[Mention]]:
    """The sentence's mentions, and those that the next sentence's pronouns may stand for."""
    found: list[Mention] = []
    for clause in clauses(row):
        refers = found and clause.link is not Link.APART or _begins_with_pronoun(clause)
        reading = ClauseReading(clause, before if refers else ())
        _attach(clause, reading, before if refers else ())
        found += reading.mentions
        before = reading.subject or before
    if len(sentence) > _LONGEST_SENTENCE or not _in_language(sentence, lexicon):
        for mention in found:
            mention.reading = Reading.UNREAD
    if sentence[-1].text == "?":
        for mention in found:
            mention.reading = Reading.UNCERTAIN
    found.sort(key=lambda mention: mention.mark.start)
    return list(_said_once(found)), before


def _affirm(asked: Sequence[Mention]) -> None:
    """The answer to "K-complexes?" is yes."""
    for mention in asked:
        mention.reading = Reading.PRESENT


def _begins_with_pronoun(clause: Clause) -> bool:
    """Whether the clause speaks of what stands before it ("these", "this activity")."""
    for mark in clause.marks:
        if mark.has(Sense.ANAPHOR, Sense.NEITHER, Sense.NO):
            return True
        if not mark.has(Sense.FILLER, Sense.ADVERB, Sense.PREPOSITION, Sense.AND):
            return False
    return False


def _in_language(sentence: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether a sentence is in the lexicon's language, as far as words can tell."""
    words = [t.text for t in sentence if t.text[0].isalpha() and len(t.text) > 1]
    foreign = sum(1 for w in words if w in lexicon.foreign or not w.replace("μ", "").isascii())
    unknown = sum(1 for w in words if w not in lexicon.known)
    return foreign == 0 and (len(words) < 4 or unknown <= 0.6 * len(words))


def _said_once(mentions: Sequence[Mention]) -> Iterator[Mention]:
    """Without what one sentence says twice of the chin's tone, and what it leaves unsaid."""
    last: Mention | None = None
    levels = {m.term.level for m in mentions if m.term.phenomenon is Phenomenon.CHIN_TONE}
    for mention in mentions:
        if mention.reading is Reading.UNSAID:
            continue
        if mention.term.phenomenon is Phenomenon.CHIN_TONE:
            if mention.term.level is None and len(levels) > 1:
                continue
            if (
                last is not None
                and last.term.phenomenon is Phenomenon.CHIN_TONE
                and last.term.level is mention.term.level
                and last.reading is mention.reading
            ):
                last.quantities += mention.quantities
                continue
        yield mention
        last = mention


# ── quantities and channels ───────────────────────────────────────────────────────────────


def _attach(clause: Clause, reading: ClauseReading, before: Sequence[Mention]) -> None:
    """Gives each quantity and each channel of the clause to the mention that it is of."""
    row = clause.marks
    short = reading.falls_short_from
    for i, mark in enumerate(row):
        owner = _owner(row, i, reading.mentions) or _antecedent(before, reading)
        if owner is None:
            continue
        for quantity in _quantities(mark):
            if short is not None and i > short:
                quantity = negated(quantity)
            _give(owner, quantity, in_aside=bool(mark.aside))
    _give_channels(row, reading.mentions)


def _quantities(mark: Mark) -> Iterator[Quantity]:
    """The mark's quantity, or those of its parenthesis."""
    if mark.quantity is not None:
        yield mark.quantity
    inner = [m.quantity for m in mark.aside if m.quantity is not None]
    described = any(isinstance(q, Frequency | Amplitude) for q in inner)
    for quantity in inner:
        match quantity:
            case Times((Span(start, end),)) if described and start == end <= _BRIEF_S:
                yield Duration(Interval(start, end))
            case _:
                yield quantity


def _give(owner: Mention, quantity: Quantity, in_aside: bool) -> None:
    match quantity:
        case Extent("==", 0):
            if owner.reading is Reading.PRESENT:
                owner.reading = Reading.ABSENT
        case Extent() if owner.reading is Reading.ABSENT and not in_aside:
            owner.reading = Reading.UNREAD
        case Times((Span(start, end),)) if in_aside and start == end and _repeats(start, owner):
            pass
        case _:
            owner.quantities.append(quantity)


def _repeats(seconds: float, owner: Mention) -> bool:
    """Whether "(15 s)" only says again what "50 %" said before it."""
    return any(
        isinstance(q, Extent) and abs(q.fraction - seconds / EPOCH_S) < _SAME_SHARE
        for q in owner.quantities
    )


def _owner(row: Sequence[Mark], i: int, mentions: Sequence[Mention]) -> Mention | None:
    """The mention of this clause that the quantity at ``i`` is of."""
    earlier = [m for m in mentions if m.at < i]
    later = [m for m in mentions if m.at > i]
    if not later:
        return earlier[-1] if earlier else None
    between = row[i + 1 : later[0].at]
    attributive = all(
        m.is_word or m.sign is Sign.HYPHEN or m.has(Sense.CLEAR, Sense.ADVERB) for m in between
    )
    if attributive or not earlier:
        return later[0]
    fronted = all(not (m.sign or m.has(Sense.AND, Sense.OR)) for m in between)
    before = next((m for m in reversed(row[:i]) if not m.has(Sense.PREPOSITION)), None)
    if fronted and before is not None and (before.sign is Sign.COMMA or before.has(Sense.AND)):
        return later[0]
    return earlier[-1]


def _antecedent(before: Sequence[Mention], reading: ClauseReading) -> Mention | None:
    if reading.mentions:
        return None
    return before[-1] if len(before) == 1 else None


def _give_channels(row: Sequence[Mark], mentions: Sequence[Mention]) -> None:
    """A channel before a verb is of all that follow; one after a mention, of that mention."""
    group: list[str] = []
    grouped_at = -1
    for i, mark in enumerate(row):
        labels = [m.channel for m in (mark.aside or (mark,)) if m.channel]
        if not labels:
            continue
        earlier = [m for m in mentions if m.at < i]
        later = [m for m in mentions if m.at > i]
        since = max([m.at for m in earlier], default=-1)
        postposed = (
            earlier
            and not any(m.has(Sense.SHOWS, Sense.WITH) for m in row[since + 1 : i])
            and not (later and any(m.has(Sense.SHOWS) for m in row[i : later[0].at]))
        )
        if postposed:
            for mention in _same_list(row, earlier):
                mention.channels += labels
            continue
        if grouped_at < since:
            group = []
        group += labels
        grouped_at = i
        for mention in later:
            mention.channels = list(group)


def _same_list(row: Sequence[Mark], earlier: Sequence[Mention]) -> list[Mention]:
    """The last mention and those listed with it."""
    listed = [earlier[-1]]
    for mention in reversed(earlier[:-1]):
        between = row[mention.at + 1 : listed[0].at]
        if mention.channels or any(m.has(Sense.SHOWS, Sense.IS, Sense.WITH) for m in between):
            break
        listed.insert(0, mention)
    return listed


# ── the claim ─────────────────────────────────────────────────────────────────────────────


def _claim(mention: Mention, text: str) -> Claim:
    start = mention.mark.start if mention.term.said_from is None else mention.term.said_from
    end = mention.mark.end
    spans: list[Span] = []
    first: dict[type, Quantity] = {}
    for quantity in mention.quantities:
        if isinstance(quantity, Times):
            spans += [span for span in quantity.spans if span not in spans]
        elif not isinstance(quantity, Nothing):
            quantity = _as_share(quantity, mention.term.phenomenon)
            first.setdefault(type(quantity), quantity)
    frequency, duration = first.get(Frequency), first.get(Duration)
    amplitude, extent = first.get(Amplitude), first.get(Extent)
    return Claim(
        phenomenon=mention.term.phenomenon,
        polarity=_POLARITY[mention.reading],
        read=mention.reading is not Reading.UNREAD,
        level=mention.term.level,
        channels=tuple(dict.fromkeys(mention.channels)),
        spans=tuple(spans),
        frequency_hz=frequency.hz if isinstance(frequency, Frequency) else None,
        duration_s=duration.s if isinstance(duration, Duration) else None,
        amplitude_uv=amplitude.uv if isinstance(amplitude, Amplitude) else None,
        extent=extent if isinstance(extent, Extent) else None,
        start=start,
        end=end,
        text=text[start:end],
    )


def _as_share(quantity: Quantity, phenomenon: Phenomenon) -> Quantity:
    """A duration of what is measured by its share of the epoch, as that share."""
    match quantity:
        case Duration(Interval(low, high)) if phenomenon in _SHARED and high >= _SHARE_FROM_S:
            if low == high:
                return Extent("==", low / EPOCH_S)
            if math.isinf(high):
                return Extent(">=", low / EPOCH_S)
            return Extent("<=", high / EPOCH_S)
        case _:
            return quantity


_POLARITY = {
    Reading.PRESENT: Polarity.PRESENT,
    Reading.ABSENT: Polarity.ABSENT,
    Reading.UNCERTAIN: Polarity.UNCERTAIN,
    Reading.UNREAD: Polarity.UNCERTAIN,
}
