"""What every second of a channel shows, at the channel's own rate.

Read in pieces of ten minutes, so that memory does not grow with the rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import signal as sp

from auditor.evidence.grid import Doubles, Mask
from auditor.vocabulary import EPOCH_S, Channel

SLOWEST_RATE_HZ = 20.0
"""Below this no second of a channel shows enough to be judged."""

CLIPPED_SHARE = 0.02
"""Of a second's samples, at the very end of the channel's range."""
STUCK_SHARE = 0.9
"""Of a second's samples, equal to the one before."""

MAINS_HZ = (50.0, 60.0)


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
