"""Gives the quantities and channels of a clause to the mentions that they are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditor.claims.marks import Mark, Sign, joins
from auditor.claims.mentions import Mention, Reading
from auditor.claims.quantities import (
    Amplitude,
    Duration,
    Frequency,
    Quantity,
    Times,
    negated,
)
from auditor.claims.senses import Sense
from auditor.claims.state import State
from auditor.vocabulary import EPOCH_S, Extent, Interval, Span

# "A spindle (0.8 s, 13 Hz)": beside a frequency or an amplitude, a time as short as an event is
# how long it lasts, not when it is. No single event that is described so lasts longer.
_BRIEF_S = 2.0
# A share of the epoch, in seconds and in per cent, differs by no more than rounding.
_SAME_SHARE = 0.02


def attach(state: State) -> None:
    """Gives each quantity and each channel of the clause to the mention that it is of."""
    row, mentions, short = state.row, state.mentions, state.falls_short_from
    timed = any(isinstance(mark.quantity, Times) for mark in row)
    for i, mark in enumerate(row):
        if mark.quantity is None and not mark.aside:
            continue
        owner = _owner(row, i, mentions) or _antecedent(state)
        if owner is None:
            continue
        for quantity in _quantities(mark, row[:i]):
            if short is not None and i > short:
                quantity = negated(quantity)
            _give(owner, quantity, bool(mark.aside), timed)
    _give_channels(row, mentions)
    antecedent = _antecedent(state)
    if antecedent is not None:
        antecedent.channels += [m.channel for m in row if m.channel]


def _quantities(mark: Mark, before: Sequence[Mark]) -> Iterator[Quantity]:
    """The mark's quantity, or those of its parenthesis."""
    if mark.quantity is not None:
        described = _is_description(before)
        match mark.quantity:
            case Times((Span(start, end),)) if described and 0 < start <= end <= _BRIEF_S:
                yield Duration(Interval(start, end))
            case quantity:
                yield quantity
    inner = [m.quantity for m in mark.aside if m.quantity is not None]
    described = any(isinstance(q, Frequency | Amplitude) for q in inner)
    for quantity in inner:
        match quantity:
            case Times((Span(start, end),)) if described and 0 < start <= end <= _BRIEF_S:
                yield Duration(Interval(start, end))
            case _:
                yield quantity


def _is_description(before: Sequence[Mark]) -> bool:
    """Whether a frequency or an amplitude stands right before ("13 Hz, 0.8 s")."""
    last = next((m for m in reversed(before) if m.sign is not Sign.COMMA), None)
    return last is not None and isinstance(last.quantity, Frequency | Amplitude)


def _give(owner: Mention, quantity: Quantity, in_aside: bool, timed: bool) -> None:
    """Gives a quantity, from a parenthesis or not, in a clause that tells times or does not."""
    match quantity:
        case Extent("==", 0):
            if owner.reading is Reading.PRESENT:
                owner.reading = Reading.ABSENT
        case Extent() if owner.reading is Reading.ABSENT and not in_aside:
            owner.reading = Reading.UNREAD
        case Times((Span(start, end),)) if in_aside and start == end and _repeats(start, owner):
            pass
        case Times((Span(start, end),)) if in_aside and timed and 0 < start <= end <= _BRIEF_S:
            owner.quantities.append(Duration(Interval(start, end)))
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


def _antecedent(state: State) -> Mention | None:
    """The one mention that a clause without any goes on about."""
    alone = not state.mentions and len(state.before) == 1
    return state.before[0] if alone else None


def _give_channels(row: Sequence[Mark], mentions: Sequence[Mention]) -> None:
    """A channel named after a mention is where that one is; one before, where all that follow."""
    group: list[str] = []
    last = -1
    for i, mark in enumerate(row):
        labels = [m.channel for m in (mark.aside or (mark,)) if m.channel]
        if not labels:
            continue
        earlier = [m for m in mentions if m.at < i]
        later = [m for m in mentions if m.at > i]
        since = earlier[-1].at if earlier else -1
        if earlier and (_says_where(row[since + 1 : i + 1]) or not later):
            for mention in _same_list(row, earlier):
                mention.channels += labels
            continue
        group = [*group, *labels] if last > since else labels
        last = i
        for mention in later:
            mention.channels = list(group)


def _says_where(row: Sequence[Mark]) -> bool:
    """Whether the channel that ends this row, after a mention, is where that one is."""
    if row[-1].aside:
        return all(m.is_word or m.quantity for m in row[:-1])
    for mark in reversed(row[:-1]):
        if not (mark.channel or joins(mark) or mark.has(Sense.ARTICLE)):
            return mark.has(Sense.PREPOSITION)
    return False


def _same_list(row: Sequence[Mark], earlier: Sequence[Mention]) -> list[Mention]:
    """The last mention and those listed with it."""
    listed = [earlier[-1]]
    for mention in reversed(earlier[:-1]):
        between = row[mention.at + 1 : listed[0].at]
        if mention.channels or any(m.has(Sense.SHOWS, Sense.IS, Sense.WITH) for m in between):
            break
        listed.insert(0, mention)
    return listed
