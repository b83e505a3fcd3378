"""Several files of one night as one: an EDF+D (BDF+D) file, with the time between them as gaps.

A sleep laboratory that restarts its recorder in mid-night exports a file for each stretch. EDF+
has a form for what is recorded with interruptions: every record says when it began. The records
are copied as they are; only the annotation signals are written anew, for their times count from
the start of the file that they stood in.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from auditor.errors import RecordingRefused
from connector.edf import SHORTEST_GAP_S
from connector.edf_header import Header, Signal, read_header, read_timekeeping

# EDF specification, 2.1: widths of the header's fields, of the file and of each signal.
_FIXED_BYTES = 256
_SIGNAL_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)

_REMEDY = "attach the night as one file"


def join(paths: Sequence[Path], joined: Path) -> None:
    """Writes the recordings one after the other into a new file, by the time they began.

    Raises:
        RecordingRefused: one of them is no EDF or BDF, does not say when it began, overlaps
            another, or has other channels.
        OSError: the new file cannot be written.
    """
    headers = sorted(map(read_header, paths), key=_start)
    first = headers[0]
    for before, after in pairwise(headers):
        _check_that_they_go_together(before, after)
    notes = deque(_notes(headers))
    n_records = sum(header.n_records for header in headers)
    room = _room_for(notes, n_records, first.sample_bytes)
    with joined.open("wb") as file:
        file.write(_header(first, n_records, room))
        for header in headers:
            for onset_s, samples in _records(header):
                file.write(samples)
                file.write(_annotations(onset_s + _since(first, header), notes, room))


def _start(header: Header) -> datetime:
    if header.start is None:
        raise RecordingRefused(header.path, "does not say when it began", _REMEDY)
    return header.start


def _since(first: Header, header: Header) -> float:
    """Seconds by the clock on the wall, as the recorder had it."""
    return (_start(header) - _start(first)).total_seconds()


def _end_s(header: Header) -> float:
    """From the file's own start."""
    last = read_timekeeping(header).record_onsets_s[-1:] or (None,)
    before_s = header.record_s * (header.n_records - 1)
    return header.record_s + (before_s if last[0] is None else last[0])


def _check_that_they_go_together(before: Header, after: Header) -> None:
    def form(header: Header) -> object:
        signals = header.ordinary_signals
        described = [
            (s.label, s.unit, s.physical_min, s.physical_max, s.digital_min, s.digital_max)
            for s in signals
        ]
        rates = [signal.samples_per_record for signal in header.ordinary_signals]
        return described, rates, header.record_s, header.sample_bytes

    if form(before) != form(after):
        raise RecordingRefused(after.path, "has other channels than the file before it", _REMEDY)
    if _since(before, after) + SHORTEST_GAP_S < _end_s(before):
        raise RecordingRefused(after.path, "overlaps the file before it", _REMEDY)


# ── records ───────────────────────────────────────────────────────────────────────────────


def _records(header: Header) -> Iterator[tuple[float, bytes]]:
    """Each record's onset, in seconds from its own file's start, and its ordinary signals."""
    onsets = read_timekeeping(header).record_onsets_s
    size = sum(signal.samples_per_record for signal in header.signals) * header.sample_bytes
    places = [
        slice(
            s.offset * header.sample_bytes, (s.offset + s.samples_per_record) * header.sample_bytes
        )
        for s in header.ordinary_signals
    ]
    with header.path.open("rb") as file:
        file.seek(header.n_bytes)
        for number in range(header.n_records):
            record = file.read(size)
            said = onsets[number] if number < len(onsets) else None
            onset_s = number * header.record_s if said is None else said
            yield onset_s, b"".join(record[place] for place in places)


def _place(signal: Signal, sample_bytes: int) -> slice:
    start = signal.offset * sample_bytes
    return slice(start, start + signal.samples_per_record * sample_bytes)


def _notes(headers: Sequence[Header]) -> Iterator[bytes]:
    """The annotations as EDF+ writes them, from the first file's start."""
    for header in headers:
        since_s = _since(headers[0], header)
        for note in read_timekeeping(header).annotations:
            duration = f"\x15{note.duration_s:.6g}" if note.duration_s else ""
            text = f"{_time(note.onset_s + since_s)}{duration}\x14{note.text}\x14\x00"
            yield text.encode()


def _room_for(notes: Sequence[bytes], n_records: int, sample_bytes: int) -> int:
    """Bytes of each record's annotations: they stand in any record, in their order."""
    longest = max(map(len, notes), default=0)
    each = math.ceil(sum(map(len, notes)) / max(1, n_records))
    return math.ceil((32 + longest + each) / sample_bytes) * sample_bytes


def _annotations(onset_s: float, notes: deque[bytes], room: int) -> bytes:
    text = f"{_time(onset_s)}\x14\x14\x00".encode()
    while notes and len(text) + len(notes[0]) <= room:
        text += notes.popleft()
    return text.ljust(room, b"\x00")


def _time(seconds: float) -> str:
    text = f"{seconds:+.6f}"
    return text.rstrip("0").rstrip(".")


# ── the header ────────────────────────────────────────────────────────────────────────────


def _header(first: Header, n_records: int, room: int) -> bytes:
    """The first file's, for its ordinary signals and one of annotations behind them."""
    kind = "BDF" if first.is_bdf else "EDF"
    with first.path.open("rb") as file:
        fixed, table = file.read(_FIXED_BYTES), _table(file, len(first.signals))
    ordinary = [signal.index for signal in first.ordinary_signals]
    limit = 1 << (8 * first.sample_bytes - 1)
    annotations = [
        *(f"{kind} Annotations", "", "", "-1", "1", str(-limit), str(limit - 1), ""),
        *(str(room // first.sample_bytes), ""),
    ]
    n_signals = len(ordinary) + 1
    own = b"".join(
        b"".join([*(column[i] for i in ordinary), _field(text, width)])
        for column, text, width in zip(table, annotations, _SIGNAL_FIELDS, strict=True)
    )
    return b"".join(
        (
            fixed[:184],
            _field(str(_FIXED_BYTES + len(own)), 8),
            _field(f"{kind}+D", 44),
            _field(str(n_records), 8),
            fixed[244:252],
            _field(str(n_signals), 4),
            own,
        )
    )


def _table(file: BinaryIO, n_signals: int) -> list[list[bytes]]:
    return [[file.read(width) for _ in range(n_signals)] for width in _SIGNAL_FIELDS]


def _field(text: str, width: int) -> bytes:
    return text.encode("ascii").ljust(width)
