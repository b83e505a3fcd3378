"""The images that the vision-language model sees: one epoch, six traces on black, 448 × 224.

The published weights (arXiv:2603.26738) were trained on exactly these pixels, so every number
here is theirs, oddities included: chin EMG is filtered up to 100 Hz and then sampled at 100 Hz,
which aliases; corner frequencies are held between 0.001 and 0.999 of Nyquist; each channel is
filtered and resampled whole, before it is cut into epochs; traces are not clipped.

Drawing is matplotlib's Agg, as it was for them. One figure is reused for a whole night: only
its traces change, and no file is written unless asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import signal

from auditor.errors import RecordingRefused
from auditor.vocabulary import EPOCH_S, Channel, Montage, Role, Samples

Image: TypeAlias = npt.NDArray[np.uint8]
"""Shape ``(224, 448, 3)``, red, green, blue."""

WIDTH_PX, HEIGHT_PX, DPI = 448, 224, 100
RATE_HZ = 100.0
EPOCH_SAMPLES = int(EPOCH_S * RATE_HZ)
MAINS_HZ = 50.0
"""What the published weights were trained with."""

_ORDER = 4
_MAINS_Q = 20.0
_SAME_RATE_HZ = 0.1
"""A channel this near to 100 Hz is taken as it is."""
_CORNERS = (0.001, 0.999)
"""Corner frequencies stay within these shares of Nyquist."""


@dataclass(frozen=True, slots=True)
class Trace:
    """How a role is drawn.

    Attributes:
        colour: of the line.
        band_hz: corners of its band-pass.
        full_height_uv: peak to peak of what fills its band of the image.
    """

    colour: str
    band_hz: tuple[float, float]
    full_height_uv: float


_EEG_HZ, _CHIN_HZ = (0.3, 35.0), (10.0, 100.0)

TRACES: Mapping[Role, Trace] = {
    Role.FRONTAL: Trace("#FFFF00", _EEG_HZ, 100.0),
    Role.CENTRAL: Trace("#00FF00", _EEG_HZ, 100.0),
    Role.OCCIPITAL: Trace("#FF0000", _EEG_HZ, 100.0),
    Role.LEFT_EYE: Trace("#00FFFF", _EEG_HZ, 100.0),
    Role.RIGHT_EYE: Trace("#FF00FF", _EEG_HZ, 100.0),
    Role.CHIN: Trace("#0000FF", _CHIN_HZ, 80.0),
}
"""From top to bottom."""

_GRID = "#404040"
_TRACE_PT = 0.6
_SECOND: Mapping[str, Any] = {"color": _GRID, "alpha": 0.6, "linewidth": 0.5}
_FIFTH_SECOND: Mapping[str, Any] = {"color": _GRID, "alpha": 0.8, "linewidth": 0.8}
_BETWEEN_BANDS = _FIFTH_SECOND


def filtered(channel: Channel, band_hz: tuple[float, float], mains_hz: float) -> Samples:
    """A whole channel as it is drawn: filtered forwards and backwards, then at 100 Hz.

    Args:
        channel: in µV.
        band_hz: corners of the band-pass.
        mains_hz: frequency of the notch; none is made above the channel's Nyquist frequency.

    Returns:
        µV at 100 Hz from the recording's start, shape ``(n,)``, NaN where nothing was recorded.
    """
    rate_hz = channel.sampling_rate_hz
    raw = channel.samples()
    recorded = np.isfinite(raw)
    if not recorded.any():
        return _at_rate(raw, rate_hz)
    times = np.arange(len(raw))
    shown = np.interp(times, times[recorded], raw[recorded])
    low, high = np.clip(np.array(band_hz) / (rate_hz / 2), *_CORNERS)
    if low < high:
        shown = signal.filtfilt(*signal.butter(_ORDER, (low, high), "bandpass"), shown)
    if mains_hz <= rate_hz / 2:
        shown = signal.filtfilt(*signal.iirnotch(mains_hz, _MAINS_Q, rate_hz), shown)
    shown[~recorded] = np.nan
    return _at_rate(shown, rate_hz)


def _at_rate(samples: Samples, rate_hz: float) -> Samples:
    """Read off at equal steps from the first sample to the last, straight lines between."""
    if abs(rate_hz - RATE_HZ) < _SAME_RATE_HZ:
        return samples
    n_in = len(samples)
    places = np.linspace(0, n_in - 1, round(RATE_HZ / rate_hz * n_in))
    return np.interp(places, np.arange(n_in), samples)


class Renderer:
    """Draws the epochs of one recording.

    Args:
        montage: a role that it lacks is left out, and the other bands grow.
        mains_hz: frequency of the notch.

    Attributes:
        roles: those drawn, from top to bottom.
        missing: those left out.

    Raises:
        RecordingRefused: the montage has none of the six roles.
    """

    def __init__(self, montage: Montage, mains_hz: float = MAINS_HZ) -> None:
        self.roles = tuple(role for role in TRACES if role in montage.roles)
        self.missing = tuple(role for role in TRACES if role not in montage.roles)
        if not self.roles:
            raise RecordingRefused(
                montage.recording.name,
                "no channel that could be drawn was found",
                "name the channels in a channel-names file",
            )
        self._signals = {
            role: filtered(montage.roles[role].channel, TRACES[role].band_hz, mains_hz)
            for role in self.roles
        }
        self._canvas = FigureCanvasAgg(
            Figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), dpi=DPI, facecolor="black")
        )
        self._lines = self._draw_frame()

    def _draw_frame(self) -> list[Line2D]:
        """Everything but the traces' shapes."""
        axes = self._canvas.figure.add_axes((0.0, 0.0, 1.0, 1.0), facecolor="black")
        seconds = np.linspace(0, EPOCH_S, EPOCH_SAMPLES)
        lines = [
            axes.plot(seconds, np.zeros(EPOCH_SAMPLES), color=TRACES[role].colour, lw=_TRACE_PT)[0]
            for role in self.roles
        ]
        for second in range(1, int(EPOCH_S)):
            axes.axvline(second, **(_FIFTH_SECOND if second % 5 == 0 else _SECOND))
        for boundary in range(1, len(self.roles)):
            axes.axhline(boundary / len(self.roles), **_BETWEEN_BANDS)
        axes.set(xlim=(0, EPOCH_S), ylim=(0, 1), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        return lines

    def image(self, epoch: int) -> Image:
        """One epoch as an image; where nothing was recorded the traces are broken."""
        start = epoch * EPOCH_SAMPLES
        band = 1.0 / len(self.roles)
        for position, (role, line) in enumerate(zip(self.roles, self._lines, strict=True)):
            samples = self._signals[role][start : start + EPOCH_SAMPLES]
            centre = (len(self.roles) - position - 0.5) * band
            line.set_ydata(centre + samples / TRACES[role].full_height_uv * band)
        renderer = self._canvas.get_renderer()
        renderer.clear()
        self._canvas.figure.draw(renderer)
        return np.asarray(renderer.buffer_rgba())[:, :, :3].copy()
