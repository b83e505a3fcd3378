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
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from auditor.evidence.grid import EPOCH_SAMPLES, WORKING_RATE_HZ, Doubles, Indices, Mask
from auditor.evidence.mislabelled import mislabelled, sampled_epochs
from auditor.evidence.movement import movement_probability
from auditor.evidence.seconds import MAINS_HZ, SLOWEST_RATE_HZ, Seconds
from auditor.evidence.signals import Reasons, Signal, Signals
from auditor.vocabulary import EEG_ROLES, EPOCH_S, Role

HIDDEN_S = 10
"""An epoch is poor where this many of its seconds are lost: what is said of a third of an epoch
that nobody saw is a guess."""
MOVEMENT_HIDES_S = 24
"""Movement leaves something to see between its bursts, and body movements must be seen
themselves; only where it covers nearly all of the epoch does it hide the rest."""

LEAST_UV = {False: 1.5, True: 0.15}
"""Peak to peak in a second, of EEG and eyes and (True) of the chin: low-amplitude EEG still has
some 10 µV, an atonic chin some 1 µV."""
SMALLEST_SCALE_UV = {False: 0.3, True: 0.03}
LARGEST_SCALE_UV = 5_000.0
"""Peak to peak in a typical second, likewise. Volts taken for microvolts come out near 0.00005,
millivolts near 0.05, nanovolts near 50 000."""

MAINS_NOTED_UV = 5.0
MAINS_HIDES_UV = 100.0
"""Amplitude of the mains in a channel whose electrode has no contact, far above any EEG."""

SWAY_UV = 40.0
"""Standard deviation of one-second means: slow waves, which are faster, leave 25 µV there."""
_DRIFT_S = 9

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
    lies = mislabelled(signals)
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


# ── epoch by epoch ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Trouble:
    """One thing that can hide a channel.

    Attributes:
        sentence: what a physician is told.
        lost_s: how many seconds of each epoch it takes.
        hides_from_s: from how many on it hides the epoch.
    """

    sentence: str
    lost_s: Indices
    hides_from_s: int = HIDDEN_S


def _reasons(role: Role, label: str, seconds: Seconds, working: Signal | None, lie: str) -> Reasons:
    """The worst thing that is wrong in each epoch."""
    n_epochs = len(seconds.recorded) // round(EPOCH_S)
    throughout = _scale(role, label, seconds) or lie
    if throughout:
        return (throughout,) * n_epochs
    reasons = [""] * n_epochs
    for trouble in _troubles(role, label, seconds, working):
        for epoch in np.flatnonzero(trouble.lost_s >= trouble.hides_from_s):
            reasons[epoch] = reasons[epoch] or trouble.sentence
    return tuple(reasons)


def _troubles(
    role: Role, label: str, seconds: Seconds, working: Signal | None
) -> Iterator[_Trouble]:
    """Worst first."""
    faint = seconds.recorded & (seconds.peak_to_peak_uv < LEAST_UV[role is Role.CHIN])
    hum = seconds.mains_uv.max(axis=1, initial=0.0) >= MAINS_HIDES_UV
    off = "as when an electrode is off"
    yield _Trouble(f"{label} was not recorded", _per_epoch(~seconds.recorded))
    yield _Trouble(f"{label} is flat", _per_epoch(seconds.flat))
    yield _Trouble(f"{label} is clipped", _per_epoch(seconds.clipped))
    yield _Trouble(f"{label} shows hardly any signal, {off}", _per_epoch(faint))
    yield _Trouble(f"{label} is drowned in mains, {off}", _per_epoch(hum))
    if working is None:
        return
    n_epochs = len(seconds.recorded) // round(EPOCH_S)
    moving = movement_probability(working, n_epochs) >= 0.5
    yield _Trouble(
        f"movement and muscle artefact hide {label}", _per_epoch(moving), MOVEMENT_HIDES_S
    )
    if role in EEG_ROLES:
        sways = np.repeat(_sway_uv(working, n_epochs) >= SWAY_UV, round(EPOCH_S))
        yield _Trouble(f"{label} sways slowly, as with sweat", _per_epoch(sways))


def _per_epoch(seconds: Mask) -> Indices:
    """How many seconds of each epoch are True."""
    counts: Indices = seconds.reshape(-1, round(EPOCH_S)).sum(axis=1, dtype=np.intp)
    return counts


def _scale(role: Role, label: str, seconds: Seconds) -> str:
    """What is implausible about the size of the whole channel's signal."""
    live = seconds.recorded & ~seconds.flat
    if not live.any():
        return ""
    typical_uv = float(np.median(seconds.peak_to_peak_uv[live]))
    if SMALLEST_SCALE_UV[role is Role.CHIN] <= typical_uv <= LARGEST_SCALE_UV:
        return ""
    return (
        f"{label} shows {typical_uv:.2g} µV, which is no body signal: "
        "the file probably names the wrong unit, or the electrode is off"
    )


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
    epochs = sampled_epochs(working.samples)
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
