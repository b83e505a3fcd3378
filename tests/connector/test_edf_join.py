"""Files of one night joined: the samples as they were, the time between them as gaps."""

import base64
import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyedflib
import pytest
from hospital import Laboratory

from auditor.errors import RecordingRefused
from auditor.vocabulary import Span
from connector.edf import read_recording
from connector.edf_join import join
from connector.fhir import FhirClient, reference_to
from connector.study import pull

START = datetime(2026, 1, 1, 22, 30)
RATE_HZ = 64
SECONDS = 60


def write(
    path: Path,
    after_s: float,
    seed: int,
    notes: dict[float, str] | None = None,
    kind: int = pyedflib.FILETYPE_EDFPLUS,
    label: str = "C4-M1",
) -> np.ndarray:
    """A file of one channel that begins so long after the night; returns its samples, in µV."""
    samples = np.random.default_rng(seed).uniform(-400, 400, SECONDS * RATE_HZ)
    with pyedflib.EdfWriter(str(path), 1, kind) as writer:
        writer.setSignalHeader(
            0,
            {
                "label": label,
                "dimension": "uV",
                "sample_frequency": RATE_HZ,
                "physical_min": -500,
                "physical_max": 500,
                "digital_min": -32768,
                "digital_max": 32767,
                "transducer": "",
                "prefilter": "",
            },
        )
        writer.setStartdatetime(START + timedelta(seconds=after_s))
        writer.writeSamples([samples])
        for onset_s, text in (notes or {}).items():
            writer.writeAnnotation(onset_s, -1, text)
    return samples


@pytest.mark.parametrize(
    "kind", [pyedflib.FILETYPE_EDF, pyedflib.FILETYPE_EDFPLUS, pyedflib.FILETYPE_BDFPLUS]
)
def test_the_time_between_two_files_is_a_gap(tmp_path: Path, kind: int) -> None:
    first = write(tmp_path / "a", 0, 1, kind=kind)
    second = write(tmp_path / "b", 90, 2, kind=kind)
    joined = tmp_path / ("night.bdf" if kind == pyedflib.FILETYPE_BDFPLUS else "night.edf")
    join([tmp_path / "b", tmp_path / "a"], joined)
    night = read_recording(joined)
    assert (night.start, night.duration_s, night.n_epochs) == (START, 150.0, 5)
    assert night.gaps == (Span(60.0, 90.0),)
    (channel,) = night.channels
    assert channel.label == "C4-M1"
    np.testing.assert_allclose(channel.samples(0, 60), first, atol=0.02)
    np.testing.assert_allclose(channel.samples(90, 150), second, atol=0.02)
    assert np.isnan(channel.samples(60, 90)).all()


def test_annotations_keep_their_time_and_their_words(tmp_path: Path) -> None:
    many = {float(second): f"Note {second}" for second in range(0, 60, 2)}
    write(tmp_path / "a", 0, 1, {3.5: "Lights off", **many})
    write(tmp_path / "b", 60, 2, {10.25: "Müde", 59.0: "Lights on, all up"})
    join([tmp_path / "a", tmp_path / "b"], tmp_path / "night.edf")
    night = read_recording(tmp_path / "night.edf")
    assert night.gaps == ()
    found = {(note.onset_s, note.text) for note in night.annotations}
    expected = {(3.5, "Lights off"), (70.25, "Müde"), (119.0, "Lights on, all up"), *many.items()}
    assert found == expected


def test_three_files_follow_by_the_clock(tmp_path: Path) -> None:
    for name, after_s in (("a", 120), ("b", 0), ("c", 60)):
        write(tmp_path / name, after_s, 1)
    join([tmp_path / name for name in "abc"], tmp_path / "night.edf")
    night = read_recording(tmp_path / "night.edf")
    assert (night.duration_s, night.gaps) == (180.0, ())


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"after_s": 59}, "overlaps the file before it"),
        ({"after_s": 0}, "overlaps the file before it"),
        ({"after_s": 60, "label": "C3-M2"}, "has other channels"),
        ({"after_s": 60, "kind": pyedflib.FILETYPE_BDFPLUS}, "has other channels"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, second: dict[str, Any], said: str
) -> None:
    write(tmp_path / "a", 0, 1)
    write(tmp_path / "b", seed=2, **second)
    with pytest.raises(RecordingRefused, match=f"{said}.*; attach the night as one file"):
        join([tmp_path / "a", tmp_path / "b"], tmp_path / "night.edf")


# ── in a study ────────────────────────────────────────────────────────────────────────────


def attached(fhir: FhirClient, path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    binary = {
        "resourceType": "Binary",
        "contentType": "application/edf",
        "data": base64.b64encode(content).decode(),
    }
    attachment = {
        "contentType": "application/edf",
        "url": reference_to(fhir.create(binary)),
        "size": len(content),
        "hash": base64.b64encode(hashlib.sha1(content).digest()).decode(),
    }
    return {"attachment": attachment}


def test_a_study_of_several_files_comes_as_one(fhir: FhirClient, tmp_path: Path) -> None:
    write(tmp_path / "a", 0, 1)
    write(tmp_path / "b", 90, 2)
    content = [attached(fhir, tmp_path / name) for name in "ba"]
    placed = Laboratory(document={"content": [*content, content[0]]}).place(fhir)
    study = pull(fhir, placed.document, tmp_path / "study")
    assert read_recording(study.recording).gaps == (Span(60.0, 90.0),)
    assert list((tmp_path / "study").iterdir()) == [study.recording]


def test_files_that_do_not_go_together_leave_nothing(fhir: FhirClient, tmp_path: Path) -> None:
    write(tmp_path / "a", 0, 1)
    write(tmp_path / "b", 30, 2)
    content = [attached(fhir, tmp_path / name) for name in "ab"]
    placed = Laboratory(document={"content": content}).place(fhir)
    with pytest.raises(RecordingRefused, match="overlaps"):
        pull(fhir, placed.document, tmp_path / "study")
    assert list((tmp_path / "study").iterdir()) == []
