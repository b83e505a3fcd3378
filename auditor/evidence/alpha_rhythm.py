"""Alpha rhythm: trains of sinusoidal waves at 8–13 Hz over the occipital region.

AASM scoring manual, section on adult stage W. Alpha is told by several things at once: it has
an amplitude that can be seen, it stands out of the spectrum on either side of it, it keeps to
one frequency, it lasts, and its frequency and place are alpha's rather than a spindle's.
"""

from __future__ import annotations

import numpy as np

from auditor.evidence.base import Candidates, Earlier, Measured, measures_of
from auditor.evidence.filters import Spectrum
from auditor.evidence.grid import STEPS_HZ, Floats, Mask, Spans, logistic, share_of_epochs
from auditor.evidence.signals import Signal, Signals
from auditor.evidence.thresholds import thresholds
from auditor.vocabulary import Event, Phenomenon, Role

BAND_HZ = (8.0, 13.0)

_SEARCHED = {Role.OCCIPITAL: 0.0, Role.CENTRAL: -1.5}
"""Where alpha is looked for, and how much the place adds to the score (log-odds)."""

_BELOW_HZ = (4.0, 7.0)
_ABOVE_HZ = (15.0, 22.0)
_SLOWER_HZ = (1.0, 7.0)
_COMPETING_HZ = (7.0, 17.0)
"""Wide enough that alpha and spindles compete within it: the frequency found in one's own band
would always be one's own."""
_SMOOTHED_S = 0.7
_FLANKS_S = 15.0
"""The flanks are taken both at the moment, where muscle shows, and over so long, where they are
the steady background that a peak stands out of; the higher of the two counts."""
_PEAKS_BY = 4.5
"""Power density over that of the flanks: at even odds, in log-odds two for each factor e."""
_NARROW_WITHIN_HZ = (6.5, 14.5)
_NARROW_HZ = 3.0
_NARROW_SHARE = 0.7
_NARROW_S = 1.5
"""A rhythm keeps this much of the power between 7 and 14 Hz within 3 Hz; noise does not."""
_OUTWEIGHS_BY = 1.1
"""Power over that of all slower activity: an eye sees alpha where it carries the trace."""
_VISIBLE_UV = 8.0
"""Zero to peak."""
_FASTEST_USUAL_HZ = 11.4
"""Above it lie spindles too, and each tenth of a hertz makes alpha less likely, unless it is
larger behind than at the centre."""
_SURELY_BEHIND = 1.0
"""Occipital over central power, in natural logarithms. Measured on simulated nights: alpha 0.5
at least, 0.8 or more in three of four; spindles less than 0."""
_TINY = 1e-3
_CANDIDATE_SCORE = -1.5
_FADES_S = 0.4
"""How far a train goes on beyond where alone it would be likely."""
_SUREST_SCORE = 3.0
_SHORTEST_S, _USUAL_S, _LONG_S = 0.5, 1.5, 4.0
"""Some five waves make a train; the longer it is, the surer, up to four seconds. Sleep has
bursts of a second at alpha's frequency that nobody calls alpha rhythm, however large."""
_SMEARED_S = 0.5
"""By so much the spectrum's windows lengthen a train."""
_LULL_S, _LONG_LULL_S = 1.0, 3.0
"""Alpha waxes and wanes. A lull of a second is part of it to every reader, one of three seconds
to some."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """Alpha runs occipitally and centrally; its share of the epoch occipitally."""
    del earlier
    limits = thresholds(Phenomenon.ALPHA_RHYTHM)
    events: list[Event] = []
    measures = {}
    for role, signal in signals.channels(tuple(_SEARCHED)):
        if not signal.shows(_ABOVE_HZ[1]):
            continue
        centre = signals.by_role.get(Role.CENTRAL) if role is Role.OCCIPITAL else None
        found = trains(signal, _SEARCHED[role], centre)
        events += found.events(Phenomenon.ALPHA_RHYTHM, signal.label)
        if role is Role.OCCIPITAL:
            likely, sure, possible = (
                found.filling(at_least, len(signal.samples))
                for at_least in (0.5, limits.clearly_there, limits.clearly_not)
            )
            value, low, high = (
                share_of_epochs(mask, signals.n_epochs)
                for mask in (
                    _over_lulls(likely, _LULL_S),
                    _over_lulls(sure, _LULL_S),
                    possible | _over_lulls(likely, _LONG_LULL_S),
                )
            )
            measures["alpha_fraction"] = measures_of(value, low, high, "1", signal.label)
    return Measured(signals.obstacles(Role.OCCIPITAL, _ABOVE_HZ[1]), tuple(events), measures)


def _over_lulls(alpha: Mask, longest_s: float) -> Mask:
    """Alpha with its brief lulls."""
    lulls = Spans.of_mask(~alpha)
    return alpha | lulls.where(lulls.duration_s <= longest_s).mask(len(alpha))


def trains(signal: Signal, prior: float = 0.0, centre: Signal | None = None) -> Candidates:
    """Trains where alpha is likely in one channel, and the candidates between them.

    What is larger at the centre, where it is given, is less likely to be alpha.
    """
    spectrum = signal.spectrum
    power = spectrum.power(*BAND_HZ, _SMOOTHED_S)
    envelope_uv = np.sqrt(2 * power)
    flanks = np.maximum(_flanks(spectrum, _SMOOTHED_S), _flanks(spectrum, _FLANKS_S))
    density = power / np.float32(BAND_HZ[1] - BAND_HZ[0])
    slower = spectrum.power(*_SLOWER_HZ, _SMOOTHED_S)
    frequency_hz = spectrum.peak_hz(*_COMPETING_HZ, _SMOOTHED_S)
    narrowness = spectrum.concentration(*_NARROW_WITHIN_HZ, _NARROW_HZ, _NARROW_S)
    at_centre = power if centre is None else centre.spectrum.power(*BAND_HZ, _SMOOTHED_S)
    behind = np.log((power + _TINY) / (at_centre + _TINY)) / _SURELY_BEHIND
    score = (
        2.0 * np.log((density + _TINY) / (flanks + _TINY) / _PEAKS_BY)
        + 2.0 * np.log((power + _TINY) / (slower + _TINY) / _OUTWEIGHS_BY)
        + 3.0 * np.log((envelope_uv + _TINY) / _VISIBLE_UV)
        + 6.0 * np.clip(np.log((narrowness + _TINY) / _NARROW_SHARE), -0.5, 0.2)
        - 4.0 * np.maximum(frequency_hz - _FASTEST_USUAL_HZ, 0.0) * (1 - np.clip(behind, 0, 1))
        + 2.0 * np.minimum(behind, 0.0)
    )
    maybe = score >= _CANDIDATE_SCORE
    fading = _spans(score >= 0.0).widened(_FADES_S, len(score)).mask(len(score))
    likely = _spans(fading & maybe)
    spans = likely.followed_by(_spans(maybe & ~likely.mask(len(score))))
    lasted_s = np.clip(spans.duration_s - _SMEARED_S, _SMEARED_S / 2, _LONG_S)
    for_length = 3.0 * np.log(lasted_s / _USUAL_S)
    return Candidates(
        spans.start_s,
        spans.end_s,
        logistic(np.minimum(spans.mean(score), _SUREST_SCORE) + for_length + prior),
        spans.mean(frequency_hz),
        2 * spans.mean(envelope_uv),
    )


def _flanks(spectrum: Spectrum, over_s: float) -> Floats:
    """Power density at alpha's frequency as those below and above it tell it."""
    below, above = (spectrum.density(*band, over_s) for band in (_BELOW_HZ, _ABOVE_HZ))
    flanks: Floats = np.sqrt(below * above)
    return flanks


def _spans(mask: Mask) -> Spans:
    return Spans.of_mask(mask, STEPS_HZ).lasting(_SHORTEST_S)
