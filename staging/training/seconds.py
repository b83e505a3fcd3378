"""What phase 1 teaches a vision encoder to see: each second's band powers, and the events in it.

The values of a second are those of the published phase 1 (arXiv:2603.26738): of each EEG and eye
trace, power between 0.3–4, 4–8, 8–13 and 13–30 Hz in dB re 1 µV² and mean absolute value in µV; of
the chin, the mean absolute value alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from auditor.vocabulary import EPOCH_S, Montage, Phenomenon, Role, Samples
from staging.render import RATE_HZ, TRACES, filtered

BANDS_HZ = {"delta": (0.3, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0)}

VALUES: tuple[tuple[Role, str], ...] = tuple(
    (role, name)
    for role in TRACES
    for name in ((*BANDS_HZ, "amplitude") if role is not Role.CHIN else ("amplitude",))
)
"""What is told of each second: trace, and band or amplitude."""

SECONDS = int(EPOCH_S)
STEPS = 64
"""Steps of an epoch in which events are located: four to a column of merged visual tokens."""
STEP_S = EPOCH_S / STEPS


@dataclass(frozen=True, slots=True)
class EventSort:
    """A phenomenon, perhaps only where it is largest in a channel that begins so."""

    kind: Phenomenon
    beginning: str | None = None


EVENTS: tuple[EventSort, ...] = (
    EventSort(Phenomenon.SLEEP_SPINDLE, "F"),
    EventSort(Phenomenon.SLEEP_SPINDLE, "C"),
    EventSort(Phenomenon.K_COMPLEX, "F"),
    EventSort(Phenomenon.K_COMPLEX, "C"),
    EventSort(Phenomenon.RAPID_EYE_MOVEMENTS),
    EventSort(Phenomenon.EYE_BLINKS),
    EventSort(Phenomenon.SLOW_EYE_MOVEMENTS),
    EventSort(Phenomenon.READING_EYE_MOVEMENTS),
    EventSort(Phenomenon.ALPHA_RHYTHM),
    EventSort(Phenomenon.SLOW_WAVE_ACTIVITY),
    EventSort(Phenomenon.VERTEX_SHARP_WAVES),
    EventSort(Phenomenon.SAWTOOTH_WAVES),
    EventSort(Phenomenon.AROUSAL),
    EventSort(Phenomenon.MAJOR_BODY_MOVEMENT),
)


def second_values(montage: Montage, mains_hz: float, n_epochs: int) -> npt.NDArray[np.float16]:
    """:data:`VALUES` of every second: ``(n_epochs, 30, n_values)``, NaN for a missing trace."""
    values = np.full((n_epochs * SECONDS, len(VALUES)), np.nan)
    for role, trace in TRACES.items():
        derivation = montage.roles.get(role)
        if derivation is not None:
            drawn = filtered(derivation.channel, trace.band_hz, mains_hz)
            columns = [i for i, (each, _) in enumerate(VALUES) if each is role]
            values[:, columns] = _of_trace(drawn[: n_epochs * SECONDS * int(RATE_HZ)], role)
    return values.reshape(n_epochs, SECONDS, len(VALUES)).astype(np.float16)


def _of_trace(drawn: Samples, role: Role) -> Samples:
    seconds = drawn.reshape(-1, int(RATE_HZ))
    amplitude: Samples = np.abs(seconds).mean(axis=1)
    if role is Role.CHIN:
        return amplitude[:, None]
    hz, power = signal.welch(seconds, RATE_HZ, nperseg=int(RATE_HZ), axis=1)
    step_hz = hz[1] - hz[0]
    bands = [
        10 * np.log10(power[:, (hz >= low) & (hz < high)].sum(axis=1) * step_hz + 1e-6)
        for low, high in BANDS_HZ.values()
    ]
    return np.column_stack([*bands, amplitude])
