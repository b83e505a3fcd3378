"""An epoch's signals for the screen, as numbers and not as text.

A body of little-endian words: how many channels there are; then for each its sampling rate in Hz
(float32), how many samples follow, and the samples in µV (float32), NaN where nothing was
recorded. Six channels at 256 Hz are 184 kB.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np

from auditor.vocabulary import Epoch, Montage, Role
from connector.traces import BRAIN_AND_EYES, MUSCLE, Passband, display_trace

MEDIA_TYPE = "application/octet-stream"


PASSBANDS: Mapping[str, Passband] = {
    "standard": BRAIN_AND_EYES,
    "slow": Passband(0.1, 35.0),
    "narrow": Passband(0.5, 15.0),
    "wide": Passband(0.3, 70.0),
}
"""Of EEG and EOG, by the names under which a reader chooses them; the first is the AASM's. The
chin keeps its own."""


def waveform(montage: Montage, epoch: Epoch, brain_and_eyes: Passband) -> bytes:
    """One epoch of all channels in the order of :class:`Role`, as the module describes it."""
    parts = []
    for role, derivation in montage.roles.items():
        channel = derivation.channel
        wanted = MUSCLE if role is Role.CHIN else brain_and_eyes
        passband = wanted.of(channel.sampling_rate_hz)
        values = (
            display_trace(channel, epoch, passband)[1]
            if passband
            else np.empty(0)  # a rate too low to show any of it
        )
        parts.append(
            struct.pack("<fI", channel.sampling_rate_hz, len(values))
            + values.astype("<f4").tobytes()
        )
    return struct.pack("<I", len(parts)) + b"".join(parts)
