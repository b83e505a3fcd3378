"""Channels whose names lie: an "EMG" that is EEG, an "EOG" that sees no eyes.

Judged on epochs spread over the whole recording, by what the channels have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import signal as sp

from auditor.evidence.grid import EPOCH_SAMPLES, Doubles, Floats, Indices
from auditor.evidence.seconds import SLOWEST_RATE_HZ
from auditor.evidence.signals import Signals
from auditor.vocabulary import EEG_ROLES, EPOCH_S, Channel, Role

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

Coefficients: TypeAlias = npt.NDArray[np.complexfloating[Any, Any]]

_ALIKE_HZ = (1.0, 15.0)
_EYES_HZ = (0.5, 5.0)
_EEG_HZ = (4.0, 15.0)
_CHIN_HZ = (22.0, 44.0)
_NO_POWER = 1e-4
"""µV²; what is left of a flat channel is rounding."""
_EYES = (Role.LEFT_EYE, Role.RIGHT_EYE)
_EYES_AND_EEG = frozenset((*_EYES, Role.FRONTAL, Role.OCCIPITAL))


def mislabelled(signals: Signals) -> Mapping[Role, str]:
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
    if chin is not None and chin.sampling_rate_hz >= 2.5 * _CHIN_HZ[1]:
        found = _Spectra.of_channel(chin, signals.n_epochs)
        eeg = {role: spectra[role] for role in EEG_ROLES if role in spectra}
        like = _most_alike(signals, found, eeg)
        if like:
            lies[Role.CHIN] = f"{chin.label} shows the EEG of {like} and not the chin's muscle tone"
        elif found.is_eeg:
            lies[Role.CHIN] = f"{chin.label} has the spectrum of EEG and not of the chin's muscle"
    return lies


@dataclass(frozen=True, slots=True)
class _Spectra:
    """Fourier coefficients of the sampled epochs below 45 Hz, shape ``(n, 1350)``.

    An epoch has a coefficient every 1/30 Hz at any sampling rate, so that channels of different
    rates can be compared as they are.
    """

    coefficients: Coefficients

    @classmethod
    def of(cls, samples: Floats) -> _Spectra:
        return cls._of_epochs(sampled_epochs(samples))

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


def sampled_epochs(samples: Floats) -> Floats:
    """The sampled epochs of a working signal, shape ``(n, 3000)``."""
    n_epochs = len(samples) // EPOCH_SAMPLES
    epochs: Floats = samples[: n_epochs * EPOCH_SAMPLES].reshape(n_epochs, EPOCH_SAMPLES)
    return epochs[_sampled(n_epochs)]
