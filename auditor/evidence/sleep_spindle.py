"""Sleep spindle: a train of waves at 11–16 Hz that stands out for at least 0.5 s.

AASM scoring manual, section on adult stage N2: most often 12–14 Hz, duration ≥ 0.5 s, largest
over the central region; looked for wherever there is an EEG.

The method keeps the idea of the A7 detector (Lacourse et al. 2019,
doi:10.1016/j.jneumeth.2018.08.014) and of YASA's variant of it (Vallat & Walker 2021,
doi:10.7554/eLife.70092), that a spindle must be large both against its own surroundings and
against the other frequencies at the same moment, but grades each criterion instead of cutting
there, so that a weak spindle stays a candidate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from auditor.evidence.base import Candidates, Earlier, Measured
from auditor.evidence.electrode_pop import in_pop
from auditor.evidence.filters import moving_mean
from auditor.evidence.grid import WORKING_RATE_HZ, Doubles, Floats, Spans, events_mask, logistic
from auditor.evidence.signals import Signal, Signals
from auditor.vocabulary import EEG_ROLES, Phenomenon, Role

BAND_HZ = (11.0, 16.0)
SHORTEST_S = 0.5

_SEARCHED = {Role.CENTRAL: 0.0, Role.FRONTAL: 0.0, Role.OCCIPITAL: -0.5}
"""Where spindles are looked for, and how much the place adds to the score (log-odds)."""

_BESIDE = {
    Role.CENTRAL: (Role.FRONTAL, 1.7),
    Role.FRONTAL: (Role.CENTRAL, 1.7),
    Role.OCCIPITAL: (Role.CENTRAL, 0.0),
}
"""Where else a spindle shows, and how much it can gain there (log-odds)."""
_SHOWS_BESIDE = 4.0
_BESIDE_RISE = 0.5
"""Logarithm of the rise over its background there that neither adds nor takes. Measured: simulated
spindles rise by 1.2, what is none by 0.2 in simulated nights but by 0.5 in two real recordings,
whose channels share a reference; hence the bounds of what it adds and takes, too."""
_MOST_WITHOUT = 1.2
"""How much a spindle loses that does not show there: some do show in one region alone."""

_BELOW_HZ = (6.0, 10.0)
_ABOVE_HZ = (17.5, 25.0)
_SLOW_HZ = (0.5, 4.0)
_COMPETING_HZ = (7.0, 17.0)
"""Alpha and spindles compete for the peak within it."""
_MOST_AGAINST = 0.9
"""A strong slower rhythm beside it makes a spindle doubtful, not impossible (log-odds)."""
_CONFUSED_HZ = (10.0, 14.0)
_LARGER_BEHIND = 4.0
"""What is larger in the occipital channel is fast alpha (log-odds for each factor e). Measured on
a simulated night with alpha at 11.1 Hz: a third fewer false spindles than with 2, none lost."""
_AROUSED = 5.0
_SURELY_AROUSED = 0.7
_AROUSED_BELOW_HZ = 12.5
"""Within an arousal such a rhythm is its fast alpha: an arousal is no spindle (AASM scoring manual,
section on arousals). Measured on five simulated nights: of 18 arousals with a rhythm at 11–12 Hz,
17 had been taken for spindles as well (log-odds)."""
_BACKGROUND_S = 20.0
_BACKGROUND_PERCENTILE = 40
_RISE = 1.3
"""A candidate's envelope exceeds its background by this factor throughout."""
_EDGE = 0.4
"""A spindle ends where its envelope falls to this share of its peak: at ±1.35 standard
deviations for a Gaussian envelope, about where experts set their marks."""
_SHORTEST_CANDIDATE_S = 0.3
_LARGEST_UV = 60.0
"""Zero to peak. What is larger is muscle or movement rather than a spindle."""


@dataclass(frozen=True, slots=True)
class _Sigma:
    """The sigma band of one channel.

    Attributes:
        wave: the analytic oscillation, µV.
        power: its squared amplitude.
        envelope: its height, smoothed.
        background: the envelope's usual height nearby.
    """

    wave: npt.NDArray[np.complex64]
    power: Floats
    envelope: Floats
    background: Floats

    @classmethod
    def of(cls, signal: Signal) -> _Sigma:
        wave = signal.analytic(*BAND_HZ)
        power = np.square(np.abs(wave))
        envelope: Floats = np.sqrt(moving_mean(power, 0.2))
        return cls(wave, power, envelope, _background(envelope))

    def rise(self, spans: Spans) -> Doubles:
        """Logarithm of how far the envelope stands above its background, over each span."""
        heights = spans.mean(self.envelope) / np.maximum(spans.mean(self.background), 0.1)
        risen: Doubles = np.log(np.maximum(heights, 0.05))
        return risen


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """Spindles in each EEG channel."""
    shown = {
        role: signal
        for role, signal in signals.channels(tuple(_SEARCHED))
        if signal.shows(BAND_HZ[1])
    }
    sigma = {role: _Sigma.of(signal) for role, signal in shown.items()}
    events = [
        event
        for role, signal in shown.items()
        for event in _candidates(role, signals, sigma, earlier[Phenomenon.AROUSAL]).events(
            Phenomenon.SLEEP_SPINDLE, signal.label
        )
    ]
    return Measured(signals.obstacles_everywhere(EEG_ROLES, BAND_HZ[1]), tuple(events))


def _beside(role: Role, spans: Spans, sigma: Mapping[Role, _Sigma]) -> Doubles:
    """What the channel beside it adds: a spindle shows in both, chance in one (log-odds)."""
    other, most = _BESIDE[role]
    if other not in sigma:
        return np.zeros(len(spans))
    shown: Doubles = _SHOWS_BESIDE * (sigma[other].rise(spans) - _BESIDE_RISE)
    return np.clip(shown, -_MOST_WITHOUT, most)


def _candidates(
    role: Role, signals: Signals, sigma: Mapping[Role, _Sigma], arousals: Measured
) -> Candidates:
    """Every waxing of the sigma band in one channel, with how like a spindle it is.

    A rhythm that is larger in the occipital channel is fast alpha, and so is a slow one in an
    arousal.
    """
    signal, here = signals.by_role[role], sigma[role]
    spans = _waxings(here.envelope, here.background)
    amplitude = spans.maximum(here.envelope).astype(np.float64)
    steps = spans.widened(0.2, len(here.envelope)).in_steps()
    spectrum = signal.spectrum
    power_uv2 = spans.mean(here.power) / 2
    below, above, slow = (
        power_uv2 / np.maximum(steps.mean(spectrum.power(*band)), 0.01)
        for band in (_BELOW_HZ, _ABOVE_HZ, _SLOW_HZ)
    )
    score = _score(
        amplitude,
        amplitude / np.maximum(spans.mean(here.background), 0.1),
        below,
        above,
        slow,
        spans.duration_s,
        spans.in_steps().mean(spectrum.peak_hz(*_COMPETING_HZ)),
    )
    score += _SEARCHED[role] + _beside(role, spans, sigma)
    elsewhere = signals.by_role.get(_BESIDE[role][0] if role is Role.OCCIPITAL else role)
    occipital = signals.by_role.get(Role.OCCIPITAL)
    if elsewhere is not None and occipital is not None:
        ours, theirs = (
            steps.mean(channel.spectrum.power(*_CONFUSED_HZ)) for channel in (elsewhere, occipital)
        )
        score -= _LARGER_BEHIND * np.maximum(np.log((theirs + 0.01) / (ours + 0.01)), 0.0)
    rhythm_hz = _rhythm_hz(here.wave, spans)
    aroused = events_mask(arousals.events, lambda _: _SURELY_AROUSED, len(here.envelope))
    score -= _AROUSED * spans.mean(aroused) * (rhythm_hz < _AROUSED_BELOW_HZ)
    return Candidates(
        spans.start_s,
        spans.end_s,
        logistic(score - in_pop(signal, spans.start_s, spans.end_s, 2 * amplitude)),
        rhythm_hz,
        2 * amplitude,
    )


def _rhythm_hz(sigma: npt.NDArray[np.complex64], spans: Spans) -> Doubles:
    """How fast each turns, the strongest waves weighing most: what alpha beside it does not slow
    down. Within 0.5 Hz of the truth for 95 % of simulated spindles."""
    turns = np.append(sigma[1:] * np.conj(sigma[:-1]), np.complex64(0))
    hz: Doubles = np.angle(spans.mean(turns)) * WORKING_RATE_HZ / (2 * np.pi)
    return hz


def _background(envelope: Floats) -> Floats:
    """The envelope's usual height nearby, which even dense spindles do not lift."""
    step = WORKING_RATE_HZ // 10
    coarse = ndimage.percentile_filter(
        envelope[::step], _BACKGROUND_PERCENTILE, size=round(_BACKGROUND_S * 10) | 1, mode="nearest"
    )
    at = np.arange(len(envelope)) / step
    fine: Doubles = np.interp(at, np.arange(len(coarse)), coarse)
    return fine.astype(np.float32)


def _waxings(envelope: Floats, background: Floats) -> Spans:
    """Stretches above the background, each cut where it has fallen from its peak."""
    above = Spans.of_mask(envelope > np.maximum(_RISE * background, 0.1))
    peaks = above.spread(above.maximum(envelope), len(envelope))
    return Spans.of_mask((peaks > 0) & (envelope >= _EDGE * peaks)).lasting(_SHORTEST_CANDIDATE_S)


def _score(
    amplitude_uv: Doubles,
    to_background: Doubles,
    to_below: Doubles,
    to_above: Doubles,
    to_slow: Doubles,
    duration_s: Doubles,
    frequency_hz: Doubles,
) -> Doubles:
    """How like a spindle, in log-odds.

    Each ratio is one way to stand out: from the minutes around, from alpha and theta below,
    from muscle above, from slow waves. The weights are those of a logistic regression on two
    equal halves: what either expert marked in three excerpts of real sleep, and simulated nights
    with one channel and with two; measured, also on what was not fitted: see
    tests/benchmarks/bench_experts.py and bench_evidence_phantom.py.
    """
    outside_hz = np.maximum(BAND_HZ[0] - frequency_hz, frequency_hz - BAND_HZ[1])
    return (
        -8.2
        + 1.5 * np.log(amplitude_uv)
        + 1.9 * np.log(to_background)
        + 0.5 * np.log(to_below)
        + 0.85 * np.log(to_above)
        + 0.65 * np.log(to_slow)
        + 2.2 * np.log(duration_s)
        - np.clip(1.2 * (outside_hz + 0.2), 0.0, _MOST_AGAINST)
        - 3.0 * np.maximum(duration_s - 2.5, 0.0)
        - 6.0 * np.maximum(np.log(amplitude_uv / _LARGEST_UV), 0.0)
    )
