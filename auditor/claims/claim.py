"""A mention as a claim."""

from __future__ import annotations

import math

from auditor.claims.mentions import Mention, Reading
from auditor.claims.quantities import (
    Amplitude,
    Duration,
    Frequency,
    Nothing,
    Quantity,
    Times,
)
from auditor.vocabulary import EPOCH_S, Claim, Extent, Interval, Phenomenon, Polarity, Span

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


def claim(mention: Mention, text: str) -> Claim:
    """The claim that a mention in this text makes."""
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
    Reading.GENERAL: Polarity.UNCERTAIN,
}
