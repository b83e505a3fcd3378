"""The header and the annotation signals of EDF, EDF+, BDF and BDF+ files.

pyedflib and MNE read the samples. Neither says in a user's words what is wrong with a file,
neither knows when the records of a discontinuous file were taken (pyedflib refuses such files,
MNE closes their gaps without a word), and both lose annotations; so this much is read here.

Formats: Kemp et al. 1992, doi:10.1016/0013-4694(92)90009-7 (EDF), and Kemp and Olivan 2003,
doi:10.1016/S1388-2457(03)00123-8 (EDF+). BDF is the same with samples of 24 bits.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from math import isfinite
from pathlib import Path
from typing import TypeAlias

from auditor.errors import RecordingRefused, os_reason
from auditor.vocabulary import Annotation
from connector.plain_text import plain_label

FIXED_BYTES = 256
"""The part of the header before the signals; each signal adds as much."""

SAMPLE_BYTES_OF_VERSION = {b"0": 2, b"\xffBIOSEMI": 3}

ANNOTATION_LABELS = ("EDF Annotations", "BDF Annotations")

FIELDS_OF_SIGNAL = {
    "label": 16,
    "transducer": 80,
    "unit": 8,
    "physical minimum": 8,
    "physical maximum": 8,
    "digital minimum": 8,
    "digital maximum": 8,
    "prefiltering": 80,
    "samples per record": 8,
    "reserved": 32,
}
"""Width in bytes of each field; the header holds the first field of all signals, then the next."""

PADDING = b" \x00"

DAMAGED = "export the recording again"

Table: TypeAlias = dict[str, list[bytes]]


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal as the header describes it.

    Attributes:
        index: its place among the file's signals, from 0.
        label, unit: bytes as in the file, padding included; no encoding can be relied on.
        physical_min, physical_max: in the unit; exchanged where the polarity is inverted.
        digital_min, digital_max: the stored numbers that these stand for.
        samples_per_record: of this signal.
        offset: how many samples of a record stand before its own.
    """

    index: int
    label: bytes
    unit: bytes
    physical_min: float
    physical_max: float
    digital_min: float
    digital_max: float
    samples_per_record: int
    offset: int

    @property
    def is_annotations(self) -> bool:
        return decoded(self.label) in ANNOTATION_LABELS

    @property
    def is_scaled(self) -> bool:
        """Whether stored numbers can be turned into physical values."""
        return self.digital_min < self.digital_max and self.physical_min != self.physical_max


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about itself, checked against its size.

    Attributes:
        path: the file.
        start: wall-clock time by the header, whole seconds; None where that is not a date.
        discontinuous: whether the records need not follow one another (EDF+D, BDF+D).
        file_bytes, n_bytes: size of the file and of its header.
        sample_bytes: 2 for EDF, 3 for BDF.
        record_s: duration of a record, in seconds; 0 only where all signals are annotations.
        promised_records: as the header says; below 1 where the writer never filled it in.
        n_records: whole records that are there, and no more than promised.
        signals: all of them, annotation signals too.
    """

    path: Path
    start: datetime | None
    discontinuous: bool
    file_bytes: int
    n_bytes: int
    sample_bytes: int
    record_s: float
    promised_records: int
    n_records: int
    signals: tuple[Signal, ...]

    @property
    def is_bdf(self) -> bool:
        return self.sample_bytes == SAMPLE_BYTES_OF_VERSION[b"\xffBIOSEMI"]

    @property
    def fits_file(self) -> bool:
        """Whether the file holds all the records that the header promises, and nothing more."""
        stored = self.promised_records * sum(s.samples_per_record for s in self.signals)
        return self.file_bytes == self.n_bytes + stored * self.sample_bytes

    @property
    def annotation_signals(self) -> tuple[Signal, ...]:
        return tuple(signal for signal in self.signals if signal.is_annotations)

    @property
    def ordinary_signals(self) -> tuple[Signal, ...]:
        return tuple(signal for signal in self.signals if not signal.is_annotations)


@dataclass(frozen=True, slots=True)
class Timekeeping:
    """What the annotation signals hold.

    Attributes:
        record_onsets_s: when each record begins, seconds from the header's start; None where a
            record does not say.
        annotations: in the file's order, onsets in seconds from the header's start.
        n_unreadable: entries that are not as the format demands.
    """

    record_onsets_s: tuple[float | None, ...]
    annotations: tuple[Annotation, ...]
    n_unreadable: int


def decoded(text: bytes) -> str:
    """Text of a file whose writer should have kept to ASCII, but often did not."""
    text = text.strip(PADDING)
    try:
        said = text.decode("utf-8")
    except UnicodeDecodeError:
        said = text.decode("cp1252", errors="replace")  # latin-1 and more
    return plain_label(said).strip()


def read_header(path: Path) -> Header:
    """The header of a file, sound as far as it can be told without its samples.

    Raises:
        RecordingRefused: there is no such file, it is not EDF or BDF, or its header contradicts
            itself or the file's size.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise RecordingRefused(path, "is a folder", "name one EDF or BDF file in it")
        if not stat.S_ISREG(status.st_mode):
            raise RecordingRefused(path, "is not a regular file", "name an EDF or BDF file")
        with path.open("rb") as file:
            fixed = file.read(FIXED_BYTES)
            sample_bytes = _sample_bytes(path, fixed)
            n_signals = _n_signals(path, fixed)
            table = _table(path, file.read(n_signals * FIXED_BYTES), n_signals)
    except OSError as error:
        raise unreadable(path, error) from None

    signals = _signals(path, table)
    n_bytes = FIXED_BYTES * (n_signals + 1)
    if _integer(path, "size of the header", fixed[184:192]) != n_bytes:
        raise RecordingRefused(path, "has a header whose size does not fit its signals", DAMAGED)
    record_s = _number(path, "duration of a record", fixed[244:252])
    if record_s < 0 or (record_s == 0 and not all(s.is_annotations for s in signals)):
        raise RecordingRefused(path, f"has records of {record_s:g} s", DAMAGED)

    promised = _integer(path, "number of records", fixed[236:244])
    record_bytes = sample_bytes * sum(signal.samples_per_record for signal in signals)
    present = (status.st_size - n_bytes) // record_bytes if record_bytes else 0
    n_records = min(present, promised) if promised > 0 else present
    if n_records < 1:
        raise RecordingRefused(path, "holds no data records", "give the finished recording")
    return Header(
        path=path,
        start=_start(fixed),
        discontinuous=fixed[192:197] in (b"EDF+D", b"BDF+D"),
        file_bytes=status.st_size,
        n_bytes=n_bytes,
        sample_bytes=sample_bytes,
        record_s=record_s,
        promised_records=promised,
        n_records=n_records,
        signals=signals,
    )


def read_timekeeping(header: Header) -> Timekeeping:
    """All that the annotation signals hold; nothing where the file has none.

    Only their own bytes are read, record by record.

    Raises:
        RecordingRefused: the file can no longer be read.
    """
    record_samples = sum(signal.samples_per_record for signal in header.signals)
    onsets: list[float | None] = []
    annotations: list[Annotation] = []
    n_unreadable = 0
    try:
        with header.path.open("rb") as file:
            for record in range(header.n_records if header.annotation_signals else 0):
                onset: float | None = None
                for place, signal in enumerate(header.annotation_signals):
                    samples_before = record * record_samples + signal.offset
                    file.seek(header.n_bytes + samples_before * header.sample_bytes)
                    stored = file.read(signal.samples_per_record * header.sample_bytes)
                    lists = [_timestamped(entry) for entry in stored.split(b"\x00") if entry]
                    n_unreadable += lists.count(None)
                    if place == 0 and lists and lists[0] is not None:
                        onset = lists[0].onset_s
                    annotations += [note for found in lists if found for note in found.notes]
                onsets.append(onset)
    except OSError as error:
        raise unreadable(header.path, error) from None
    return Timekeeping(tuple(onsets), tuple(annotations), n_unreadable)


def unreadable(path: Path, error: OSError) -> RecordingRefused:
    """The refusal for a file that the operating system does not give us."""
    match error:
        case FileNotFoundError():
            return RecordingRefused(path, "there is no such file", "check its name")
        case PermissionError():
            return RecordingRefused(path, "may not be read", "allow this user to read it")
        case _:
            return RecordingRefused(path, f"cannot be read ({os_reason(error)})", "check the disk")


# ── the header's fields ───────────────────────────────────────────────────────────────────


def _sample_bytes(path: Path, fixed: bytes) -> int:
    if not fixed:
        raise RecordingRefused(path, "is empty", "give the finished recording")
    found = SAMPLE_BYTES_OF_VERSION.get(fixed[:8].strip(PADDING))
    if found is None or len(fixed) < FIXED_BYTES:
        raise RecordingRefused(
            path, "is not an EDF or BDF file", "export the recording as EDF, EDF+, BDF or BDF+"
        )
    return found


def _n_signals(path: Path, fixed: bytes) -> int:
    found = _integer(path, "number of signals", fixed[252:256])
    if found < 1:
        raise RecordingRefused(path, f"has {found} signals", DAMAGED)
    return found


def _table(path: Path, content: bytes, n_signals: int) -> Table:
    if len(content) < n_signals * FIXED_BYTES:
        raise RecordingRefused(path, "ends within its header", DAMAGED)
    table: Table = {}
    start = 0
    for field, width in FIELDS_OF_SIGNAL.items():
        ends = range(start + width, start + width * n_signals + 1, width)
        table[field] = [content[end - width : end] for end in ends]
        start += width * n_signals
    return table


def _signals(path: Path, table: Table) -> tuple[Signal, ...]:
    counts = [_integer(path, "samples per record", n) for n in table["samples per record"]]
    if min(counts) < 0:
        raise RecordingRefused(path, "has a signal of less than no samples a record", DAMAGED)
    return tuple(
        Signal(
            index=index,
            label=table["label"][index],
            unit=table["unit"][index],
            physical_min=_number(path, "physical minimum", table["physical minimum"][index]),
            physical_max=_number(path, "physical maximum", table["physical maximum"][index]),
            digital_min=_number(path, "digital minimum", table["digital minimum"][index]),
            digital_max=_number(path, "digital maximum", table["digital maximum"][index]),
            samples_per_record=count,
            offset=offset,
        )
        for index, (count, offset) in enumerate(
            zip(counts, accumulate(counts[:-1], initial=0), strict=True)
        )
    )


def _number(path: Path, field: str, text: bytes) -> float:
    with suppress(ValueError):
        # Some writers follow a locale with a decimal comma.
        value = float(text.strip(PADDING).replace(b",", b"."))
        if isfinite(value):
            return value
    raise RecordingRefused(path, f"has a header whose {field} is not a number", DAMAGED)


def _integer(path: Path, field: str, text: bytes) -> int:
    value = _number(path, field, text)
    if value != int(value):
        raise RecordingRefused(path, f"has a header whose {field} is not whole", DAMAGED)
    return int(value)


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# What is left out is no date of a recording, and leaves no room to add the recording's length.
_YEARS = range(1000, 9000)
_EDF_PLUS_DATE = re.compile(rb"Startdate (\d\d)-([A-Z]{3})-(\d{4})", re.IGNORECASE)
_TRIPLE = re.compile(rb"(\d\d)\D(\d\d)\D(\d\d)")


def _start(fixed: bytes) -> datetime | None:
    date, time = _date(fixed), _TRIPLE.fullmatch(fixed[176:184])
    if date is None or time is None:
        return None
    hour, minute, second = (int(part) for part in time.groups())
    if date[0] not in _YEARS:
        return None
    try:
        return datetime(*date, hour, minute, second)
    except ValueError:
        return None


def _date(fixed: bytes) -> tuple[int, int, int] | None:
    """Year, month, day: with four digits of the year where EDF+ gives them."""
    if plus := _EDF_PLUS_DATE.match(fixed[88:168]):
        day, month, year = plus.groups()
        name = month.decode("ascii").upper()
        return (int(year), _MONTHS.index(name) + 1, int(day)) if name in _MONTHS else None
    if plain := _TRIPLE.fullmatch(fixed[168:176]):
        day, number, short_year = (int(part) for part in plain.groups())
        # 85 to 99 are of the last century: the format's own rule.
        return (short_year + (1900 if short_year >= 85 else 2000), number, day)
    return None


# ── time-stamped annotation lists ─────────────────────────────────────────────────────────

_LIST = re.compile(
    rb"(?P<onset>[+-]\d{1,9}(?:\.\d*)?)(?:\x15(?P<duration>\d{0,9}\.?\d*))?\x14(?P<texts>.*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _AnnotationList:
    onset_s: float
    duration_s: float
    texts: Sequence[bytes]

    @property
    def notes(self) -> list[Annotation]:
        """Without the empty text that only marks a record's time."""
        return [
            Annotation(self.onset_s, self.duration_s, decoded(text))
            for text in self.texts
            if text.strip()
        ]


def _timestamped(entry: bytes) -> _AnnotationList | None:
    found = _LIST.fullmatch(entry)
    if found is None:
        return None
    duration = found["duration"]
    return _AnnotationList(
        onset_s=float(found["onset"]),
        duration_s=float(duration) if duration and duration != b"." else 0.0,
        texts=found["texts"].split(b"\x14"),
    )
