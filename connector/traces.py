"""A channel as it is shown on paper or screen: filtered for the eye, an epoch at a time.

Nothing is measured on these: the auditor's evidence has filters of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal as sp

from auditor.vocabulary import Channel, Epoch, Samples

_MARGIN_S = 10.0
"""Read on either side of an epoch, so that the filter has settled where the eye looks: three
periods of the slowest wave shown."""
_SHOWN_UP_TO = 0.45
"""Share of the sampling rate up to which a recorder's own anti-aliasing leaves the signal."""


@dataclass(frozen=True, slots=True)
class Passband:
    """What is shown of a signal, in Hz."""

    low_hz: float
    high_hz: float

    def of(self, sampling_rate_hz: float) -> Passband | None:
        """What a channel of this rate can show of it; None where that is next to nothing."""
        high_hz = min(self.high_hz, _SHOWN_UP_TO * sampling_rate_hz)
        return Passband(self.low_hz, high_hz) if high_hz >= 2 * self.low_hz else None

    def __str__(self) -> str:
        return f"{self.low_hz:g}–{self.high_hz:g} Hz"


# AASM scoring manual, technical and digital specifications: filter settings for display.
BRAIN_AND_EYES = Passband(0.3, 35.0)
MUSCLE = Passband(10.0, 100.0)


def display_trace(channel: Channel, epoch: Epoch, passband: Passband) -> tuple[Samples, Samples]:
    """One epoch of a channel within a passband, without phase shift.

    Args:
        channel: the signal.
        epoch: which part of it.
        passband: within what the channel's rate can show: see :meth:`Passband.of`.

    Returns:
        Seconds from the epoch's start and µV, of shape ``(n_samples,)`` each; NaN where nothing
        was recorded.
    """
    rate_hz = channel.sampling_rate_hz
    begin_s = max(0.0, epoch.start_s - _MARGIN_S)
    raw = channel.samples(begin_s, epoch.end_s + _MARGIN_S)
    seconds = (round(begin_s * rate_hz) + np.arange(len(raw))) / rate_hz - epoch.start_s
    shown = _filtered(raw, rate_hz, passband)
    within = (seconds >= 0.0) & (seconds <= epoch.end_s - epoch.start_s)
    return seconds[within], shown[within]


def _filtered(raw: Samples, rate_hz: float, passband: Passband) -> Samples:
    recorded = np.isfinite(raw)
    if not recorded.any():
        return raw
    at = np.arange(len(raw))
    bridged = np.interp(at, at[recorded], raw[recorded])
    band = (passband.low_hz, passband.high_hz)
    sections = sp.butter(2, band, "bandpass", fs=rate_hz, output="sos")
    shown: Samples = sp.sosfiltfilt(sections, bridged)
    shown[~recorded] = np.nan
    return shown


def thinned(seconds: Samples, values: Samples, columns_per_s: float) -> tuple[Samples, Samples]:
    """The lowest and highest value of each column of pixels, where there are many to a column.

    What a pen would blacken stays the same; a drawing of fewer points is drawn faster.
    """
    n_samples = len(values)
    per_column = int(n_samples / max(np.ptp(seconds), 1e-9) / columns_per_s) if n_samples else 0
    if per_column < 4:
        return seconds, values
    n_columns = n_samples // per_column
    kept = n_columns * per_column
    columns = values[:kept].reshape(n_columns, per_column)
    ends = np.stack((columns.min(axis=1), columns.max(axis=1)), axis=1)
    at = seconds[:kept].reshape(n_columns, per_column)[:, [0, per_column // 2]]
    return at.ravel(), ends.ravel()
