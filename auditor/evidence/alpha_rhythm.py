"""Alpha rhythm: trains of sinusoidal waves at 8–13 Hz over the occipital region.

AASM scoring manual, section on adult stage W. Alpha is told by three things at once: it has
an amplitude that can be seen, it stands out of the spectrum on either side of it, and its
frequency is alpha's rather than a spindle's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.evidence.base import (
    WORKING_RATE_HZ,
    Candidates,
    Earlier,
    Floats,
    Mask,
    Measured,
    Signal,
    Signals,
    Spans,
    logistic,
    measures_of,
    moving_density,
    moving_frequency_hz,
    moving_mean,
    share_of_epochs,
)
from auditor.evidence.thresholds import thresholds
from auditor.vocabulary import Event, Phenomenon, Role

BAND_HZ = (8.0, 13.0)

_SEARCHED = {Role.OCCIPITAL: 0.0, Role.CENTRAL: -0.7}
"""Where alpha is looked for, and how much the place adds to the score (log-odds)."""

_BELOW_HZ = (4.0, 7.0)
_ABOVE_HZ = (15.0, 22.0)
_SLOWER_HZ = (1.0, 7.0)
_WINDOW_S = 0.8
_PEAKS_BY = 4.0
"""Power density over that of the flanks: at even odds, in log-odds two for each factor e."""
_OUTWEIGHS_BY = 0.8
"""Power over that of all slower activity: an eye sees alpha where it carries the trace."""
_VISIBLE_UV = 7.0
"""Zero to peak."""
_FASTEST_USUAL_HZ = 11.4
"""Above it lie spindles too, and each tenth of a hertz makes alpha less likely."""
_TINY = 1e-3
_CANDIDATE = 0.15
_SHORTEST_S, _USUAL_S, _LONG_S = 0.5, 1.2, 3.0
"""Some five waves make a train; the longer it is, the surer, up to three seconds. Sleep has
bursts of a second at alpha's frequency that nobody calls alpha rhythm."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """Alpha runs occipitally and centrally; its share of the epoch occipitally."""
    del earlier
    limits = thresholds(Phenomenon.ALPHA_RHYTHM)
    events: list[Event] = []
    measures = {}
    for role, signal in signals.channels(tuple(_SEARCHED)):
        if not signal.shows(_ABOVE_HZ[1]):
            continue
        trains = Alpha.of(signal, _SEARCHED[role]).trains()
        events += trains.events(Phenomenon.ALPHA_RHYTHM, signal.label)
        if role is Role.OCCIPITAL:
            value, low, high = (
                share_of_epochs(trains.filling(at_least, len(signal.samples)), signals.n_epochs)
                for at_least in (0.5, limits.clearly_there, limits.clearly_not)
            )
            measures["alpha_fraction"] = measures_of(value, low, high, "1", signal.label)
    return Measured(signals.obstacles(Role.OCCIPITAL, _ABOVE_HZ[1]), tuple(events), measures)


@dataclass(frozen=True, slots=True)
class Alpha:
    """How likely alpha is at each moment of one channel.

    Attributes:
        probability, frequency_hz, envelope_uv: on the working grid, shape ``(n_samples,)``;
            the envelope zero to peak.
    """

    probability: Floats
    frequency_hz: Floats
    envelope_uv: Floats

    @classmethod
    def of(cls, signal: Signal, prior: float = 0.0) -> Alpha:
        oscillation = signal.analytic(*BAND_HZ)
        power = moving_mean(np.square(np.abs(oscillation)), _WINDOW_S)
        frequency_hz = moving_frequency_hz(signal, _WINDOW_S)
        density = power / 2 / (BAND_HZ[1] - BAND_HZ[0])
        flanks = np.sqrt(moving_density(signal, _BELOW_HZ) * moving_density(signal, _ABOVE_HZ))
        slower = moving_mean(np.square(signal.band(*_SLOWER_HZ)), 1.0)
        envelope_uv = np.sqrt(power)
        score = (
            2.0 * np.log((density + _TINY) / (flanks + _TINY) / _PEAKS_BY)
            + 2.0 * np.log((power / 2 + _TINY) / (slower + _TINY) / _OUTWEIGHS_BY)
            + 1.5 * np.log((envelope_uv + _TINY) / _VISIBLE_UV)
            - 4.0 * np.maximum(frequency_hz - _FASTEST_USUAL_HZ, 0.0)
            + prior
        )
        return cls(logistic(score).astype(np.float32), frequency_hz, envelope_uv)

    def trains(self) -> Candidates:
        """Trains where alpha is likely, and the candidates between them."""
        likely = self._spans(0.5)
        between = likely.spread(np.ones(len(likely)), len(self.probability)) == 0
        spans = likely.followed_by(self._spans(_CANDIDATE, between))
        mean = np.clip(spans.mean(self.probability), 1e-3, 1 - 1e-3)
        for_length = 1.5 * np.log(np.minimum(spans.duration_s, _LONG_S) / _USUAL_S)
        return Candidates(
            spans.first / WORKING_RATE_HZ,
            spans.past / WORKING_RATE_HZ,
            logistic(np.log(mean / (1 - mean)) + for_length),
            spans.mean(self.frequency_hz),
            2 * spans.mean(self.envelope_uv),
        )

    def _spans(self, at_least: float, within: Mask | bool = True) -> Spans:
        spans = Spans.of_mask((self.probability >= at_least) & within)
        return spans.where(spans.duration_s >= _SHORTEST_S)
