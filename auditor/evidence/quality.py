"""Signal quality: what is wrong with each channel, epoch by epoch, in a physician's words.

Two kinds of trouble are told apart. What hides the signal makes the epoch *poor*, and whatever
needs the channel is not assessable there: nothing recorded, flat, clipped, an electrode that is
off, sweat sway, movement over nearly all of the epoch, a scale that cannot be, a channel whose
signal is not what its name says. What a detector can look past is only noted: mains and ECG.

AASM scoring manual, technical and digital specifications (impedance, filters, artefacts); the
figures here are our own reading of it and stand beside their reasons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import signal as sp
from scipy.ndimage import uniform_filter1d

from auditor.evidence.base import (
    EPOCH_SAMPLES,
    WORKING_RATE_HZ,
    Doubles,
    Floats,
    Indices,
    Mask,
    Reasons,
    Signal,
    Signals,
    logistic,
)
from auditor.vocabulary import EEG_ROLES, EPOCH_S, Channel, Role

SLOWEST_RATE_HZ = 20.0
"""Below this no second of the channel shows enough to be judged."""

HIDDEN_S = 10
"""An epoch is poor where this many of its seconds are lost: what is said of a third of an epoch
that nobody saw is a guess."""
MOVEMENT_HIDES_S = 24
"""Movement leaves something to see between its bursts, and body movements must be seen
themselves; only where it covers nearly all of the epoch does it hide the rest."""

CLIPPED_SHARE = 0.02
"""Of a second's samples, at the very end of the channel's range."""
STUCK_SHARE = 0.9
"""Of a second's samples, equal to the one before."""

LEAST_UV = {False: 1.5, True: 0.15}
"""Peak to peak in a second, of EEG and eyes and (True) of the chin: low-amplitude EEG still has
some 10 µV, an atonic chin some 1 µV."""
SMALLEST_SCALE_UV, LARGEST_SCALE_UV = 0.05, 5_000.0
"""Peak to peak in a typical second. Volts taken for microvolts come out near 0.00005, millivolts
near 0.05; nanovolts near 50 000."""

MAINS_HZ = (50.0, 60.0)
MAINS_NOTED_UV = 5.0
MAINS_HIDES_UV = 100.0
"""Amplitude of the mains in a channel whose electrode has no contact, far above any EEG."""

SWAY_UV = 40.0
"""Standard deviation of one-second means: slow waves, which are faster, leave 25 µV there."""
_DRIFT_S = 9

MOVEMENT_SWING_UV = 120.0
"""Peak to peak in a second: slow waves and blinks exceed it, but without muscle."""
MOVEMENT_MUSCLE_UV = 5.0
_MUSCLE_HZ = (25.0, 40.0)
"""RMS between 25 and 40 Hz: EEG has 1 to 3 µV there and a frowning forehead up to 8."""
_MOVEMENT_S = 3
"""A movement is not the same from second to second."""
MUSCLE_OVER_NIGHT = 3.5
"""And this many times what the channel shows there in a typical second."""

_SAMPLED_EPOCHS = 120
"""Spread over the night: enough to judge what a channel is."""
LIKENESS = 0.6
"""Median correlation with an EEG channel at which a chin channel shows EEG. Measured: chin
channels that are chin 0.3 at most, mislabelled ones 0.8."""
LIKENESS_OF_EYES = 0.5
MORE_ALIKE = 0.1
APART_SHARE = 0.4
"""Eyes that move put more than this share of their power out of phase in the liveliest
twentieth of the epochs; two EEG channels never do."""
EMG_SLOPE = 0.2
"""Amplitude at 22–44 Hz against that at 4–15 Hz, measured: 0.5 in a relaxed chin with all that
leaks into it, 0.14 in EEG."""

HEART_RATE_HZ = (0.6, 1.8)
HEART_BEAT = 0.35
"""Autocorrelation of the sharp transients at the heart's rhythm."""
_LEAST_BEAT_UV = 0.1


@dataclass(frozen=True, slots=True)
class Quality:
    """How fit the channels are for use.

    Attributes:
        reasons: by role, why the channel is poor, epoch by epoch; empty where it is good.
        notes: by role, what is present throughout and does not hide the signal.
    """

    reasons: Mapping[Role, Reasons]
    notes: Mapping[Role, str]

    def verdict(self, role: Role) -> str:
        """The channel over the whole recording, in a few words: "good", or what is wrong."""
        poor = Counter(filter(None, self.reasons[role]))
        found = [
            reason if n == len(self.reasons[role]) else f"{reason} in {_epochs(n)}"
            for reason, n in poor.most_common()
        ]
        return "; ".join(filter(None, (*found, self.notes[role]))) or "good"


def _epochs(n: int) -> str:
    return "1 epoch" if n == 1 else f"{n} epochs"


def judge(signals: Signals) -> Quality:
    """Judges every channel of the montage."""
    lies = _lies(signals)
    reasons: dict[Role, Reasons] = {}
    notes: dict[Role, str] = {}
    for role, derivation in signals.montage.roles.items():
        channel = derivation.channel
        if channel.sampling_rate_hz < SLOWEST_RATE_HZ:
            slow = f"{channel.label} was sampled at only {channel.sampling_rate_hz:g} Hz"
            reasons[role], notes[role] = signals.throughout(slow), ""
            continue
        seconds = Seconds.of(channel, signals.n_epochs)
        working = signals.by_role.get(role)
        reasons[role] = _reasons(role, channel.label, seconds, working, lies.get(role, ""))
        notes[role] = "; ".join(filter(None, (_mains_note(seconds), _heart_note(working))))
    return Quality(reasons, notes)


# ── second by second, at the channel's own rate ───────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Seconds:
    """What every second of a channel shows; arrays of shape ``(30 · n_epochs,)``.

    Attributes:
        recorded: whether all of it was recorded.
        low_uv, high_uv: its extremes; 0 where it was not recorded.
        at_low, at_high: share of its samples that are equal to them.
        stuck: share of its samples that are equal to the one before.
        mains_uv: amplitude at each of :data:`MAINS_HZ`, shape ``(30 · n_epochs, 2)``; 0 where it
            does not stand out or the rate does not show it.
    """

    recorded: Mask
    low_uv: Doubles = field(repr=False)
    high_uv: Doubles = field(repr=False)
    at_low: Doubles = field(repr=False)
    at_high: Doubles = field(repr=False)
    stuck: Doubles = field(repr=False)
    mains_uv: Doubles = field(repr=False)

    @classmethod
    def of(cls, channel: Channel, n_epochs: int) -> Seconds:
        pieces = [_piece(channel, window) for window in _pieces(n_epochs)]
        if not pieces:
            return cls(np.zeros(0, np.bool_), *(np.zeros(0),) * 5, np.zeros((0, len(MAINS_HZ))))
        return cls(*(np.concatenate(columns) for columns in zip(*pieces, strict=True)))

    @property
    def peak_to_peak_uv(self) -> Doubles:
        return self.high_uv - self.low_uv

    @property
    def flat(self) -> Mask:
        flat: Mask = self.recorded & ((self.high_uv == self.low_uv) | (self.stuck >= STUCK_SHARE))
        return flat

    @property
    def clipped(self) -> Mask:
        """Where the signal rests at an end of the range that the channel has used at all."""
        if not self.recorded.any():
            return self.recorded
        bottom, top = self.low_uv[self.recorded].min(), self.high_uv[self.recorded].max()
        at_bottom = (self.low_uv == bottom) & (self.at_low >= CLIPPED_SHARE)
        at_top = (self.high_uv == top) & (self.at_high >= CLIPPED_SHARE)
        clipped: Mask = self.recorded & ~self.flat & (at_bottom | at_top)
        return clipped


def _pieces(n_epochs: int) -> Iterator[range]:
    """The recording's seconds, ten minutes at a time."""
    n_seconds = round(n_epochs * EPOCH_S)
    for start in range(0, n_seconds, 600):
        yield range(start, min(start + 600, n_seconds))


def _piece(channel: Channel, seconds: range) -> tuple[Mask | Doubles, ...]:
    rate_hz = channel.sampling_rate_hz
    width = int(rate_hz)
    starts = np.round(np.arange(seconds.start, seconds.stop) * rate_hz).astype(np.intp)
    samples = np.full(starts[-1] - starts[0] + width, np.nan)
    read = channel.source.read(int(starts[0]), min(int(starts[-1]) + width, channel.n_samples))
    samples[: len(read)] = read
    known = np.isfinite(samples)
    samples[~known] = 0.0
    windows = sliding_window_view(samples, width)[starts - starts[0]]
    low, high = windows.min(axis=1), windows.max(axis=1)
    return (
        sliding_window_view(known, width)[starts - starts[0]].all(axis=1),
        low,
        high,
        (windows == low[:, None]).mean(axis=1),
        (windows == high[:, None]).mean(axis=1),
        (windows[:, 1:] == windows[:, :-1]).mean(axis=1),
        _mains(windows, rate_hz),
    )


def _mains(windows: Doubles, rate_hz: float) -> Doubles:
    """Amplitude at 50 and 60 Hz in each second, where it is thrice that of either side."""
    amplitudes = np.zeros((len(windows), len(MAINS_HZ)))
    for column, mains_hz in enumerate(MAINS_HZ):
        if rate_hz < 2.2 * mains_hz:
            continue
        probes_hz = mains_hz + np.array([-4.0, 0.0, 4.0])
        phase = 2j * np.pi * np.outer(np.arange(windows.shape[1]) / rate_hz, probes_hz)
        taper = sp.windows.hann(windows.shape[1])[:, None] / windows.shape[1] * 4
        waves = taper * np.exp(-phase)
        below, at, above = np.hypot(windows @ waves.real, windows @ waves.imag).T
        amplitudes[:, column] = np.where(at > 3 * np.maximum(below, above), at, 0.0)
    return amplitudes


# ── epoch by epoch ────────────────────────────────────────────────────────────────────────


def _reasons(role: Role, label: str, seconds: Seconds, working: Signal | None, lie: str) -> Reasons:
    """The worst thing that is wrong in each epoch."""
    n_epochs = len(seconds.recorded) // round(EPOCH_S)
    throughout = _scale(label, seconds) or lie
    if throughout:
        return (throughout,) * n_epochs
    faint = seconds.recorded & (seconds.peak_to_peak_uv < LEAST_UV[role is Role.CHIN])
    hum = seconds.mains_uv.max(axis=1, initial=0.0) >= MAINS_HIDES_UV
    troubles = [
        (_per_epoch(~seconds.recorded), HIDDEN_S, f"{label} was not recorded"),
        (_per_epoch(seconds.flat), HIDDEN_S, f"{label} is flat"),
        (_per_epoch(seconds.clipped), HIDDEN_S, f"{label} is clipped"),
        (
            _per_epoch(faint),
            HIDDEN_S,
            f"{label} shows hardly any signal, as when an electrode is off",
        ),
        (
            _per_epoch(hum),
            HIDDEN_S,
            f"{label} is drowned in mains, as when an electrode is off",
        ),
    ]
    if working is not None:
        moving = _per_epoch(movement_probability(working, n_epochs) >= 0.5)
        troubles.append((moving, MOVEMENT_HIDES_S, f"movement and muscle artefact hide {label}"))
    if working is not None and role in EEG_ROLES:
        sway = np.where(_sway_uv(working, n_epochs) >= SWAY_UV, round(EPOCH_S), 0)
        troubles.append((sway, 1, f"{label} sways slowly, as with sweat"))
    reasons = [""] * n_epochs
    for lost_s, at_least, sentence in reversed(troubles):
        for epoch in np.flatnonzero(lost_s >= at_least):
            reasons[epoch] = sentence
    return tuple(reasons)


def _per_epoch(seconds: Mask) -> Indices:
    """How many seconds of each epoch are True."""
    counts: Indices = seconds.reshape(-1, round(EPOCH_S)).sum(axis=1, dtype=np.intp)
    return counts


def _scale(label: str, seconds: Seconds) -> str:
    """What is implausible about the size of the whole channel's signal."""
    live = seconds.recorded & ~seconds.flat
    if not live.any():
        return ""
    typical_uv = float(np.median(seconds.peak_to_peak_uv[live]))
    if typical_uv < SMALLEST_SCALE_UV:
        return (
            f"{label} shows {typical_uv:.2g} µV, which is no body signal: "
            "the file probably names the wrong unit"
        )
    if typical_uv > LARGEST_SCALE_UV:
        return (
            f"{label} shows {typical_uv:.0f} µV, which is no body signal: "
            "the file probably names the wrong unit, or the electrode is off"
        )
    return ""


def movement_probability(signal: Signal, n_epochs: int) -> Doubles:
    """How likely movement and muscle artefact cover the channel, second by second.

    Movement swings and brings muscle: each makes up for what the other lacks. Shape
    ``(30 · n_epochs,)``; needs a channel that shows 40 Hz.
    """
    seconds = signal.samples[: n_epochs * EPOCH_SAMPLES].reshape(-1, WORKING_RATE_HZ)
    if not len(seconds) or not signal.shows(_MUSCLE_HZ[1]):
        return np.zeros(len(seconds))
    swing_uv = np.maximum(np.ptp(seconds, axis=1), 1.0)
    muscle_uv = np.maximum(_muscle_uv(seconds), 0.1)
    usual_uv = max(MOVEMENT_MUSCLE_UV, MUSCLE_OVER_NIGHT * float(np.median(muscle_uv)))
    strength = np.log(swing_uv / MOVEMENT_SWING_UV * muscle_uv / usual_uv)
    return logistic(5.0 * uniform_filter1d(strength, _MOVEMENT_S, mode="nearest"))


def _muscle_uv(seconds: Floats) -> Doubles:
    """RMS of each second, shape ``(n, 100)``, between 25 and 40 Hz, from its Fourier series."""
    times = np.arange(WORKING_RATE_HZ) / WORKING_RATE_HZ
    phase = 2j * np.pi * np.outer(times, np.arange(_MUSCLE_HZ[0], _MUSCLE_HZ[1] + 1))
    taper = sp.windows.hann(WORKING_RATE_HZ, sym=False)
    waves = np.exp(-phase) * (taper / np.sqrt(np.square(taper).mean()) / WORKING_RATE_HZ)[:, None]
    cosines, sines = waves.real.astype(np.float32), waves.imag.astype(np.float32)
    power = np.square(seconds @ cosines).sum(axis=1) + np.square(seconds @ sines).sum(axis=1)
    muscle_uv: Doubles = np.sqrt(2 * power, dtype=np.float64)
    return muscle_uv


def _sway_uv(signal: Signal, n_epochs: int) -> Doubles:
    """How far the signal wanders between 0.1 and 0.5 Hz in each epoch, as a standard deviation.

    Slower drift is of the electrode and every filter takes it away. A median, so that one jump
    is no sway.
    """
    seconds = signal.samples[: n_epochs * EPOCH_SAMPLES].reshape(-1, WORKING_RATE_HZ)
    means = seconds.mean(axis=1, dtype=np.float64)
    wander = np.abs(means - uniform_filter1d(means, _DRIFT_S, mode="nearest"))
    sway: Doubles = 1.4826 * np.median(wander.reshape(n_epochs, round(EPOCH_S)), axis=1)
    return sway


# ── notes on what detectors look past ─────────────────────────────────────────────────────


def _mains_note(seconds: Seconds) -> str:
    if not seconds.recorded.any():
        return ""
    typical = np.median(seconds.mains_uv[seconds.recorded], axis=0)
    strongest = int(np.argmax(typical))
    if typical[strongest] < MAINS_NOTED_UV:
        return ""
    return f"{MAINS_HZ[strongest]:.0f} Hz mains of {typical[strongest]:.0f} µV"


def _heart_note(working: Signal | None) -> str:
    """Whether sharp transients recur at the heart's rhythm in most of the sampled epochs."""
    if working is None or not working.shows(30.0):
        return ""
    epochs = _sample(working.samples)
    if not len(epochs):
        return ""
    sharp = np.abs(np.diff(epochs, n=2, axis=1))
    every = 4
    envelope = sharp[:, : sharp.shape[1] // every * every].reshape(len(epochs), -1, every).max(2)
    envelope = envelope - envelope.mean(axis=1, keepdims=True)
    envelope[envelope.std(axis=1) < _LEAST_BEAT_UV] = 0.0
    spectrum = np.fft.rfft(envelope, n=2 * envelope.shape[1], axis=1)
    likeness = np.fft.irfft(np.square(np.abs(spectrum)), axis=1)
    likeness /= np.maximum(likeness[:, :1], 1e-12)
    rate_hz = WORKING_RATE_HZ / every
    fastest, slowest = round(rate_hz / HEART_RATE_HZ[1]), round(rate_hz / HEART_RATE_HZ[0])
    beats = likeness[:, fastest:slowest].max(axis=1) >= HEART_BEAT
    return "ECG artefact" if beats.mean() > 0.5 else ""


# ── channels whose names lie ──────────────────────────────────────────────────────────────


def _lies(signals: Signals) -> dict[Role, str]:
    """For each role whose channel shows something else, what it shows."""
    spectra = {
        role: _Spectra.of(working.samples)
        for role, working in signals.by_role.items()
        if working.source_rate_hz >= SLOWEST_RATE_HZ
    }
    lies = {}
    if spectra.keys() >= _EYES_AND_EEG and not _shows_eyes(spectra):
        occipital = signals.by_role[Role.OCCIPITAL].label
        for role in _EYES:
            label = signals.by_role[role].label
            lies[role] = f"{label} shows EEG as {occipital} does and no movement of the eyes"
    chin = signals.raw(Role.CHIN)
    if chin is not None and chin.sampling_rate_hz >= 2.2 * _CHIN_HZ[1]:
        found = _Spectra.of_channel(chin, signals.n_epochs)
        eeg = {role: spectra[role] for role in EEG_ROLES if role in spectra}
        like = _most_alike(signals, found, eeg)
        if like:
            lies[Role.CHIN] = f"{chin.label} shows the EEG of {like} and not the chin's muscle tone"
        elif found.is_eeg:
            lies[Role.CHIN] = f"{chin.label} has the spectrum of EEG and not of the chin's muscle"
    return lies


Coefficients: TypeAlias = npt.NDArray[np.complexfloating[Any, Any]]

_ALIKE_HZ = (1.0, 15.0)
_EYES_HZ = (0.5, 5.0)
_EEG_HZ = (4.0, 15.0)
_CHIN_HZ = (22.0, 44.0)
_NO_POWER = 1e-4
"""µV²; what is left of a flat channel is rounding."""


@dataclass(frozen=True, slots=True)
class _Spectra:
    """Fourier coefficients of the sampled epochs below 45 Hz, shape ``(n, 1350)``.

    An epoch has a coefficient every 1/30 Hz at any sampling rate, so that channels of different
    rates can be compared as they are.
    """

    coefficients: Coefficients

    @classmethod
    def of(cls, samples: Floats) -> _Spectra:
        return cls._of_epochs(_sample(samples))

    @classmethod
    def of_channel(cls, channel: Channel, n_epochs: int) -> _Spectra:
        length = int(EPOCH_S * channel.sampling_rate_hz)
        epochs = np.zeros((len(_sampled(n_epochs)), length))
        for row, epoch in zip(epochs, _sampled(n_epochs), strict=True):
            read = channel.samples(epoch * EPOCH_S, (epoch + 1) * EPOCH_S)[:length]
            row[: len(read)] = np.nan_to_num(read, posinf=0.0, neginf=0.0)
        return cls._of_epochs(epochs)

    @classmethod
    def _of_epochs(cls, epochs: Floats | Doubles) -> _Spectra:
        length = epochs.shape[1]
        centred = (epochs - epochs.mean(axis=1, keepdims=True)) * sp.windows.hann(length)
        return cls(np.fft.rfft(centred, axis=1)[:, : round(45 * EPOCH_S)] / length)

    def band(self, low_hz: float, high_hz: float) -> Coefficients:
        return self.coefficients[:, round(low_hz * EPOCH_S) : round(high_hz * EPOCH_S)]

    def power(self, low_hz: float, high_hz: float) -> Doubles:
        return np.square(np.abs(self.band(low_hz, high_hz))).sum(axis=1)  # type: ignore[no-any-return]

    def likeness(self, other: _Spectra) -> float:
        """Median over the epochs of the absolute correlation, 1–15 Hz."""
        one, two = self.band(*_ALIKE_HZ), other.band(*_ALIKE_HZ)
        both = np.sqrt(self.power(*_ALIKE_HZ) * other.power(*_ALIKE_HZ))
        live = both > _NO_POWER
        if not live.any():
            return 0.0
        shared = np.abs((one * two.conj()).real.sum(axis=1))
        return float(np.median(shared[live] / both[live]))

    @property
    def is_eeg(self) -> bool:
        """Whether the fast part is too weak for EMG in most epochs."""
        eeg, emg = self.power(*_EEG_HZ), self.power(*_CHIN_HZ)
        live = eeg > _NO_POWER
        return bool(live.any() and np.median(np.sqrt(emg[live] / eeg[live])) < EMG_SLOPE)


_EYES = (Role.LEFT_EYE, Role.RIGHT_EYE)
_EYES_AND_EEG = frozenset((*_EYES, Role.FRONTAL, Role.OCCIPITAL))


def _shows_eyes(spectra: Mapping[Role, _Spectra]) -> bool:
    """Whether the eye channels show eyes, or see no more than EEG from the back of the head.

    EEG at the eyes is that of the forehead; a channel that is more like the occiput lies
    elsewhere, unless both move apart all the same.
    """
    left, right = (spectra[role] for role in _EYES)
    for eye in (left, right):
        behind = eye.likeness(spectra[Role.OCCIPITAL])
        before = eye.likeness(spectra[Role.FRONTAL])
        if behind < LIKENESS_OF_EYES or behind < before + MORE_ALIKE:
            return True
    return _apart(left, right) >= APART_SHARE


def _apart(left: _Spectra, right: _Spectra) -> float:
    """How much of the eyes' power is out of phase in the liveliest of the sampled epochs."""
    apart = _Spectra(left.coefficients - right.coefficients).power(*_EYES_HZ)
    together = _Spectra(left.coefficients + right.coefficients).power(*_EYES_HZ)
    whole = apart + together
    live = whole > _NO_POWER
    return float(np.percentile(apart[live] / whole[live], 95)) if live.any() else 1.0


def _most_alike(signals: Signals, found: _Spectra, eeg: Mapping[Role, _Spectra]) -> str:
    """The label of the EEG channel that it resembles most; empty where it resembles none."""
    likeness = {role: found.likeness(spectra) for role, spectra in eeg.items()}
    best = max(likeness, key=likeness.__getitem__, default=None)
    if best is None or likeness[best] < LIKENESS:
        return ""
    return signals.by_role[best].label


def _sampled(n_epochs: int) -> Indices:
    """Indices of epochs spread evenly over the recording."""
    evenly = np.linspace(0, n_epochs - 1, min(n_epochs, _SAMPLED_EPOCHS))
    return np.unique(evenly.astype(np.intp))


def _sample(samples: Floats) -> Floats:
    """The sampled epochs of a working signal, shape ``(n, 3000)``."""
    n_epochs = len(samples) // EPOCH_SAMPLES
    epochs: Floats = samples[: n_epochs * EPOCH_SAMPLES].reshape(n_epochs, EPOCH_SAMPLES)
    return epochs[_sampled(n_epochs)]
