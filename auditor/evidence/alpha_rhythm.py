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
_TINY = 1e-3
_CANDIDATE = 0.15
_SHORTEST_S = 0.5
"""Some four or five waves: fewer make no train."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """Alpha runs occipitally and centrally; its share of the epoch occipitally."""
    del earlier
    limits = thresholds(Phenomenon.ALPHA_RHYTHM)
    events: list[Event] = []
    measures = {}
    for role, signal in signals.channels(tuple(_SEARCHED)):
        if not signal.shows(_ABOVE_HZ[1]):
            continue
        alpha = Alpha.of(signal, _SEARCHED[role])
        events += alpha.trains().events(Phenomenon.ALPHA_RHYTHM, signal.label)
        if role is Role.OCCIPITAL:
            value, low, high = (
                share_of_epochs(alpha.present(at_least), signals.n_epochs)
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
        rotation = oscillation.copy()
        rotation[1:] *= np.conj(oscillation[:-1])
        turn = np.angle(
            moving_mean(rotation.real, _WINDOW_S) + 1j * moving_mean(rotation.imag, _WINDOW_S)
        )
        frequency_hz = (turn * WORKING_RATE_HZ / (2 * np.pi)).astype(np.float32)
        density = power / 2 / (BAND_HZ[1] - BAND_HZ[0])
        flanks = np.sqrt(_density(signal, _BELOW_HZ) * _density(signal, _ABOVE_HZ))
        slower = moving_mean(np.square(signal.band(*_SLOWER_HZ)), 1.0)
        envelope_uv = np.sqrt(power)
        score = (
            2.0 * np.log((density + _TINY) / (flanks + _TINY) / _PEAKS_BY)
            + 2.0 * np.log((power / 2 + _TINY) / (slower + _TINY) / _OUTWEIGHS_BY)
            + 1.5 * np.log((envelope_uv + _TINY) / _VISIBLE_UV)
            - 4.0 * np.maximum(frequency_hz - 11.7, 0.0)
            + prior
        )
        return cls(logistic(score).astype(np.float32), frequency_hz, envelope_uv)

    def present(self, at_least: float) -> Mask:
        """Where trains of at least this probability are."""
        spans = Spans.of_mask(self.probability >= at_least)
        spans = spans.where(spans.duration_s >= _SHORTEST_S)
        return spans.spread(np.ones(len(spans)), len(self.probability)) > 0

    def trains(self) -> Candidates:
        """Trains where alpha is likely, and the candidates between them."""
        likely = self.present(0.5)
        maybe = self.present(_CANDIDATE) & ~likely
        spans = Spans.of_mask(likely).followed_by(Spans.of_mask(maybe))
        spans = spans.where(spans.duration_s >= _SHORTEST_S)
        return Candidates(
            spans.first / WORKING_RATE_HZ,
            spans.past / WORKING_RATE_HZ,
            spans.mean(self.probability),
            spans.mean(self.frequency_hz),
            2 * spans.mean(self.envelope_uv),
        )


def _density(signal: Signal, band_hz: tuple[float, float]) -> Floats:
    """Mean power density of a band, µV²/Hz, over a second around each sample."""
    power = moving_mean(np.square(signal.band(*band_hz)), 1.0)
    return power / np.float32(band_hz[1] - band_hz[0])
