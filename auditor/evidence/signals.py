"""Working signals: the montage's channels, anti-aliased and resampled to 100 Hz.

Fast enough for everything below 40 Hz, which holds all of AASM's EEG and EOG phenomena, and the
same grid whatever the recording's own rate. Chin EMG lives above that; it is read at its own
rate from :meth:`Signals.raw`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import signal as sp

from auditor.evidence.filters import Spectrum, analytic_kernel, band_kernel, filtered
from auditor.evidence.grid import FASTEST_HZ, WORKING_RATE_HZ, Floats, Mask
from auditor.vocabulary import EPOCH_S, Channel, Event, Montage, Phenomenon, Role

Reasons: TypeAlias = tuple[str, ...]
"""One sentence for each epoch: why something cannot be assessed there; empty where it can."""
_LARGEST_UV = 1e7
"""Ten volts: beyond what any amplifier takes, and far within what float32 can square twice."""
SHAPE_HZ = 15.0
"""Up to here the eyes' movements are followed, with what EEG they could be taken for; above lies
muscle."""
_PIECE_S = 600
_MARGIN_S = 1


@dataclass(frozen=True, eq=False)
class Signal:
    """One channel at the working rate.

    Attributes:
        label: the channel's label.
        source_rate_hz: the rate at which it was recorded.
        samples: shape ``(n_samples,)``, µV; bridged by a straight line where nothing was
            recorded, so that filters run through.
        recorded: shape ``(n_samples,)``; False where nothing was recorded.
    """

    label: str
    source_rate_hz: float
    samples: Floats = field(repr=False)
    recorded: Mask = field(repr=False)

    @cached_property
    def spectrum(self) -> Spectrum:
        """How its power spreads over frequencies, ten times a second."""
        return Spectrum.of(self.band(0.3, None))

    @cached_property
    def slow(self) -> Floats:
        """0.3–6 Hz, which holds slow waves, K complexes with their sharp peak, and eye
        movements."""
        return self.band(0.3, 6.0)

    @cached_property
    def shape(self) -> Floats:
        """Up to :data:`SHAPE_HZ`."""
        return self.band(None, SHAPE_HZ)

    def band(self, low_hz: float | None, high_hz: float | None) -> Floats:
        """The samples within a band, without phase shift; None leaves that side open."""
        kernel = band_kernel(low_hz, high_hz)
        return filtered(self.samples, kernel)

    def analytic(self, low_hz: float, high_hz: float) -> npt.NDArray[np.complex64]:
        """The band's oscillation: its absolute value is the envelope in µV, zero to peak."""
        return filtered(self.samples, analytic_kernel(low_hz, high_hz))

    def shows(self, frequency_hz: float) -> bool:
        """Whether it was recorded fast enough to show this frequency undamped."""
        return frequency_hz <= min(FASTEST_HZ, 0.4 * self.source_rate_hz)


@dataclass(frozen=True, slots=True)
class Signals:
    """The montage's channels, ready for the detectors.

    Attributes:
        montage: where they come from.
        n_epochs: whole epochs of the recording.
        by_role: EEG and eye channels at the working rate. Two roles may share one channel.
        quality: for each role of the montage one sentence an epoch, saying what is wrong with
            the channel there; empty where it is good.
    """

    montage: Montage
    n_epochs: int
    by_role: Mapping[Role, Signal]
    quality: Mapping[Role, Reasons]

    def raw(self, role: Role) -> Channel | None:
        """The role's channel at its own rate, to be read in pieces."""
        return self.montage.channel(role)

    def channels(self, roles: Sequence[Role]) -> Iterator[tuple[Role, Signal]]:
        """The distinct channels of these roles, each with the first role that it fills."""
        seen: set[str] = set()
        for role in roles:
            found = self.by_role.get(role)
            if found is not None and found.label not in seen:
                seen.add(found.label)
                yield role, found

    def obstacles(self, role: Role, up_to_hz: float) -> Reasons:
        """Why the role's channel does not show this frequency, epoch by epoch."""
        if role not in self.montage.roles:
            return self.throughout(self.montage.missing.get(role, f"no {spoken(role)} channel"))
        channel = self.montage.roles[role].channel
        if up_to_hz > 0.4 * channel.sampling_rate_hz:
            return self.throughout(
                f"{channel.label} was sampled at {channel.sampling_rate_hz:g} Hz, "
                f"too slowly for {up_to_hz:g} Hz"
            )
        return self.quality[role]

    def obstacles_everywhere(self, roles: Sequence[Role], up_to_hz: float) -> Reasons:
        """Why none of these roles shows this frequency; empty where one of them does."""
        each = [self.obstacles(role, up_to_hz) for role in roles]
        return tuple(reasons[0] if all(reasons) else "" for reasons in zip(*each, strict=True))

    def throughout(self, reason: str) -> Reasons:
        """The same reason in every epoch."""
        return (reason,) * self.n_epochs

    def trusts(self, event: Event) -> bool:
        """Whether the event's channel was recorded, and good, where the event is.

        A body movement is itself what makes a channel poor.
        """
        if event.kind is Phenomenon.MAJOR_BODY_MOVEMENT:
            return True
        role = self.montage.role_of(event.channel)
        if role is None:
            return False
        epoch = int((event.start_s + event.end_s) / 2 // EPOCH_S)
        if epoch < self.n_epochs and self.quality[role][epoch]:
            return False
        signal = self.by_role.get(role)
        if signal is None:
            return True
        first, past = round(event.start_s * WORKING_RATE_HZ), round(event.end_s * WORKING_RATE_HZ)
        return bool(signal.recorded[first:past].all())

    def with_quality(self, quality: Mapping[Role, Reasons]) -> Signals:
        return replace(self, quality=quality)


def prepare(montage: Montage) -> Signals:
    """Working signals of a montage, channel by channel.

    Quality is left open: every channel counts as good until it has been judged.
    """
    duration_s = montage.recording.duration_s
    by_label: dict[str, Signal] = {}
    by_role: dict[Role, Signal] = {}
    for role, derivation in montage.roles.items():
        if role is Role.CHIN:
            continue
        channel = derivation.channel
        if channel.label not in by_label:
            by_label[channel.label] = working_signal(channel, duration_s)
        by_role[role] = by_label[channel.label]
    n_epochs = montage.recording.n_epochs
    return Signals(montage, n_epochs, by_role, dict.fromkeys(montage.roles, ("",) * n_epochs))


def working_signal(channel: Channel, duration_s: float) -> Signal:
    """One channel, anti-aliased and resampled to the working rate, as long as the recording.

    Read and resampled in pieces of ten minutes with a margin, so that memory does not grow
    with the recording's own rate.
    """
    n_samples = round(duration_s * WORKING_RATE_HZ)
    samples = np.zeros(n_samples, dtype=np.float32)
    recorded = np.zeros(n_samples, dtype=np.bool_)
    ratio = Fraction(WORKING_RATE_HZ / channel.sampling_rate_hz).limit_denominator(10_000)
    for start in range(0, n_samples, _PIECE_S * WORKING_RATE_HZ):
        stop = min(start + _PIECE_S * WORKING_RATE_HZ, n_samples)
        samples[start:stop], recorded[start:stop] = _piece(channel, ratio, start, stop)
    return Signal(channel.label, channel.sampling_rate_hz, _bridged(samples, recorded), recorded)


def _piece(channel: Channel, ratio: Fraction, start: int, stop: int) -> tuple[Floats, Mask]:
    """Working samples ``start`` to ``stop`` of a channel, 0 where nothing was recorded."""
    rate_hz = channel.sampling_rate_hz
    first = round((start / WORKING_RATE_HZ - _MARGIN_S) * rate_hz)
    last = round((stop / WORKING_RATE_HZ + _MARGIN_S) * rate_hz) + 1
    inside = channel.source.read(max(first, 0), max(min(last, channel.n_samples), 0))
    raw = np.full(last - first, np.nan)
    raw[max(-first, 0) :][: len(inside)] = inside
    known = np.isfinite(raw)
    if not known.any():
        return np.zeros(stop - start, np.float32), np.zeros(stop - start, np.bool_)
    np.clip(raw, -_LARGEST_UV, _LARGEST_UV, out=raw)

    at = (np.arange(start, stop) / WORKING_RATE_HZ * rate_hz - first).round().astype(np.intp)
    recorded = known[np.minimum(at, len(raw) - 1)]
    whole = _bridged(raw.astype(np.float32), known)
    if ratio == 1:
        return whole[at], recorded
    resampled = sp.resample_poly(
        whole, ratio.numerator, ratio.denominator, window=("kaiser", 5.0), padtype="constant"
    )
    begin = start - round(first / rate_hz * WORKING_RATE_HZ)
    piece = resampled[begin : begin + (stop - start)]
    return np.pad(piece, (0, stop - start - len(piece)), mode="constant"), recorded


def _bridged(samples: Floats, known: Mask) -> Floats:
    """Straight lines over what is not known; all zero where nothing is."""
    if known.all():
        return samples
    if not known.any():
        return np.zeros_like(samples)
    at = np.arange(len(samples))
    bridged = samples.copy()
    bridged[~known] = np.interp(at[~known], at[known], samples[known])
    return bridged


def spoken(role: Role) -> str:
    """The role as a physician calls it."""
    return {
        Role.FRONTAL: "frontal EEG",
        Role.CENTRAL: "central EEG",
        Role.OCCIPITAL: "occipital EEG",
        Role.LEFT_EYE: "left eye",
        Role.RIGHT_EYE: "right eye",
        Role.CHIN: "chin EMG",
    }[role]
