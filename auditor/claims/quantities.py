"""Times, durations, frequencies, amplitudes and shares of the epoch, as numbers with units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from auditor.claims.lexicon import Lexicon
from auditor.claims.senses import Sense
from auditor.claims.text import Token
from auditor.vocabulary import EPOCH_S, Extent, Interval, Span


@dataclass(frozen=True, slots=True)
class Frequency:
    hz: Interval


@dataclass(frozen=True, slots=True)
class Duration:
    s: Interval


@dataclass(frozen=True, slots=True)
class Amplitude:
    uv: Interval


@dataclass(frozen=True, slots=True)
class Times:
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Nothing:
    """A quantity that is none of an event's own: the epoch's length, the spacing of events."""


Quantity: TypeAlias = Frequency | Duration | Amplitude | Times | Extent | Nothing
Found: TypeAlias = Sequence[Token]

_SIGNS = {">": ">", "<": "<", "≥": ">=", "≤": "<=", ">=": ">=", "<=": "<=", "~": "~", "=": "=="}
_EQUALS = frozenset({":", "="})
_OPPOSITE = {">": "<=", ">=": "<", "==": "<"}
_BOUNDS = frozenset({">", ">=", "<", "<="})
_BETWEEN = "between"
_MILLI = 0.001
_SECONDS, _HERTZ, _MICROVOLTS, _PERCENT = "s", "Hz", "µV", "%"
# Words of a cue stand at most this far before their number ("lasting for approximately 2 s").
_CUE_REACH = 3
# "≥ ~ 5 s" has two signs before its number; no list of times in an epoch is as long as this.
_MOST_SIGNS = 3
_MOST_TIMES = 12


@dataclass(frozen=True, slots=True)
class _Number:
    """A number or a range as written, in the base unit.

    Attributes:
        low, high: equal for a single number.
        op: the comparison before it; empty for none.
        unit: s, Hz, µV, % or empty.
        end: index of the token after it.
        is_length: as a number of seconds it can only be a length: it is compared, in
            milliseconds, or joined to its unit by a hyphen ("a 0.7-s spindle").
    """

    low: float
    high: float
    op: str
    unit: str
    end: int
    is_length: bool = False

    @property
    def interval(self) -> Interval:
        match self.op:
            case ">" | ">=":
                return Interval(self.low, math.inf)
            case "<" | "<=":
                return Interval(-math.inf, self.high)
            case _:
                return Interval(self.low, self.high)


def negated(quantity: Quantity) -> Quantity:
    """What is left of a quantity that is not reached ("does not exceed 50 %")."""
    match quantity:
        case Extent(op, fraction):
            return Extent(_OPPOSITE.get(op, op), fraction)
        case Amplitude(Interval(low, _)) if low > -math.inf:
            return Amplitude(Interval(-math.inf, low))
        case Duration(Interval(low, _)) if low > -math.inf:
            return Duration(Interval(-math.inf, low))
        case _:
            return quantity


def quantity_at(found: Found, i: int, lexicon: Lexicon) -> tuple[Quantity, int] | None:
    """The quantity that begins at token ``i`` and the index after it; None for none."""
    token = found[i]
    if token.number is None and not (token.text in lexicon.quantity_starts or token.text in _SIGNS):
        return None
    if share := lexicon.shares.longest(found, i):
        op, fraction = share[1]["value"]
        return Extent(op, fraction), _past_epoch(found, share[0], lexicon)
    return _half(found, i, lexicon) or _fraction(found, i, lexicon) or _measure(found, i, lexicon)


def _measure(found: Found, i: int, lexicon: Lexicon) -> tuple[Quantity, int] | None:
    """A number with a unit."""
    number = _number(found, i, lexicon)
    if number is None:
        return None
    if clock := _clock_end(found, number.end):
        return Nothing(), clock
    if whole := _past_whole(found, number, lexicon):
        return Extent(_comparison(number.op, number), number.low / EPOCH_S), whole
    match number.unit:
        case "%":
            end = _past_epoch(found, number.end, lexicon)
            return Extent(_comparison(number.op, number), number.low / 100), end
        case "Hz":
            return Frequency(number.interval), number.end
        case "µV":
            return Amplitude(number.interval), number.end
        case "s":
            return _seconds(found, i, number, lexicon)
        case _:
            return _bare(found, i, number, lexicon)


def _past_whole(found: Found, number: _Number, lexicon: Lexicon) -> int | None:
    """The index after the epoch's length, of which a number is a part: "7 (s) of (the) 30 s"."""
    if number.unit not in {"", _SECONDS}:
        return None
    at = number.end
    if _word(found, at) == "/":
        at += 1
    while _is(found, at, Sense.PREPOSITION, lexicon) or _is(found, at, Sense.ARTICLE, lexicon):
        at = lexicon.phrases.longest(found, at)[0]  # type: ignore[index]  # one is there
    whole = _number(found, at, lexicon) if number.end < at < len(found) else None
    is_whole = whole is not None and whole.unit == _SECONDS and whole.low == EPOCH_S
    return whole.end if whole is not None and is_whole and not whole.op else None


def is_unit(found: Found, i: int, lexicon: Lexicon) -> bool:
    """Whether a unit stands here."""
    return _unit(found, i, lexicon)[2] > i


def _clock_end(found: Found, i: int) -> int | None:
    """The index after the rest of a time of day, such as ``:05`` after ``23:14``."""
    end = None
    while i + 1 < len(found) and found[i].text == ":" and found[i].tight:
        if found[i + 1].number is None or not found[i + 1].tight:
            break
        end = i = i + 2
    return end


# ── numbers ───────────────────────────────────────────────────────────────────────────────


def _number(found: Found, i: int, lexicon: Lexicon) -> _Number | None:
    op, i = _op(found, i, lexicon)
    first = _value(found, i, lexicon)
    if first is None:
        return None
    i += 1
    unit, factor, end = _unit(found, i, lexicon)
    low = high = first
    joint = _range_joint(found, end, op, lexicon)
    if joint is not None and _word(found, joint) in lexicon.seconds:  # "second 3 to second 21"
        joint += 1
    if joint is not None and (second := _value(found, joint, lexicon)) is not None:
        unit_2, factor_2, end_2 = _unit(found, joint + 1, lexicon)
        if second > first and (not unit or unit_2 in {unit, ""}):
            high, end = second, end_2
            if unit_2:
                unit, factor = unit_2, factor_2
    attributive = bool(unit) and _word(found, end - 2) == "-"
    is_length = attributive or factor == _MILLI or op in _BOUNDS
    low, high = round(low * factor, 6), round(high * factor, 6)
    return _Number(low, high, op, unit, end, is_length)


def _op(found: Found, i: int, lexicon: Lexicon) -> tuple[str, int]:
    """The comparison that begins here, and the index after it."""
    op = ""
    for _ in range(_MOST_SIGNS):
        if i == len(found):
            break
        if sign := _SIGNS.get(found[i].text):
            op, i = (op if sign == "~" and op else sign), i + 1
        elif compare := lexicon.compare.longest(found, i):
            i, senses = compare
            op = op if senses["value"] == "==" and op else senses["value"]
        else:
            break
    return op, i


def _value(found: Found, i: int, lexicon: Lexicon) -> float | None:
    if _word(found, i) == "~":
        i += 1
    if i >= len(found):
        return None
    number = found[i].number
    return lexicon.numbers.get(found[i].text) if number is None else number


def _unit(found: Found, i: int, lexicon: Lexicon) -> tuple[str, float, int]:
    """Unit, factor to the base unit, and the index after it."""
    at = i
    if at + 1 < len(found) and found[at].text == "-" and found[at].tight:
        at += 1
    if at < len(found):
        text = found[at].text
        if text in lexicon.percent:
            return _PERCENT, 1.0, at + 1
        for unit, names in (
            (_SECONDS, lexicon.seconds),
            (_HERTZ, lexicon.hertz),
            (_MICROVOLTS, lexicon.microvolts),
        ):
            if text in names:
                return unit, names[text], at + 1
    return "", 1.0, i


def _range_joint(found: Found, i: int, op: str, lexicon: Lexicon) -> int | None:
    """The index after what joins two ends of a range; None where nothing does."""
    if i >= len(found):
        return None
    text = found[i].text
    if text == "-" or text in lexicon.to or (text == "~" and found[i].tight):
        return i + 1
    if op == _BETWEEN and _is(found, i, Sense.AND, lexicon):
        return i + 1
    return None


def _comparison(op: str, number: _Number) -> str:
    if op in _BOUNDS:
        return op
    return ">=" if number.high > number.low else "=="


# ── shares of the epoch ───────────────────────────────────────────────────────────────────


def _fraction(found: Found, i: int, lexicon: Lexicon) -> tuple[Quantity, int] | None:
    """A share in words: "more than half", "a third of the epoch"."""
    op, at = _op(found, i, lexicon)
    part = lexicon.fractions.longest(found, at)
    if part is None:
        return None
    end, senses = part
    past = _past_epoch(found, end, lexicon)
    if not op and past == end:
        return None
    return Extent(op if op in _BOUNDS else "==", senses["value"]), past


def _half(found: Found, i: int, lexicon: Lexicon) -> tuple[Quantity, int] | None:
    """A part of the epoch by name: "first half", "last third of the epoch"."""
    first = found[i].text in lexicon.cues["first"]
    if not first and found[i].text not in lexicon.cues["last"]:
        return None
    part = lexicon.fractions.longest(found, i + 1)
    if part is None:
        return None
    length = round(EPOCH_S * part[1]["value"], 1)
    span = Span(0.0, length) if first else Span(EPOCH_S - length, EPOCH_S)
    return Times((span,)), _past_epoch(found, part[0], lexicon)


def _past_epoch(found: Found, i: int, lexicon: Lexicon) -> int:
    """The index after "of the epoch", where that stands here."""
    at = i
    while at < min(i + 2, len(found)) and (
        _is(found, at, Sense.PREPOSITION, lexicon) or _is(found, at, Sense.ARTICLE, lexicon)
    ):
        at += 1
    epoch = lexicon.epoch.longest(found, at)
    return epoch[0] if epoch else i


# ── seconds ───────────────────────────────────────────────────────────────────────────────


def _seconds(found: Found, i: int, number: _Number, lexicon: Lexicon) -> tuple[Quantity, int]:
    """A number of seconds: when, how long, how much of the epoch, or nothing of the event."""
    before = _words_before(found, i)
    cues = lexicon.cues
    nearest = before[0] if before else ""
    if nearest in cues["first"]:
        return Times((Span(0.0, number.high),)), _past_epoch(found, number.end, lexicon)
    if nearest in cues["last"] and not (nearest in cues["lasting"] and _is_verb(found, i, lexicon)):
        span = Span(EPOCH_S - number.high, EPOCH_S)
        return Times((span,)), _past_epoch(found, number.end, lexicon)
    if _word(found, number.end) in cues["mark"]:
        return _times(found, replace(number, end=number.end + 1), lexicon)
    if lexicon.epoch.longest(found, _past_hyphen(found, number.end)):
        return Nothing(), number.end
    end = _past_epoch(found, number.end, lexicon)
    if end > number.end:
        return Extent(_comparison(number.op, number), number.low / EPOCH_S), end
    after = _word(found, number.end)
    until_then = number.low == number.high and nearest in cues["up_to_here"]
    if after in cues["from_here"] | cues["up_to_here"] and _is_event(
        found, number.end + 1, lexicon
    ):
        return Nothing(), number.end  # "0.4 s after the K complex"
    if cues["part"].intersection(before) or after in cues["part"]:
        return Nothing(), number.end
    if not until_then and (
        number.is_length
        or cues["lasting"].intersection(before)
        or after in cues["long"]
        or _is(found, number.end, Sense.NAME, lexicon)
        or _is_of_event(found, i, number.end, lexicon)
    ):
        return Duration(number.interval), number.end
    if number.low == number.high:
        if nearest in cues["from_here"] or after in cues["from_here"]:
            return Times((Span(number.low, EPOCH_S),)), number.end
        if nearest in cues["up_to_here"]:
            return Times((Span(0.0, number.low),)), number.end
    return _times(found, number, lexicon)


def _is_event(found: Found, i: int, lexicon: Lexicon) -> bool:
    """Whether a phenomenon is named here, with an article or without."""
    return _is(found, i + _is(found, i, Sense.ARTICLE, lexicon), Sense.NAME, lexicon)


def _is_of_event(found: Found, i: int, end: int, lexicon: Lexicon) -> bool:
    """Whether "of alpha" follows a number of seconds that no preposition stands before."""
    follows = _is(found, end, Sense.PREPOSITION, lexicon) and _is(
        found, end + 1, Sense.NAME, lexicon
    )
    return follows and not (i and _is(found, i - 1, Sense.PREPOSITION, lexicon))


def _is_verb(found: Found, i: int, lexicon: Lexicon) -> bool:
    """Whether "last" before the number at ``i`` is a verb: what stands before it is a subject."""
    at = i - 2
    if at < 0 or not found[at].text[0].isalpha():
        return False
    if _is(found, at, Sense.ARTICLE, lexicon) or _is(found, at, Sense.PREPOSITION, lexicon):
        return False
    return lexicon.cues["first"].isdisjoint(token.text for token in found[:at])


def _times(found: Found, number: _Number, lexicon: Lexicon) -> tuple[Quantity, int]:
    """A time and the times listed after it."""
    spans = [Span(number.low, number.high)]
    end = number.end
    while True:
        at = _past_joint(found, end, lexicon)
        following = _number(found, at, lexicon) if at > end else None
        if following is None:
            break
        if following.unit != _SECONDS or following.is_length:
            break
        if lexicon.cues["long"].intersection({_word(found, following.end)}):
            break
        spans.append(Span(following.low, following.high))
        end = following.end
    return Times(tuple(spans)), end


def _bare(found: Found, i: int, number: _Number, lexicon: Lexicon) -> tuple[Quantity, int] | None:
    """A number without a unit: a time where its unit stands before it or ends its list."""
    if i and found[i - 1].text in lexicon.seconds:
        return _times(found, number, lexicon)
    return _list_of_times(found, i, number, lexicon) or _count(number)


def _count(number: _Number) -> tuple[Quantity, int] | None:
    """ "More than one": how many, which says no more than that there are some."""
    return (Nothing(), number.end) if number.op and number.high > 0 else None


def _list_of_times(
    found: Found, i: int, number: _Number, lexicon: Lexicon
) -> tuple[Quantity, int] | None:
    """ "5, 10 and 15 s"."""
    if i > 1 and found[i - 2].number is not None and found[i - 1].text == ",":
        return None
    spans = [Span(number.low, number.high)]
    end = number.end
    while len(spans) < _MOST_TIMES and (at := _past_joint(found, end, lexicon)) > end:
        following = _number(found, at, lexicon)
        if following is None or following.unit not in {"", _SECONDS}:
            return None
        spans.append(Span(following.low, following.high))
        end = following.end
        if following.unit:
            times, end = _times(found, following, lexicon)
            rest = times.spans[1:] if isinstance(times, Times) else ()
            return Times((*spans, *rest)), end
    return None


def _past_joint(found: Found, i: int, lexicon: Lexicon) -> int:
    """The index after a comma, an "and", or both; ``i`` where there is neither."""
    at = i
    if at < len(found) and found[at].text == ",":
        at += 1
    if _is(found, at, Sense.AND, lexicon) or _is(found, at, Sense.OR, lexicon):
        at += 1
    return at


def _past_hyphen(found: Found, i: int) -> int:
    return i + 1 if _word(found, i) == "-" else i


def _words_before(found: Found, i: int) -> list[str]:
    """Up to three words before, nearest first, as far as they belong to the number."""
    words: list[str] = []
    for token in reversed(found[max(0, i - _CUE_REACH) : i]):
        if token.text in _EQUALS:
            continue
        if token.number is not None or not token.text[0].isalpha():
            break
        words.append(token.text)
    return words


def _word(found: Found, i: int) -> str:
    return found[i].text if i < len(found) else ""


def _is(found: Found, i: int, sense: Sense, lexicon: Lexicon) -> bool:
    if i >= len(found):
        return False
    phrase = lexicon.phrases.longest(found, i)
    return phrase is not None and sense in phrase[1]
