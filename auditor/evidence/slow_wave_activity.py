"""Slow wave activity: waves of 0.5–2 Hz and more than 75 µV peak to peak, frontally.

AASM scoring manual, section on adult stage N3; amplitude is measured over the frontal region.
A K complex that meets both counts as a slow wave, as the manual says: such a wave is an event of
both kinds.

The method is that of the half-wave criteria of Carrier et al. 2011
(doi:10.1111/j.1460-9568.2010.07543.x) and Massimini et al. 2004
(doi:10.1523/JNEUROSCI.1318-04.2004), on AASM's band and without their polarity: every swing
from one extreme to the next counts as half a wave, upwards or downwards, so that a recording
of reversed polarity gives the same waves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from auditor.evidence.base import CANDIDATE_PROBABILITY, Candidates, Earlier, Measured, measures_of
from auditor.evidence.electrode_pop import in_pop
from auditor.evidence.grid import (
    STEPS_HZ,
    WORKING_RATE_HZ,
    Doubles,
    Floats,
    Mask,
    events_mask,
    logistic,
    runs,
    share_of_epochs,
)
from auditor.evidence.lobes import FASTEST_HZ as SHOWN_UP_TO_HZ
from auditor.evidence.lobes import Lobes, of_the_eyes
from auditor.evidence.movement import in_muscle
from auditor.evidence.signals import Signal, Signals
from auditor.evidence.thresholds import thresholds
from auditor.vocabulary import EPOCH_S, Event, Measure, Montage, Phenomenon, Role

SMALLEST_UV = 75.0
SLOWEST_HZ, FASTEST_HZ = 0.5, 2.0

_SEARCHED = (Role.FRONTAL, Role.CENTRAL)
_FASTER_HZ = (3.0, 6.0)
_FASTER_S = 2.0
_FASTER_ADDS = 2.0
"""Of the root mean square of faster activity around a wave, what it adds to its two extremes on
the average. Measured on simulated waves: 2.3; on a recording with expert stages 2.0 or less tells
N3 from N2 best, as large waves are no sines."""
_AMPLITUDE_SCALE_UV = 9.0
"""By how much the two still differ: 14 µV (one standard deviation) between simulated waves and
measured ones."""
_TIMING_S = 0.25
"""Uncertainty of one second of slow waves by where they begin and end; of n seconds √n times as
much. Measured on simulated nights: with it the truth lies within the measure's bounds in nine
epochs of ten, without it in half."""
_LARGEST_UV = 500.0
"""Beyond this it is movement or sweat, no wave of the brain (YASA's limit is 350 µV for
healthy adults; children reach more)."""


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """Slow waves in frontal and central channels; seconds and share of the epoch where
    amplitude counts."""
    moved = earlier[Phenomenon.MAJOR_BODY_MOVEMENT].events
    measured_in = _measured_in(signals.montage)
    events: list[Event] = []
    measures = {}
    for role, signal in signals.channels(_SEARCHED):
        if not signal.shows(SHOWN_UP_TO_HZ):
            continue
        swings = Swings.of(signal, signals).outside(moved)
        events += swings.waves().events(Phenomenon.SLOW_WAVE_ACTIVITY, signal.label)
        if role is measured_in:
            measures = _measures(swings, signal.label, signals.n_epochs)
    return Measured(signals.obstacles(measured_in, SHOWN_UP_TO_HZ), tuple(events), measures)


def _measured_in(montage: Montage) -> Role:
    """Where amplitude counts: frontally, unless the frontal channel lies between two electrodes of
    the scalp, as Fz-Cz does, and a central one does not (AASM scoring manual, section on adult
    stage N3: C4-M1 in its place)."""
    frontal, central = (montage.roles.get(role) for role in _SEARCHED)
    if frontal and frontal.bipolar and central and not central.bipolar:
        return Role.CENTRAL
    return Role.FRONTAL


def _measures(swings: Swings, label: str, n_epochs: int) -> dict[str, tuple[Measure, ...]]:
    """Counted with the waves that are likely, that are sure, and with every candidate."""
    limits = thresholds(Phenomenon.SLOW_WAVE_ACTIVITY)
    value, low, high = (
        EPOCH_S * share_of_epochs(swings.time_filled(at_least), n_epochs)
        for at_least in (0.5, limits.clearly_there, limits.clearly_not)
    )
    # Other waves make other pairs of swings, and these may be longer though they are fewer.
    low, high = np.minimum(low, value), np.maximum(high, value)
    uncertain_s = _TIMING_S * np.sqrt(high)
    low, high = np.maximum(low - uncertain_s, 0.0), np.minimum(high + uncertain_s, EPOCH_S)
    return {
        "slow_wave_fraction": measures_of(
            value / EPOCH_S, low / EPOCH_S, high / EPOCH_S, "1", label
        ),
        "slow_wave_seconds": measures_of(value, low, high, "s", label),
    }


@dataclass(frozen=True, slots=True)
class Swings:
    """Every swing from one extreme of the slow EEG to the next: two lobes, one wave.

    Attributes:
        start_s, end_s: from the beginning of the one lobe to the end of the other; shape
            ``(n_swings,)``.
        amplitude_uv: from extreme to extreme.
        probability: that it is a slow wave by AASM's criteria.
        n_samples: of the signal.
    """

    start_s: Doubles
    end_s: Doubles
    amplitude_uv: Doubles
    probability: Doubles
    n_samples: int

    @classmethod
    def of(cls, signal: Signal, signals: Signals) -> Swings:
        """All swings of one channel; those that eyes, movement or electrodes made have none."""
        lobes = Lobes.of(signal)
        start_s, end_s = lobes.start_s[:-1], lobes.end_s[1:]
        amplitude_uv = lobes.swing_uv()
        smaller_uv = np.minimum(*np.abs((lobes.height_uv[:-1], lobes.height_uv[1:])))
        middle = (lobes.end_s[:-1] * STEPS_HZ).astype(np.intp)
        faster_uv = np.sqrt(signal.spectrum.power(*_FASTER_HZ, _FASTER_S))[middle]
        score = _score(amplitude_uv, faster_uv, smaller_uv, end_s - start_s)
        score -= of_the_eyes(lobes, signals) + in_muscle(signal, start_s, end_s)
        score -= in_pop(signal, start_s, end_s, amplitude_uv)
        return cls(start_s, end_s, amplitude_uv, logistic(score), len(signal.samples))

    def outside(self, moved: Iterable[Event]) -> Swings:
        """Without what may be the movement of the body."""
        hidden = events_mask(moved, lambda _: 0.5, self.n_samples)
        middle = np.round((self.start_s + self.end_s) / 2 * WORKING_RATE_HZ).astype(np.intp)
        return replace(self, probability=np.where(hidden[middle], 0.0, self.probability))

    def time_filled(self, at_least: float) -> Mask:
        """Where waves of at least this probability are, on the working grid."""
        return self._one_by_one(self.probability >= at_least).filling(at_least, self.n_samples)

    def waves(self) -> Candidates:
        """Whole waves, one after the other, first where they are likely, then the rest."""
        likely = self.probability >= 0.5
        maybe = ~likely & (self.probability >= CANDIDATE_PROBABILITY)
        maybe[1:] &= ~likely[:-1]
        maybe[:-1] &= ~likely[1:]
        return self._one_by_one(likely).followed_by(self._one_by_one(maybe))

    def _one_by_one(self, chosen: Mask) -> Candidates:
        """Every second swing of each run, as neighbours share a lobe.

        A run of an even number of swings has a lobe too many for whole waves: the one at the end
        whose loss leaves the larger swings.
        """
        first, past = runs(chosen)
        at = np.flatnonzero(chosen)
        run = np.repeat(np.arange(len(first)), past - first)
        is_second = (at - first[run]) % 2 == 1
        by_turns_uv = self.amplitude_uv[at] * np.where(is_second, 1.0, -1.0)
        second_lead = np.bincount(run, by_turns_uv, len(first)) > 0
        from_second = second_lead & ((past - first) % 2 == 0)
        at = at[is_second == from_second[run]]
        return Candidates(
            self.start_s[at],
            self.end_s[at],
            self.probability[at],
            1.0 / (self.end_s[at] - self.start_s[at]),
            self.amplitude_uv[at],
        )


def _score(
    amplitude_uv: Doubles, faster_uv: Floats, smaller_lobe_uv: Doubles, period_s: Doubles
) -> Doubles:
    """How sure that a wave exceeds 75 µV and lies within 0.5–2 Hz, in log-odds.

    Amplitude is uncertain by the activity that rides on it, a period by some tenth of itself.
    One of two lobes may be the smaller, but where it is next to nothing there is no wave, only
    the flank of the one beside it.
    """
    octaves_outside = np.maximum(
        np.log2(period_s * SLOWEST_HZ), np.log2(1.0 / (period_s * FASTEST_HZ))
    )
    score: Doubles = np.minimum.reduce(
        [
            (amplitude_uv - _FASTER_ADDS * faster_uv - SMALLEST_UV) / _AMPLITUDE_SCALE_UV,
            (_LARGEST_UV - amplitude_uv) / 30.0,
            (0.15 - octaves_outside) / 0.1,
            (smaller_lobe_uv / np.maximum(amplitude_uv, 1.0) - 0.28) / 0.03,
        ]
    )
    return score
