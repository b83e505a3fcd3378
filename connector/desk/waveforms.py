"""An epoch's signals for the screen, as numbers and not as text.

A body of little-endian words: how many channels there are; then for each its sampling rate in Hz
(float32), how many samples follow, and the samples in µV (float32), NaN where nothing was
recorded. Six channels at 256 Hz are 184 kB.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from auditor.vocabulary import Epoch, Montage, Role
from connector.traces import BRAIN_AND_EYES, MUSCLE, Passband, display_trace

MEDIA_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a reader chose to see; the chin keeps its own band."""

    eeg: Passband = BRAIN_AND_EYES
    chin: Passband = MUSCLE

    def of(self, role: Role) -> Passband:
        return self.chin if role is Role.CHIN else self.eeg


CHOICES = {
    "standard": Filters(),
    "slow": Filters(eeg=Passband(0.1, 35.0)),
    "narrow": Filters(eeg=Passband(0.5, 15.0)),
    "wide": Filters(eeg=Passband(0.3, 70.0)),
}
"""By name, as a reader chooses them; the first is the AASM's."""


def waveform(montage: Montage, epoch: Epoch, filters: Filters) -> bytes:
    """One epoch of all channels in the order of :class:`Role`, as the module describes it."""
    parts = []
    for role, derivation in montage.roles.items():
        channel = derivation.channel
        passband = filters.of(role).of(channel.sampling_rate_hz)
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
