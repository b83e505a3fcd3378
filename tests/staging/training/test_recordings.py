"""Recordings that people scored, in the layout of MASS-EX."""

from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest

from auditor.errors import RecordingRefused, ScoringRefused
from auditor.vocabulary import Recording
from connector.edf import read_recording
from staging.phantom import PhantomSettings, simulate, write_edf
from staging.training.nights import read_night
from staging.training.recordings import subjects, write_subject

HEADER = "custom_id,Subject,N,Stage,reasoning_text,applicable_rules\n"


@pytest.fixture
def mass(tmp_path: Path) -> Path:
    """Three epochs of one subject; the first two are scored, one of them with reasons."""
    write_edf(
        simulate(1, PhantomSettings(hours=0.025, sampling_rate_hz=128)),
        tmp_path / "01-01-0001 PSG.edf",
    )
    for track in ("fine", "coarse"):
        (tmp_path / "annotations" / track).mkdir(parents=True)
    (tmp_path / "annotations" / "fine" / "01-01-0001.csv").write_text(
        HEADER + 'a,01-01-0001,2,N2,"A spindle at 3 s, in C4.","N2.1, N2.2"\n'
    )
    (tmp_path / "annotations" / "coarse" / "01-01-0001.csv").write_text(
        "custom_id,Subject,N,Stage,applicable_rules\nb,01-01-0001,1,W,W.1\nc,01-01-0001,2,N1,N1.1\n"
    )
    return tmp_path


def night_of(folder: Path, first_epoch: int = 1):  # type: ignore[no-untyped-def]
    (subject,) = subjects(folder / "annotations", folder)
    return read_night(write_subject(subject, read_recording, folder / "nights", 50.0, first_epoch))


def test_both_tracks_are_read_and_reasons_win(mass: Path) -> None:
    night = night_of(mass)
    assert night.images.shape == (3, 224, 448, 3)
    assert [each.stage for each in night.truth] == ["W", "N2", "?"]
    assert night.truth[0].reply == '{"applicable_rules": ["W.1"], "sleep_stage": "W"}'
    assert night.truth[1].rules == ("N2.1", "N2.2")
    assert '"reasoning_text": "A spindle at 3 s, in C4."' in night.truth[1].reply
    assert night.truth[2].reply == ""
    assert night.events is None


def test_names_with_dots_and_spaces_are_nights_of_their_own(mass: Path) -> None:
    table = mass / "annotations" / "fine" / "01-01-0001.csv"
    for name, stage in (("01.01", "W"), ("01.02", "N1"), ("a b", "N2"), ("a-b", "N3")):
        copyfile(mass / "01-01-0001 PSG.edf", mass / f"{name}.edf")
        row = f"a,s,1,{stage},,{stage}.1\n"
        (mass / "annotations" / "fine" / f"{name}.csv").write_text(HEADER + row)
    table.unlink()
    (mass / "annotations" / "coarse" / "01-01-0001.csv").unlink()
    stems = [
        write_subject(subject, read_recording, mass / "nights", 50.0, 1)
        for subject in subjects(mass / "annotations", mass)
    ]
    assert [read_night(stem).truth[0].stage for stem in stems] == ["W", "N1", "N2", "N3"]


@pytest.mark.parametrize("what", ["annotations", "recording", "first epoch", "mains"])
def test_a_night_is_drawn_anew_once_what_it_is_made_of_differs(what: str, mass: Path) -> None:
    before = np.array(night_of(mass).images)
    first_epoch, mains_hz = 1, 50.0
    if what == "annotations":
        table = mass / "annotations" / "coarse" / "01-01-0001.csv"
        table.write_text(table.read_text().replace("W,W.1", "R,R.1"))
    elif what == "recording":
        write_edf(
            simulate(2, PhantomSettings(hours=0.025, sampling_rate_hz=128)),
            mass / "01-01-0001 PSG.edf",
        )
    elif what == "first epoch":
        first_epoch = 0
    else:
        mains_hz = 60.0
    (subject,) = subjects(mass / "annotations", mass)
    seen: list[Path] = []

    def read(path: Path) -> Recording:
        seen.append(path)
        return read_recording(path)

    night = read_night(write_subject(subject, read, mass / "nights", mains_hz, first_epoch))
    assert seen == [subject.recording]
    if what == "annotations":
        assert [each.stage for each in night.truth] == ["R", "N2", "?"]
    elif what == "recording":
        assert not np.array_equal(night.images, before)
    elif what == "first epoch":
        assert [each.stage for each in night.truth] == ["?", "W", "N2"]


def test_a_night_whose_drawing_was_stopped_is_drawn_anew(mass: Path) -> None:
    """As stopped while it was drawn for the second time: what was true before is still there."""
    night_of(mass)
    with pytest.raises(ScoringRefused):
        night_of(mass, first_epoch=2)
    arrays = mass / "nights" / "01-01-0001.npz"
    arrays.unlink()
    arrays.mkdir()
    with pytest.raises(OSError, match=r"01-01-0001\.npz"):
        night_of(mass, first_epoch=0)
    arrays.rmdir()
    assert [each.stage for each in night_of(mass).truth] == ["W", "N2", "?"]


def test_a_night_is_drawn_once(mass: Path) -> None:
    night_of(mass)

    def never(_: Path) -> Recording:
        raise AssertionError("read again")

    (subject,) = subjects(mass / "annotations", mass)
    write_subject(subject, never, mass / "nights", 50.0, 1)


@pytest.mark.parametrize("part", ["json", "npz", "images.npy"])
def test_a_damaged_night_is_refused(mass: Path, part: str) -> None:
    night_of(mass)
    (mass / "nights" / f"01-01-0001.{part}").write_bytes(b"")
    with pytest.raises(RecordingRefused, match="is damaged; delete it"):
        night_of(mass)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [("[]", "scores no epoch"), ('[["?", [], ""]]', "scores no epoch"), ("[[1, 2, 3]]", "damaged")],
)
def test_a_night_without_replies_is_refused(rows: str, problem: str, mass: Path) -> None:
    night_of(mass)
    (mass / "nights" / "01-01-0001.json").write_text(rows)
    with pytest.raises(RecordingRefused, match=f"{problem}; delete it"):
        night_of(mass)


def test_annotations_of_no_epoch_are_refused(mass: Path) -> None:
    for table in (mass / "annotations").rglob("*.csv"):
        table.write_text(HEADER)
    with pytest.raises(ScoringRefused, match=r"fine/01-01-0001\.csv: scores no epoch"):
        night_of(mass)
    assert not (mass / "nights").exists()


def test_an_epoch_that_the_recording_does_not_have_is_refused(mass: Path) -> None:
    with pytest.raises(ScoringRefused, match="scores epoch 1, which the recording does not have"):
        night_of(mass, first_epoch=2)


def test_a_subject_without_a_recording_is_refused(mass: Path) -> None:
    (mass / "01-01-0001 PSG.edf").unlink()
    with pytest.raises(RecordingRefused, match="no recording is of this name"):
        list(subjects(mass / "annotations", mass))


def test_a_folder_without_annotations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScoringRefused, match="has no fine/SUBJECT"):
        list(subjects(tmp_path, tmp_path))


@pytest.mark.parametrize(
    ("csv", "problem"),
    [
        ("custom_id,Subject,N,Stage\n", "no column applicable_rules"),
        (HEADER + "a,s,1,N9,x,N2.1\n", "line 2 has no epoch or no stage"),
        (HEADER + "a,s,one,N2,x,N2.1\n", "line 2 has no epoch or no stage"),
        (HEADER + "a,s,²,N2,x,N2.1\n", "line 2 has no epoch or no stage"),
        (HEADER + f"a,s,{'9' * 5000},N2,x,N2.1\n", "line 2 has no epoch or no stage"),
        (HEADER + "a,s,1,N2,x,FOO.9\n", "line 2 cites a rule that the rulebook does not have"),
        (HEADER + f"a,s,1,N2,{'x' * 200_000},N2.1\n", "is no CSV in UTF-8"),
    ],
)
def test_annotations_that_are_none_are_refused(mass: Path, csv: str, problem: str) -> None:
    (mass / "annotations" / "fine" / "01-01-0001.csv").write_text(csv)
    with pytest.raises(ScoringRefused, match=problem):
        night_of(mass)


def test_annotations_that_cannot_be_read_are_refused(mass: Path) -> None:
    table = mass / "annotations" / "fine" / "01-01-0001.csv"
    table.write_bytes((HEADER + "a,s,1,N2,für,N2.1\n").encode("latin-1"))
    with pytest.raises(ScoringRefused, match="is no CSV in UTF-8"):
        night_of(mass)
    table.unlink()
    table.mkdir()
    with pytest.raises(ScoringRefused, match=r"cannot be read \(is a directory\)"):
        night_of(mass)
