"""The images that the vision-language model sees: one epoch, six traces on black, 448 × 224.

The published weights (arXiv:2603.26738) were trained on exactly these pixels, so every number
here is theirs, oddities included: chin EMG is filtered up to 100 Hz and then sampled at 100 Hz,
which aliases; corner frequencies are held within 0.001 and 0.999 of Nyquist; each channel is
filtered and resampled whole, before it is cut into epochs; traces are not clipped.

Ours is what they leave open: over a gap of the recording the filters see a straight line, and
the trace is broken.

Drawing is matplotlib's Agg, as it was for them. One figure is reused for a whole night: only
its traces change, and no file is written.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context, style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image as PngImage

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
_CORNERS = (0.001, 0.999)
"""Corner frequencies stay within these shares of Nyquist."""
_SAME_RATE_HZ = 0.1
"""A channel nearer to 100 Hz than this is taken as it is."""

_BATCH = 16
"""Epochs that a worker draws at a time: 2.3 MB of samples there, 4.8 MB of pixels back."""


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

_TRACE_PT = 0.6
_SECOND: Mapping[str, Any] = {"color": "#404040", "alpha": 0.6, "linewidth": 0.5}
_FIFTH_SECOND: Mapping[str, Any] = {"color": "#404040", "alpha": 0.8, "linewidth": 0.8}
_BETWEEN_BANDS = _FIFTH_SECOND


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
        self._signals = [
            filtered(montage.roles[role].channel, TRACES[role].band_hz, mains_hz)
            for role in self.roles
        ]
        self._sheet = _Sheet(self.roles)

    def image(self, epoch: int) -> Image:
        """One epoch as an image; a trace is broken where nothing was recorded."""
        return self._sheet.draw(self._samples(epoch))

    def images(self, epochs: Sequence[int], workers: int = 1) -> Iterator[Image]:
        """The epochs' images in order.

        Args:
            epochs: by number from 0.
            workers: processes that draw; 1 is this one. More are spawned, so that a script that
                asks for them must be one that can be imported.
        """
        if workers == 1:
            yield from map(self.image, epochs)
            return
        # Not forked: the caller may hold threads and models.
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            drawn: deque[Future[list[Image]]] = deque()
            for start in range(0, len(epochs), _BATCH):
                samples = [self._samples(epoch) for epoch in epochs[start : start + _BATCH]]
                drawn.append(pool.submit(_draw_batch, self.roles, samples))
                if len(drawn) > 2 * workers:
                    yield from drawn.popleft().result()
            while drawn:
                yield from drawn.popleft().result()

    def _samples(self, epoch: int) -> Samples:
        """An epoch of every trace, µV, shape ``(n_roles, 3000)``."""
        samples = np.full((len(self.roles), EPOCH_SAMPLES), np.nan)
        start = epoch * EPOCH_SAMPLES
        for row, whole in zip(samples, self._signals, strict=True):
            # Rounding may leave the last epoch a sample short.
            recorded = whole[start : start + EPOCH_SAMPLES]
            row[: len(recorded)] = recorded
        return samples


def png(image: Image) -> bytes:
    """An image as a PNG file, without loss."""
    buffer = io.BytesIO()
    PngImage.fromarray(image).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def filtered(channel: Channel, band_hz: tuple[float, float], mains_hz: float) -> Samples:
    """A whole channel as it is drawn: filtered forwards and backwards, then at 100 Hz.

    Args:
        channel: in µV.
        band_hz: corners of the band-pass; none is made of a channel too slow for it.
        mains_hz: frequency of the notch; none is made above the channel's Nyquist frequency.

    Returns:
        µV at 100 Hz from the recording's start, shape ``(n,)``, NaN where nothing was recorded.
    """
    from scipy import signal  # half the time that a worker takes to start

    rate_hz = channel.sampling_rate_hz
    raw = channel.samples()
    recorded = np.isfinite(raw)
    if not recorded.any():
        return _at_drawn_rate(raw, rate_hz)
    at = np.arange(len(raw))
    samples = np.interp(at, at[recorded], raw[recorded])
    low, high = np.clip(np.array(band_hz) / (rate_hz / 2), *_CORNERS)
    if low < high:
        samples = signal.filtfilt(*signal.butter(_ORDER, (low, high), "bandpass"), samples)
    if mains_hz <= rate_hz / 2:
        samples = signal.filtfilt(*signal.iirnotch(mains_hz, _MAINS_Q, rate_hz), samples)
    samples[~recorded] = np.nan
    return _at_drawn_rate(samples, rate_hz)


def _at_drawn_rate(samples: Samples, rate_hz: float) -> Samples:
    """Read off at equal steps from the first sample to the last, along straight lines."""
    if abs(rate_hz - RATE_HZ) < _SAME_RATE_HZ:
        return samples
    n_samples = len(samples)
    at = np.linspace(0, n_samples - 1, round(RATE_HZ / rate_hz * n_samples))
    return np.interp(at, np.arange(n_samples), samples)


_DRAWING: dict[Any, Any] = {  # its keys are literals that differ between matplotlib's versions
    "path.simplify": True,
    "path.simplify_threshold": 1 / 9,
    "agg.path.chunksize": 0,
}
"""What matplotlib looks up each time that it draws a line: its own defaults."""


class _Sheet:
    """One figure, whose traces are drawn anew for every epoch."""

    def __init__(self, roles: tuple[Role, ...]) -> None:
        self._heights_uv = np.array([[TRACES[role].full_height_uv] for role in roles])
        self._centres = (np.arange(len(roles), 0, -1)[:, None] - 0.5) / len(roles)
        with style.context("default"):  # whatever the user's own matplotlibrc says
            figure = Figure((WIDTH_PX / DPI, HEIGHT_PX / DPI), DPI, facecolor="black")
            self._axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), facecolor="black")
            self._axes.set(xlim=(0, EPOCH_S), ylim=(0, 1), xticks=[], yticks=[])
            self._axes.spines[:].set_visible(False)
            canvas: Any = FigureCanvasAgg(figure)  # half of it ships without types
            canvas.draw()
            self._canvas, self._blank = canvas, canvas.copy_from_bbox(figure.bbox)
            seconds = np.linspace(0, EPOCH_S, EPOCH_SAMPLES)
            self._traces = [
                self._axes.add_line(
                    Line2D(seconds, seconds, color=TRACES[role].colour, linewidth=_TRACE_PT)
                )
                for role in roles
            ]
            self._grid = [
                self._axes.axvline(second, **(_SECOND if second % 5 else _FIFTH_SECOND))
                for second in range(1, int(EPOCH_S))
            ]
            self._grid += [
                self._axes.axhline(boundary / len(roles), **_BETWEEN_BANDS)
                for boundary in range(1, len(roles))
            ]

    def draw(self, samples_uv: Samples) -> Image:
        """The image of an epoch of shape ``(n_roles, 3000)``."""
        heights = self._centres + samples_uv / self._heights_uv / len(self._traces)
        for trace, height in zip(self._traces, heights, strict=True):
            trace.set_ydata(height)
        self._canvas.restore_region(self._blank)
        with rc_context(_DRAWING):
            for line in (*self._traces, *self._grid):
                self._axes.draw_artist(line)
        return np.asarray(self._canvas.buffer_rgba())[:, :, :3].copy()


_sheet = cache(_Sheet)


def _draw_batch(roles: tuple[Role, ...], samples: Sequence[Samples]) -> list[Image]:
    """In a worker process: the images of several epochs."""
    return [_sheet(roles).draw(epoch) for epoch in samples]
