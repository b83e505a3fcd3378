"""A night's EEG as a picture of its power: how physicians see sleep cycles at a glance."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image
from scipy import signal

from auditor.vocabulary import EPOCH_S, Channel, Montage, Role

HIGHEST_HZ = 25.0
"""Everything that tells stages apart is below."""

_WINDOW_S = 4.0
_HEIGHT_PX = 100
_SHOWN_DB = (5.0, 98.0)
"""Percentiles of the night's own power that the darkest and the brightest colour stand for."""


def spectrogram_png(montage: Montage) -> bytes | None:
    """One column an epoch, 0 Hz at the bottom; None where no EEG was recorded."""
    channel = montage.channel(Role.CENTRAL) or montage.channel(Role.FRONTAL)
    if channel is None:
        return None
    power = np.log10(_power(channel, montage.recording.n_epochs))
    known = power[np.isfinite(power)]
    low, high = np.percentile(known, _SHOWN_DB) if known.size else (0.0, 1.0)
    shade = np.clip((power - low) / max(high - low, 1e-9), 0.0, 1.0)
    shade[~np.isfinite(power)] = 0.0
    pixels = (colormaps["magma"](shade[::-1])[:, :, :3] * 255).astype(np.uint8)
    png = io.BytesIO()
    image = Image.fromarray(pixels)
    image.resize((image.width, _HEIGHT_PX), Image.Resampling.BILINEAR).save(png, "png")
    return png.getvalue()


def _power(channel: Channel, n_epochs: int) -> npt.NDArray[np.float64]:
    """µV²/Hz, shape ``(n_frequencies, n_epochs)``; NaN where nothing was recorded."""
    rate_hz = channel.sampling_rate_hz
    columns = []
    for epoch in range(n_epochs):
        samples = channel.samples(epoch * EPOCH_S, (epoch + 1) * EPOCH_S)
        frequencies, power = signal.welch(samples, rate_hz, nperseg=round(_WINDOW_S * rate_hz))
        columns.append(power[frequencies <= HIGHEST_HZ])
    return np.array(columns, dtype=float).T
