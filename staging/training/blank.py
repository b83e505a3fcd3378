"""Images of nothing: what a model must not read anything into."""

from __future__ import annotations

from functools import cache

import numpy as np

from auditor.vocabulary import EPOCH_S, Channel, Derivation, Montage, Recording, Role
from staging.render import HEIGHT_PX, RATE_HZ, WIDTH_PX, Image, Renderer


@cache
def blank_images() -> np.ndarray:
    """Black, then the grid alone, then flat traces: ``(3, 224, 448, 3)``."""
    black = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    return np.stack([black, _drawn(np.nan), _drawn(0.0)])


def _drawn(value: float) -> Image:
    """An epoch in which every trace has this value throughout."""
    samples = np.full(int(EPOCH_S * RATE_HZ), value)
    channel = Channel.of_array("flat", RATE_HZ, samples)
    recording = Recording("blank", None, EPOCH_S, (channel,))
    roles = {role: Derivation(channel, "blank") for role in Role}
    return Renderer(Montage(recording, roles, {})).image(0)
