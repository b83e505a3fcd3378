"""What every detector works on, and what every detector returns.

A detector is a function of the shape :class:`Detect`: it is given the night's working signals
and what earlier rounds of detectors found, and returns :class:`Measured`. It registers by
standing in ``auditor.evidence.ROUNDS``, in a round after those that it builds upon.

Working signals are the montage's channels, anti-aliased and resampled to 100 Hz: fast enough
for everything below 40 Hz, which holds all of AASM's EEG and EOG phenomena, and the same grid
whatever the recording's own rate. Chin EMG lives above that; it is read at its own rate from
:meth:`Signals.raw`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy import signal as sp

from auditor.vocabulary import (
    EPOCH_S,
    Channel,
    Event,
    Measure,
    Montage,
    Phenomenon,
    Role,
)

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
_Kind = TypeVar("_Kind", np.float32, np.complex64)
Mask: TypeAlias = npt.NDArray[np.bool_]
Indices: TypeAlias = npt.NDArray[np.intp]
Reasons: TypeAlias = tuple[str, ...]
"""One sentence for each epoch: why something cannot be assessed there; empty where it can."""

WORKING_RATE_HZ = 100
EPOCH_SAMPLES = int(EPOCH_S * WORKING_RATE_HZ)
FASTEST_HZ = 40.0
"""The highest frequency that a working signal still shows undamped."""

_LARGEST_UV = 1e7
"""Ten volts: beyond what any amplifier takes, and far within what float32 can square twice."""
_PIECE_S = 600
_MARGIN_S = 1


# ── working signals ───────────────────────────────────────────────────────────────────────


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

    def band(self, low_hz: float | None, high_hz: float | None) -> Floats:
        """The samples within a band, without phase shift; None leaves that side open."""
        kernel = band_kernel(low_hz, high_hz)
        return _filtered(self.samples, kernel)

    def analytic(self, low_hz: float, high_hz: float) -> npt.NDArray[np.complex64]:
        """The band's oscillation: its absolute value is the envelope in µV, zero to peak."""
        return _filtered(self.samples, _analytic_kernel(low_hz, high_hz))

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


# ── filters and statistics that several detectors use ─────────────────────────────────────


@lru_cache(maxsize=64)
def band_kernel(low_hz: float | None, high_hz: float | None) -> Floats:
    """A linear-phase FIR kernel at the working rate; None leaves that side open.

    Each edge is as soft as half its frequency (at least 0.3 Hz, at most 2 Hz): soft enough not
    to ring around a sharp wave, and forgotten a few seconds from the cut where a night is cut
    in two.
    """
    above = np.ones(1) if high_hz is None else _lowpass(high_hz)
    below = np.zeros(1) if low_hz is None else _lowpass(low_hz)
    half = max(len(above), len(below)) // 2
    kernel = np.pad(above, half - len(above) // 2) - np.pad(below, half - len(below) // 2)
    return kernel.astype(np.float32)


def _lowpass(edge_hz: float) -> Doubles:
    transition_hz = float(np.clip(edge_hz / 2, 0.3, 2.0))
    n_taps = round(3.3 / transition_hz * WORKING_RATE_HZ) | 1
    kernel: Doubles = sp.firwin(n_taps, edge_hz, fs=WORKING_RATE_HZ)
    return kernel


def _filtered(samples: Floats, kernel: npt.NDArray[_Kind]) -> npt.NDArray[_Kind]:
    """Convolved without shift; the ends are continued by their own values."""
    if not len(samples):
        return samples.astype(kernel.dtype)
    padded = np.pad(samples, len(kernel) // 2, mode="edge")
    filtered: npt.NDArray[_Kind] = sp.oaconvolve(padded, kernel, mode="valid")
    return filtered.astype(kernel.dtype, copy=False)


@lru_cache(maxsize=16)
def _analytic_kernel(low_hz: float, high_hz: float) -> npt.NDArray[np.complex64]:
    lowpass = band_kernel(None, (high_hz - low_hz) / 2)
    at_s = (np.arange(len(lowpass)) - len(lowpass) // 2) / WORKING_RATE_HZ
    centre_hz = (low_hz + high_hz) / 2
    kernel = 2 * lowpass * np.exp(2j * np.pi * centre_hz * at_s)
    return kernel.astype(np.complex64)  # type: ignore[no-any-return]


def moving_mean(values: Floats, window_s: float) -> Floats:
    """Centred moving average over a window, ends continued by their own values."""
    return _averaged(values, round(window_s * WORKING_RATE_HZ) | 1)


def _averaged(values: Floats, width: int) -> Floats:
    if not len(values):
        return values
    padded = np.pad(values, (width // 2 + 1, width // 2), mode="edge")
    total = np.cumsum(padded, dtype=np.float64)
    return ((total[width:] - total[:-width]) / width).astype(np.float32)


def runs(mask: Mask) -> tuple[Indices, Indices]:
    """First index and index past the end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return edges[::2], edges[1::2]


STEPS_HZ = 10
_WINDOW_SAMPLES = WORKING_RATE_HZ
_STEP_SAMPLES = WORKING_RATE_HZ // STEPS_HZ
_FRAMES_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Power by frequency at each tenth of a second, in Hann windows of one second.

    Attributes:
        below: power below 0.5, 1.5, … 40.5 Hz in µV²; shape ``(41, n_steps)``. Step ``i`` is
            that from ``i / 10`` to ``(i + 1) / 10`` s.
    """

    below: Floats

    @classmethod
    def of(cls, samples: Floats) -> Spectrum:
        """The spectrum of samples at the working rate, whose mean is zero."""
        n_steps = -(-len(samples) // _STEP_SAMPLES)
        below = np.zeros((int(FASTEST_HZ) + 1, n_steps), dtype=np.float32)
        window = np.hanning(_WINDOW_SAMPLES).astype(np.float32)
        scale = np.float32(2.0 / (_WINDOW_SAMPLES * np.sum(window**2)))
        frames = np.lib.stride_tricks.sliding_window_view(
            np.pad(samples, ((_WINDOW_SAMPLES - _STEP_SAMPLES) // 2, _WINDOW_SAMPLES)),
            _WINDOW_SAMPLES,
        )[::_STEP_SAMPLES][:n_steps]
        for start in range(0, n_steps, _FRAMES_AT_ONCE):
            piece = slice(start, start + _FRAMES_AT_ONCE)
            bins = fft.rfft(frames[piece] * window)[:, 1 : len(below)]
            power = scale * (np.square(bins.real) + np.square(bins.imag))
            below[1:, piece] = np.cumsum(power, axis=1).T
        return cls(below)

    def power(self, low_hz: float, high_hz: float, over_s: float = 0.0) -> Floats:
        """Power of a band at each step, µV², averaged over a stretch of time."""
        power = np.maximum(self._below(high_hz) - self._below(low_hz), 0.0)
        return _averaged(power, round(over_s * STEPS_HZ) | 1) if over_s else power

    def density(self, low_hz: float, high_hz: float, over_s: float = 0.0) -> Floats:
        """Mean power density of a band at each step, µV²/Hz."""
        return self.power(low_hz, high_hz, over_s) / np.float32(high_hz - low_hz)

    def peak_hz(self, low_hz: float, high_hz: float, over_s: float = 0.0) -> Floats:
        """The frequency that carries the band's power, the strongest weighing most."""
        weighted: Floats = np.zeros(self.below.shape[1], dtype=np.float32)
        total = np.full_like(weighted, 1e-9)
        for frequency_hz in np.arange(np.ceil(low_hz), np.floor(high_hz) + 1):
            power = self.power(frequency_hz - 0.5, frequency_hz + 0.5, over_s)
            weight = np.square(power)
            weighted += np.float32(frequency_hz) * weight
            total += weight
        return weighted / total

    def _below(self, frequency_hz: float) -> Floats:
        """Power below any frequency, a straight line between the known ones."""
        at = float(np.clip(frequency_hz - 0.5, 0.0, len(self.below) - 1))
        row, share = int(at), np.float32(at % 1)
        below: Floats = self.below[row]
        return below + share * (self.below[row + 1] - below) if share else below


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of a grid, and statistics of values over them.

    Attributes:
        first, past: index of the first value, and past the last one; shape ``(n,)``.
        rate_hz: values per second: of the working signals, or of the spectrum's steps.
    """

    first: Indices
    past: Indices
    rate_hz: int = WORKING_RATE_HZ

    @classmethod
    def of_mask(cls, mask: Mask, rate_hz: int = WORKING_RATE_HZ) -> Spans:
        """The runs of True."""
        return cls(*runs(mask), rate_hz)

    @property
    def start_s(self) -> Doubles:
        return self.first / self.rate_hz

    @property
    def end_s(self) -> Doubles:
        return self.past / self.rate_hz

    def __len__(self) -> int:
        return len(self.first)

    @property
    def duration_s(self) -> Doubles:
        return (self.past - self.first) / self.rate_hz

    def widened(self, by_s: float, n_samples: int) -> Spans:
        by = round(by_s * self.rate_hz)
        return replace(
            self,
            first=np.maximum(self.first - by, 0),
            past=np.minimum(self.past + by, n_samples),
        )

    def in_steps(self) -> Spans:
        """The same stretches of working samples as steps of the spectrum, one at the least."""
        first = self.first // _STEP_SAMPLES
        past = np.maximum(-(-self.past // _STEP_SAMPLES), first + 1)
        return Spans(first, past, STEPS_HZ)

    def in_samples(self, n_samples: int) -> Spans:
        """The same stretches of steps as working samples, of which there are so many."""
        past = np.minimum(self.past * _STEP_SAMPLES, n_samples)
        return Spans(self.first * _STEP_SAMPLES, past)

    def followed_by(self, other: Spans) -> Spans:
        """Both together, in order of time."""
        first = np.concatenate((self.first, other.first))
        order = np.argsort(first, kind="stable")
        past = np.concatenate((self.past, other.past))
        return replace(self, first=first[order], past=past[order])

    def where(self, keep: Mask | Indices) -> Spans:
        return replace(self, first=self.first[keep], past=self.past[keep])

    def mean(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The mean over each stretch, complex for complex values."""
        wide = np.complex128 if np.iscomplexobj(values) else np.float64
        total = np.concatenate(([0], np.cumsum(values, dtype=wide)))
        means: npt.NDArray[Any] = (total[self.past] - total[self.first]) / (self.past - self.first)
        return means

    def rms(self, values: Floats) -> Doubles:
        root: Doubles = np.sqrt(self.mean(np.square(values)))
        return root

    def maximum(self, values: Floats) -> Floats:
        """The maximum over each stretch; stretches must be in order and not overlap."""
        if not len(self):
            return np.zeros(0, dtype=np.float32)
        bounds = np.column_stack((self.first, self.past)).ravel()
        extended = np.append(values, values[-1])
        return np.maximum.reduceat(extended, bounds)[::2]

    def lasting(self, at_least_s: float) -> Spans:
        """Those that last so long."""
        return self.where(self.duration_s >= at_least_s)

    def mask(self, n_values: int) -> Mask:
        """True within them, on a grid of so many values."""
        changes = np.zeros(n_values + 1, dtype=np.int32)
        np.add.at(changes, self.first, 1)
        np.add.at(changes, self.past, -1)
        return np.cumsum(changes[:-1]) > 0

    def spread(self, values: npt.NDArray[Any], n_samples: int) -> Floats:
        """One value for each stretch, laid on the grid; 0 between."""
        grid = np.zeros(n_samples, dtype=np.float32)
        widths = self.past - self.first
        within = np.repeat(self.first - np.cumsum(widths) + widths, widths) + np.arange(
            widths.sum()
        )
        grid[within] = np.repeat(values, widths)
        return grid


def rms_beside(power: Floats, at: Indices, around_s: float, own_s: float) -> Doubles:
    """Root mean square around each moment, leaving out the stretch of its own wave."""
    whole = Spans(at, at + 1).widened(around_s / 2, len(power))
    own = Spans(at, at + 1).widened(own_s / 2, len(power))
    n_whole, n_own = whole.past - whole.first, own.past - own.first
    beside = whole.mean(power) * n_whole - own.mean(power) * n_own
    rms: Doubles = np.sqrt(np.maximum(beside, 0.0) / np.maximum(n_whole - n_own, 1))
    return rms


def first_true(mask: Mask) -> Indices:
    """Column of the first True of each row; the number of columns where there is none."""
    first: Indices = np.where(mask.any(axis=1), mask.argmax(axis=1), mask.shape[1])
    return first


def share_of_epochs(mask: Mask, n_epochs: int, rate_hz: int = WORKING_RATE_HZ) -> Doubles:
    """For each epoch, the share of its values that are True; shape ``(n_epochs,)``."""
    per_epoch = int(EPOCH_S * rate_hz)
    whole = np.zeros(n_epochs * per_epoch, dtype=np.bool_)
    kept = mask[: len(whole)]
    whole[: len(kept)] = kept
    shares: Doubles = whole.reshape(n_epochs, per_epoch).mean(axis=1)
    return shares


def mask_of(
    start_s: Doubles, end_s: Doubles, n_values: int, rate_hz: int = WORKING_RATE_HZ
) -> Mask:
    """True within any of these spans, on a grid of so many values."""
    first, past = (
        np.clip(np.round(at_s * rate_hz), 0, n_values).astype(np.intp) for at_s in (start_s, end_s)
    )
    return Spans(first, past, rate_hz).mask(n_values)


def events_mask(
    events: Iterable[Event],
    at_least: Callable[[Phenomenon], float],
    n_values: int,
    rate_hz: int = WORKING_RATE_HZ,
) -> Mask:
    """Where events are that reach the probability asked of their kind."""
    spans = [(e.start_s, e.end_s) for e in events if e.probability >= at_least(e.kind)]
    start_s, end_s = np.array(spans, dtype=np.float64).reshape(-1, 2).T
    return mask_of(start_s, end_s, n_values, rate_hz)


def logistic(score: Doubles) -> Doubles:
    """A score in log-odds as a probability."""
    return 1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0)))


def logit(probability: Doubles) -> Doubles:
    """A probability as log-odds, within ±14."""
    kept = np.clip(probability, 1e-6, 1 - 1e-6)
    score: Doubles = np.log(kept / (1 - kept))
    return score


# ── what a detector returns ───────────────────────────────────────────────────────────────

CANDIDATE_PROBABILITY = 0.02
"""What is less probable than this is no candidate and not kept."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates for one phenomenon in one channel, as arrays of one length.

    Attributes:
        start_s, end_s: seconds from the recording's start.
        probability: 0 to 1.
        frequency_hz, amplitude_uv: NaN where there is none.
    """

    start_s: Doubles
    end_s: Doubles
    probability: Doubles
    frequency_hz: Doubles
    amplitude_uv: Doubles

    @classmethod
    def none(cls) -> Candidates:
        nothing = np.zeros(0)
        return cls(nothing, nothing, nothing, nothing, nothing)

    def __len__(self) -> int:
        return len(self.start_s)

    def where(self, keep: Mask | Indices) -> Candidates:
        return Candidates(
            self.start_s[keep],
            self.end_s[keep],
            self.probability[keep],
            self.frequency_hz[keep],
            self.amplitude_uv[keep],
        )

    def filling(self, at_least: float, n_samples: int) -> Mask:
        """Where those of at least this probability are, on the working grid."""
        kept = self.probability >= at_least
        return mask_of(self.start_s[kept], self.end_s[kept], n_samples)

    def followed_by(self, other: Candidates) -> Candidates:
        """Both together, in order of time."""
        start_s = np.concatenate((self.start_s, other.start_s))
        return Candidates(
            start_s,
            np.concatenate((self.end_s, other.end_s)),
            np.concatenate((self.probability, other.probability)),
            np.concatenate((self.frequency_hz, other.frequency_hz)),
            np.concatenate((self.amplitude_uv, other.amplitude_uv)),
        ).where(np.argsort(start_s, kind="stable"))

    def events(self, kind: Phenomenon, label: str) -> tuple[Event, ...]:
        """Those probable enough to keep, as events, rounded to what can be measured."""
        keep = self.where(self.probability >= CANDIDATE_PROBABILITY)
        return tuple(
            Event(
                kind,
                label,
                round(float(start_s), 2),
                round(float(end_s), 2),
                round(float(probability), 3),
                None if np.isnan(frequency_hz) else round(float(frequency_hz), 2),
                None if np.isnan(amplitude_uv) else round(float(amplitude_uv), 1),
            )
            for start_s, end_s, probability, frequency_hz, amplitude_uv in zip(
                keep.start_s,
                keep.end_s,
                keep.probability,
                keep.frequency_hz,
                keep.amplitude_uv,
                strict=True,
            )
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """What one detector found in the recording.

    Attributes:
        not_assessable: why the phenomenon cannot be assessed, epoch by epoch.
        events: with every candidate. Events in epochs where their channel is poor are dropped
            by :func:`auditor.evidence.measure`, not by the detector.
        measures: by name, one for each epoch. Those of epochs that are not assessable are
            dropped by :func:`auditor.evidence.measure`.
    """

    not_assessable: Reasons
    events: tuple[Event, ...] = ()
    measures: Mapping[str, tuple[Measure, ...]] = field(default_factory=dict)


def measures_of(
    value: Doubles, low: Doubles, high: Doubles, unit: str, label: str
) -> tuple[Measure, ...]:
    """One measure for each epoch, of arrays of shape ``(n_epochs,)``."""
    return tuple(
        Measure(round(float(v), 4), unit, label, round(float(lo), 4), round(float(hi), 4))
        for v, lo, hi in zip(value, low, high, strict=True)
    )


Earlier: TypeAlias = Mapping[Phenomenon, Measured]
"""What the rounds of detectors before this one found."""


class Detect(Protocol):
    """Measures one phenomenon over the whole recording."""

    def __call__(self, signals: Signals, earlier: Earlier) -> Measured: ...


Progress: TypeAlias = Callable[[str, float], None]
"""Told the name of a piece of work and the share of it that is done, 0 to 1."""
