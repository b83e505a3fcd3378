"""Arousals: the EEG shifts abruptly to faster frequencies for three seconds or more.

AASM scoring manual, section on arousals: alpha, theta or frequencies above 16 Hz, but not
spindles, after at least ten seconds of stable sleep; in stage R with a rise of chin EMG for a
second. Each band's power is held against the median of the quarter minute before it, averaged
over the EEG channels, as published detectors do (doi:10.1016/S0010-4825(98)00057-6).

Sleep is judged without any scoring: what looks awake before the shift (alpha, blinks, fast
activity beyond the night's usual, a tense chin) makes an arousal of it less likely, and the chin
must rise where its tone is low enough for stage R.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter, uniform_filter1d

from auditor.evidence import chin_tone
from auditor.evidence.base import Candidates, Earlier, Measured
from auditor.evidence.grid import Doubles, Mask, Spans, events_mask, logistic
from auditor.evidence.signals import Signal, Signals
from auditor.vocabulary import EEG_ROLES, EPOCH_S, Channel, Level, Phenomenon, Role

THETA_HZ = (4.0, 8.0)
ALPHA_HZ = (8.0, 11.5)
SIGMA_HZ = (11.5, 15.5)
FAST_HZ = (16.0, 30.0)
DELTA_HZ = (0.5, 4.0)

RATE_HZ = 2
SHORTEST_S = 3.0
"""AASM's duration."""
CANDIDATE_S = 2.0
LONGEST_S = 15.0
"""What lasts longer has become wakefulness."""
SLEEP_S = 10.0
"""AASM's stable sleep before."""
BEFORE_S = 17.5
PAUSE_S = 3.0
"""Between what is held against it and the shift."""

BEGINS_AT, ENDS_AT = 0.3, 0.5
ONSET_S = 0.25
"""The shares of its largest shift at which one begins and ends, and half a step earlier. Measured
on 72 simulated arousals: the beginning is 0.4 s early to 0.2 s late in nine of ten. It must be
right, as a K complex that ends up to 1 s before an arousal goes with it."""
SHIFT = 0.8
"""Weighted rise in natural logarithms of power: fast activity doubled and half as much again,
or alpha fourfold."""
CHIN_RISE = 2.0
CHIN_RISE_S = 1.0


def detect(signals: Signals, earlier: Earlier) -> Measured:
    """One event for each arousal."""
    obstacles = signals.obstacles_everywhere(EEG_ROLES, FAST_HZ[1])
    bands = Bands.of(signals)
    if bands is None or all(obstacles):
        return Measured(obstacles)
    shift = bands.shift()
    found = _runs(shift)
    if not len(found):
        return Measured(obstacles)
    shifted = (
        -1.0
        + np.minimum(3.0 * (found.mean(shift) - SHIFT), 2.5)
        + 14.0 * np.log((found.past - found.first) / RATE_HZ / SHORTEST_S)
    )
    # However large the shift: it is no arousal unless there was sleep before it.
    score = (
        np.minimum(shifted, 4.0)
        - np.maximum(_wakefulness(earlier, bands)[np.maximum(found.first - 1, 0)], 0.0)
        - 6.0 * _interrupted(found)
        - 6.0 * found.mean(_present(earlier, Phenomenon.MAJOR_BODY_MOVEMENT, len(shift)))
    )
    start_s, end_s = np.maximum(found.first / RATE_HZ - ONSET_S, 0.0), found.past / RATE_HZ
    score -= 5.0 * _lacks_chin_rise(signals, earlier, start_s, end_s, logistic(score) >= 0.05)
    nothing = np.full(len(found), np.nan)
    events = Candidates(start_s, end_s, logistic(score), nothing, nothing)
    return Measured(obstacles, events.events(Phenomenon.AROUSAL, bands.label))


@dataclass(frozen=True, slots=True)
class Bands:
    """Natural logarithm of each band's power, twice a second, averaged over the EEG channels.

    Attributes:
        label: of the channel under which arousals are reported.
    """

    label: str
    theta: Doubles
    alpha: Doubles
    sigma: Doubles
    fast: Doubles
    delta: Doubles

    @classmethod
    def of(cls, signals: Signals) -> Bands | None:
        """None where no EEG channel shows fast activity."""
        shown = [signal for _, signal in signals.channels(_PREFERRED) if signal.shows(FAST_HZ[1])]
        if not shown or not signals.n_epochs:
            return None
        log_power = (
            _log_power(shown, band) for band in (THETA_HZ, ALPHA_HZ, SIGMA_HZ, FAST_HZ, DELTA_HZ)
        )
        return cls(shown[0].label, *log_power)

    def shift(self) -> Doubles:
        """How far the EEG has shifted to faster frequencies. A spindle's sigma and a K complex's
        delta speak against it."""
        theta, alpha, sigma, fast, delta = (
            each - _usual_before(each)
            for each in (self.theta, self.alpha, self.sigma, self.fast, self.delta)
        )
        shift: Doubles = (
            0.4 * np.clip(theta, 0.0, 2.0)
            + 0.6 * np.clip(alpha, 0.0, 3.0)
            + 0.8 * np.clip(fast, 0.0, 3.0)
            - 0.8 * np.maximum(sigma - np.maximum(alpha, fast), 0.0)
            - 0.4 * np.maximum(delta, 0.0)
        )
        return shift


_STRIDE = 10 // RATE_HZ
_PREFERRED = (Role.CENTRAL, Role.OCCIPITAL, Role.FRONTAL)


def _log_power(shown: Sequence[Signal], band_hz: tuple[float, float]) -> Doubles:
    each = [np.log(s.spectrum.density(*band_hz, over_s=0.5)[::_STRIDE] + 0.01) for s in shown]
    mean: Doubles = np.mean(each, axis=0, dtype=np.float64)
    return mean


def _usual_before(log_power: Doubles) -> Doubles:
    """The median of the stretch before each moment."""
    width = round(BEFORE_S * RATE_HZ)
    back = width // 2 + round(PAUSE_S * RATE_HZ)
    usual = median_filter(log_power, width, mode="nearest")
    before: Doubles = np.concatenate((np.full(back, usual[0]), usual))[: len(log_power)]
    return before


def _runs(shift: Doubles) -> Spans:
    """Stretches of shifted EEG, cut where they have become wakefulness.

    The window of the spectrum smears a large shift far beyond its ends, so that each stretch
    reaches only as far as it has some share of its size.
    """
    rough = Spans.of_mask(uniform_filter1d(shift, 3, mode="nearest") >= SHIFT)
    rough = rough.where(rough.past - rough.first >= CANDIDATE_S * RATE_HZ)
    first, past = rough.first.copy(), rough.past.copy()
    for i, (a, b) in enumerate(zip(rough.first, rough.past, strict=True)):
        share = shift[a:b] / shift[a:b].max()
        first[i] = a + np.flatnonzero(share >= BEGINS_AT)[0]
        past[i] = a + np.flatnonzero(share >= ENDS_AT)[-1] + 1
    return Spans(first, np.minimum(past, first + round(LONGEST_S * RATE_HZ)))


def _interrupted(found: Spans) -> Doubles:
    """1 where another run ended less than ten seconds before, and had itself lasted."""
    since_s = (found.first[1:] - found.past[:-1]) / RATE_HZ
    lasted = (found.past - found.first)[:-1] >= SHORTEST_S * RATE_HZ
    return np.concatenate(([0.0], ((since_s < SLEEP_S) & lasted).astype(np.float64)))


# ── sleep, wakefulness and the chin, from the evidence itself ─────────────────────────────


def _wakefulness(earlier: Earlier, bands: Bands) -> Doubles:
    """Log-odds that the ten seconds before each moment were awake rather than asleep."""
    n = len(bands.fast)
    alpha = _share_before(_present(earlier, Phenomenon.ALPHA_RHYTHM, n))
    blinks = _share_before(_present(earlier, Phenomenon.EYE_BLINKS, n))
    fast = _mean_before(bands.fast) - np.percentile(bands.fast, 30)
    tense = np.repeat(
        chin_tone.epochs_at(Level.HIGH, earlier[Phenomenon.CHIN_TONE]), round(EPOCH_S * RATE_HZ)
    )
    tense = np.pad(tense, (0, max(n - len(tense), 0)), mode="edge")[:n]
    log_odds: Doubles = (
        -3.0
        + 6.0 * alpha
        + 15.0 * blinks
        + 3.0 * np.maximum(fast - 0.7, 0.0)
        + 2.0 * _share_before(tense)
    )
    return log_odds


def _present(earlier: Earlier, kind: Phenomenon, n: int) -> Mask:
    return events_mask(earlier[kind].events, lambda _: 0.5, n, RATE_HZ)


def _share_before(mask: Mask) -> Doubles:
    return _mean_before(mask.astype(np.float64))


def _mean_before(values: Doubles) -> Doubles:
    width = round(SLEEP_S * RATE_HZ)
    mean: Doubles = uniform_filter1d(values, width, mode="nearest", origin=width // 2 - 1)
    return mean


def _lacks_chin_rise(
    signals: Signals, earlier: Earlier, start_s: Doubles, end_s: Doubles, worth_it: Mask
) -> Doubles:
    """1 where tone is as low as in stage R and the chin does not tense with the shift."""
    lacks = np.zeros(len(start_s))
    channel = signals.raw(Role.CHIN)
    low = chin_tone.epochs_at(Level.LOW, earlier[Phenomenon.CHIN_TONE])
    if channel is None:
        return lacks
    for i in np.flatnonzero(worth_it):
        if low[min(int(start_s[i] // EPOCH_S), len(low) - 1)]:
            lacks[i] = not _chin_rises(channel, float(start_s[i]), float(end_s[i]))
    return lacks


def _chin_rises(channel: Channel, start_s: float, end_s: float) -> bool:
    before_uv = chin_tone.course_uv(channel, max(start_s - SLEEP_S, 0.0), start_s)
    during_uv = chin_tone.course_uv(channel, start_s - 1.0, end_s + 1.0)
    raised = during_uv >= CHIN_RISE * np.nanmedian(before_uv)
    return bool(raised.sum() * chin_tone.WINDOW_S >= CHIN_RISE_S)
