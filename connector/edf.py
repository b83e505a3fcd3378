"""Reads EDF, EDF+, BDF and BDF+ files: every channel in µV, at its own rate, on one clock.

pyedflib reads the samples, and MNE those of sound files that pyedflib refuses, such as labels
that are not ASCII, a date that is none, or a recording that was cut off. Nothing is read before
it is asked for, and no file stays open in between.

What is decided here:

- Signals whose unit is not a voltage (%, °C, Ohm …) are left out, and a note says so. A signal
  that states no unit is taken as µV, and a note says so.
- The second signal of a label becomes "LABEL (2)", the third "LABEL (3)"; one without a label
  becomes "signal N".
- Time runs from the first sample. Records of a discontinuous file stand where their own time
  stamps put them; between them is a gap. A continuous file is taken at its word.
- A file that ends early is read as far as its whole records go, and a note says how much is
  missing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from itertools import pairwise
from math import floor
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from pyedflib import CHECK_FILE_SIZE, DO_NOT_READ_ANNOTATIONS, EdfReader

from auditor.errors import RecordingRefused
from auditor.vocabulary import Annotation, Channel, Recording, Samples, Span
from connector.edf_header import (
    PADDING,
    Header,
    Signal,
    Timekeeping,
    decoded,
    read_header,
    read_timekeeping,
)

SHORTEST_GAP_S = 0.02
"""Less between two records is how exactly writers keep time, and shorter than any wave scored."""

LONGEST_RECORDING_S = 3 * 24 * 3600.0
"""A longer one is a mistake in a time stamp, and its gaps would not fit into memory."""

PLAUSIBLE_RANGE_UV = (10.0, 1e9)
"""From lowest to highest value that a channel can hold: less cannot show an EEG, and more than
1000 V is no electrode. Outside it the header's unit is wrong, as in volts given for µV."""

USELESS_RANGE_UV = 1e15
"""Whatever unit was meant, no channel spans this, and numbers much larger overflow in sums."""


def read_recording(path: Path) -> Recording:
    """The recording in a file, its samples still unread.

    Raises:
        RecordingRefused: the file is missing, is not EDF or BDF, is damaged, or holds no channel
            of a voltage.
    """
    header = read_header(path)
    timekeeping = read_timekeeping(header)
    labels, notes_on_channels = _usable_signals(header)
    stretches = _stretches(header, timekeeping)
    gaps = tuple(Span(before.end_s, after.start_s) for before, after in pairwise(stretches))
    since_header = timedelta(seconds=_origin_s(timekeeping))
    return Recording(
        name=path.name,
        start=None if header.start is None else header.start + since_header,
        duration_s=stretches[-1].end_s,
        channels=_channels(header, labels, stretches),
        gaps=gaps,
        annotations=_from_first_sample(timekeeping),
        notes=(*notes_on_channels, *_notes_on_time(header, timekeeping, gaps)),
    )


def read_annotations(path: Path) -> tuple[Annotation, ...]:
    """The annotations of a file, which may hold nothing else, in order of onset.

    Raises:
        RecordingRefused: the file is missing, is not EDF or BDF, or is damaged.
    """
    return _from_first_sample(read_timekeeping(read_header(path)))


def _from_first_sample(timekeeping: Timekeeping) -> tuple[Annotation, ...]:
    origin_s = _origin_s(timekeeping)
    moved = (replace(a, onset_s=a.onset_s - origin_s) for a in timekeeping.annotations)
    return tuple(sorted(moved, key=lambda annotation: annotation.onset_s))


def _origin_s(timekeeping: Timekeeping) -> float:
    """When the first sample was taken, in seconds after the header's start."""
    return next(iter(timekeeping.record_onsets_s), None) or 0.0


# ── the clock ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Records that follow one another without a gap."""

    start_s: float
    record_s: float
    first_record: int
    n_records: int

    @property
    def end_s(self) -> float:
        return self.start_s + self.n_records * self.record_s


def _stretches(header: Header, timekeeping: Timekeeping) -> tuple[_Stretch, ...]:
    if not header.discontinuous:
        whole = _Stretch(0.0, header.record_s, 0, header.n_records)
        if whole.end_s > LONGEST_RECORDING_S:
            raise RecordingRefused(
                header.path, f"goes on for {whole.end_s / 86400:.3g} days", "export a night alone"
            )
        return (whole,)
    origin_s = _origin_s(timekeeping)
    found: list[_Stretch] = []
    for record, onset_s in enumerate(timekeeping.record_onsets_s or (None,)):
        if onset_s is None:
            raise RecordingRefused(
                header.path,
                "says that it has gaps, but not when each record was taken",
                "export it again as continuous EDF",
            )
        start_s = onset_s - origin_s
        late_s = start_s - found[-1].end_s if found else SHORTEST_GAP_S
        if late_s <= -SHORTEST_GAP_S or start_s > LONGEST_RECORDING_S:
            raise RecordingRefused(
                header.path,
                "has records whose times overlap, or go on for more than three days",
                "export it again as continuous EDF",
            )
        if late_s >= SHORTEST_GAP_S:
            found.append(_Stretch(start_s, header.record_s, record, 1))
        else:
            found[-1] = replace(found[-1], n_records=found[-1].n_records + 1)
    return tuple(found)


def _notes_on_time(header: Header, timekeeping: Timekeeping, gaps: Sequence[Span]) -> Iterator[str]:
    if header.start is None:
        yield "the file does not say when it was recorded"
    if header.promised_records < 1:
        yield "the header does not say how long the recording is; its end may be missing"
    elif header.n_records < header.promised_records:
        missing_s = (header.promised_records - header.n_records) * header.record_s
        yield f"the file ends {missing_s:g} s before the time that its header promises"
    if gaps:
        lost_s = sum(gap.end_s - gap.start_s for gap in gaps)
        yield f"gaps in which nothing was recorded: {len(gaps)}, together {lost_s:g} s"
    stamps_s = [onset_s for onset_s in timekeeping.record_onsets_s if onset_s is not None]
    recorded_s = (header.n_records - 1) * header.record_s
    if not header.discontinuous and stamps_s and stamps_s[-1] - stamps_s[0] > recorded_s + 1.0:
        yield "the file says that it has no gaps, but its time stamps do"
    if timekeeping.n_unreadable:
        yield f"annotations that cannot be read: {timekeeping.n_unreadable}"


# ── channels ──────────────────────────────────────────────────────────────────────────────

_VOLTAGE = re.compile(
    r"[(\[]?(?P<prefix>micro|milli|nano|m|n|u|\?|[^\x00-\x7f]+)?v(ol?t?s?)?[)\]]?", re.IGNORECASE
)
_UV_OF_PREFIX = {"": 1e6, "m": 1e3, "milli": 1e3, "n": 1e-3, "nano": 1e-3}
_NO_UNIT = re.compile(r"(n/?a|none|unknown|-*|\?*)", re.IGNORECASE)


def microvolts_per(unit: bytes) -> float | None:
    """How many µV one of this unit is; 1 where none is stated, None where it is no voltage.

    The µ of "µV" comes in every encoding there has been, or lost: whatever is not ASCII
    before a V is taken for it.
    """
    text = unit.strip(PADDING).decode("latin-1")
    if _NO_UNIT.fullmatch(text):
        return 1.0
    found = _VOLTAGE.fullmatch(text)
    return _UV_OF_PREFIX.get((found["prefix"] or "").lower(), 1.0) if found else None


def _usable_signals(header: Header) -> tuple[dict[int, str], list[str]]:
    """The signals that become channels, by index, with the channel's label; and notes."""
    labels = _labels(header.ordinary_signals)
    usable: dict[int, str] = {}
    foreign: list[str] = []
    unscaled: list[str] = []
    unitless: list[str] = []
    implausible: list[str] = []
    for signal, label in zip(header.ordinary_signals, labels, strict=True):
        per_unit = microvolts_per(signal.unit)
        if per_unit is None:
            foreign.append(label)
            continue
        range_uv = abs(signal.physical_max - signal.physical_min) * per_unit
        if not (signal.is_scaled and signal.samples_per_record and range_uv < USELESS_RANGE_UV):
            unscaled.append(label)
        else:
            usable[signal.index] = label
            if _NO_UNIT.fullmatch(decoded(signal.unit)):
                unitless.append(label)
            elif not PLAUSIBLE_RANGE_UV[0] <= range_uv <= PLAUSIBLE_RANGE_UV[1]:
                implausible.append(label)
    if not usable:
        raise RecordingRefused(
            header.path,
            "holds no channel that measures a voltage",
            "export the EEG, eye and chin channels with it",
        )
    sentences = {
        "left out, as their unit is not a voltage": foreign,
        "left out, as the header gives them no usable range or no samples": unscaled,
        "taken as µV, as the header states no unit": unitless,
        "cannot hold what an electrode measures; their unit is probably wrong": implausible,
    }
    return usable, [f"{said}: {_listed(them)}" for said, them in sentences.items() if them]


def _labels(signals: Iterable[Signal]) -> list[str]:
    """Each signal's label, made unique."""
    labels: dict[str, None] = {}
    used: Counter[str] = Counter()
    for signal in signals:
        label = plain = decoded(signal.label) or f"signal {signal.index + 1}"
        while label in labels or used[plain] == 0:
            used[plain] += 1
            label = plain if used[plain] == 1 else f"{plain} ({used[plain]})"
        labels[label] = None
    return list(labels)


def _listed(labels: Sequence[str], most: int = 5) -> str:
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more


def _channels(
    header: Header, labels: dict[int, str], stretches: Sequence[_Stretch]
) -> tuple[Channel, ...]:
    path = header.path.absolute()
    by_pyedflib = _pyedflib_reads(header)
    channels = []
    for place, signal in enumerate(header.ordinary_signals):
        if signal.index not in labels:
            continue
        rate_hz = signal.samples_per_record / header.record_s
        stored = (
            _PyedflibSignal(path, place)
            if by_pyedflib
            else _MneSignal.of(path, header, signal, rate_hz)
        )
        runs = tuple(_Run.of(stretch, signal, rate_hz) for stretch in stretches)
        source = _FileSource(
            path, header.file_bytes, stored, microvolts_per(signal.unit) or 1.0, runs
        )
        channels.append(Channel(labels[signal.index], rate_hz, runs[-1].stop, source))
    if not by_pyedflib:
        channels[0].source.read(0, 1)  # refused now rather than in the middle of a study
    return tuple(channels)


@dataclass(frozen=True, slots=True)
class _Run:
    """A stretch in samples of one signal: where on the clock, and where in the file."""

    start: int
    stop: int
    first_stored: int

    @classmethod
    def of(cls, stretch: _Stretch, signal: Signal, rate_hz: float) -> _Run:
        start = floor(stretch.start_s * rate_hz + 0.5)
        per_record = signal.samples_per_record
        return cls(start, start + stretch.n_records * per_record, stretch.first_record * per_record)


class _StoredSignal(Protocol):
    """One signal as the file holds it, without regard to gaps."""

    def read(self, start: int, stop: int) -> Samples:
        """Samples in the header's unit.

        Raises:
            OSError: the file is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class _FileSource:
    """A channel in its file: a :class:`auditor.vocabulary.SampleSource`."""

    path: Path
    file_bytes: int
    stored: _StoredSignal
    microvolts_per_unit: float
    runs: tuple[_Run, ...]

    def read(self, start: int, stop: int) -> Samples:
        """See :class:`auditor.vocabulary.SampleSource`.

        Raises:
            RecordingRefused: the file is gone, or has another size than when it was opened.
        """
        samples = np.full(max(0, stop - start), np.nan)
        try:
            # Neither library looks: MNE would take samples of other channels for these.
            if self.path.stat().st_size != self.file_bytes:
                raise OSError
            for run in self.runs:
                first, last = max(start, run.start), min(stop, run.stop)
                if first < last:
                    offset = run.first_stored - run.start
                    stored = self.stored.read(first + offset, last + offset)
                    there = samples[first - start : last - start]
                    np.multiply(stored, self.microvolts_per_unit, out=there)
        except OSError:
            raise RecordingRefused(
                self.path,
                "is gone or has changed since it was opened",
                "leave the file as it is until the study is done",
            ) from None
        return samples


# ── pyedflib ──────────────────────────────────────────────────────────────────────────────

_EDFLIB = Lock()
"""edflib keeps its open files in one table, and refuses a file that is open already."""


def _open(path: Path) -> EdfReader:
    return EdfReader(str(path), DO_NOT_READ_ANNOTATIONS, CHECK_FILE_SIZE)


def _pyedflib_reads(header: Header) -> bool:
    """Whether pyedflib opens the file and finds in it what its header says."""
    if not header.fits_file:
        return False  # pyedflib would refuse it too, but print that to standard output
    expected = [s.samples_per_record * header.n_records for s in header.ordinary_signals]
    try:
        with _EDFLIB, _open(header.path) as reader:
            return bool(reader.getNSamples().tolist() == expected)
    except (OSError, UnicodeEncodeError):  # the latter where the file's name is not UTF-8
        return False


@dataclass(frozen=True, slots=True)
class _PyedflibSignal:
    path: Path
    index: int

    def read(self, start: int, stop: int) -> Samples:
        with _EDFLIB, _open(self.path) as reader:
            samples: Samples = reader.readSignal(self.index, start, stop - start)
        return samples


# ── MNE ───────────────────────────────────────────────────────────────────────────────────

_MNE = Lock()
"""MNE's silence is one setting for the whole process, which threads would undo."""

_VOLTS_BY_MNE = {"uV": 1e-6, "µV": 1e-6, "\x83\xcaV": 1e-6, "mV": 1e-3}
"""What MNE multiplies by to reach volts; any other unit it leaves as it is."""


@dataclass(frozen=True)
class _MneSignal:
    """A signal read through MNE, alone, as MNE brings signals read together to one rate.

    Attributes:
        label, unit: as MNE decodes them.
        twin: how many signals before this one have the same label.
    """

    path: Path
    is_bdf: bool
    label: str
    unit: str
    twin: int
    rate_hz: float

    @classmethod
    def of(cls, path: Path, header: Header, signal: Signal, rate_hz: float) -> _MneSignal:
        label = signal.label.strip()
        return cls(
            path=path,
            is_bdf=header.is_bdf,
            label=label.decode("latin-1"),
            unit=signal.unit.strip().decode("latin-1"),
            twin=sum(before.label.strip() == label for before in header.signals[: signal.index]),
            rate_hz=rate_hz,
        )

    def read(self, start: int, stop: int) -> Samples:
        with _MNE:
            volts: Samples = self._raw.get_data([self.twin], start, stop, verbose="error")[0]
        return volts / _VOLTS_BY_MNE.get(self.unit, 1.0)

    @cached_property
    def _raw(self) -> Any:
        from mne.io import read_raw_bdf, read_raw_edf  # here, as MNE takes a second to import

        try:
            raw = (read_raw_bdf if self.is_bdf else read_raw_edf)(
                self.path,
                include=[self.label],
                stim_channel=None,
                encoding="latin-1",
                verbose="error",
            )
        except NotImplementedError:
            ending = ".bdf" if self.is_bdf else ".edf"
            raise RecordingRefused(
                self.path, f"is read by MNE only when its name ends in {ending}", "rename it"
            ) from None
        except (ValueError, AssertionError, RuntimeError):
            raise RecordingRefused(
                self.path, "is read neither by pyedflib nor by MNE", "export it again"
            ) from None
        if abs(raw.info["sfreq"] - self.rate_hz) > 1e-6 * self.rate_hz:
            raise RecordingRefused(
                self.path,
                f"has channels labelled {self.label} at different rates",
                "give each channel its own label",
            )
        return raw
