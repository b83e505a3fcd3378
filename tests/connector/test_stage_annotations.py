"""Stages from the annotations of EDF+ hypnograms, as different programs write them."""

import pytest

from auditor.vocabulary import Annotation, Stage
from connector.stage_annotations import stage_of, stages_from_annotations

LABELS = {
    Stage.W: ["Sleep stage W", "SLEEP-S0", "Wake", "W", "Wake|0", "Stage - W", "sleep-wake"],
    Stage.N1: ["Sleep stage N1", "Sleep stage 1", "SLEEP-S1", "Stage - N1", "Stage 1 sleep|1"],
    Stage.N2: ["Sleep stage N2", "Sleep stage 2", "SLEEP-S2", "sleep stage n2", " N2 "],
    Stage.N3: ["Sleep stage N3", "Sleep stage 3", "Sleep stage 4", "SLEEP-S4", "N3"],
    Stage.R: ["Sleep stage R", "Sleep stage REM", "SLEEP-REM", "REM", "R", "REM sleep|5"],
    Stage.UNSCORED: ["Sleep stage ?", "Movement time", "SLEEP-MT", "Sleep stage M"],
    None: ["Lights off", "Arousal", "2", "?", "Wake up", "stage", "", "S  1", "Sleep stage 9"],
}


@pytest.mark.parametrize(
    ("text", "stage"), [(text, stage) for stage, them in LABELS.items() for text in them]
)
def test_labels(text: str, stage: Stage | None) -> None:
    assert stage_of(text) == stage


def hypnogram(*entries: tuple[float, float, str]) -> str:
    """The stages as one string, for annotations given as onset, duration and letter."""
    annotations = [Annotation(onset, long, f"Sleep stage {s}") for onset, long, s in entries]
    stages = stages_from_annotations(annotations)
    assert stages is not None
    return " ".join(stages)


def test_long_runs_and_single_epochs_give_the_same() -> None:
    runs = hypnogram((0, 60, "W"), (60, 90, "N2"), (150, 30, "R"))
    epochs = [(30.0 * i, 30.0, s) for i, s in enumerate(["W", "W", "N2", "N2", "N2", "R"])]
    assert runs == hypnogram(*epochs) == "W W N2 N2 N2 R"


def test_without_durations_a_stage_holds_until_the_next() -> None:
    assert hypnogram((0, 0, "W"), (60, 0, "N1"), (90, 0, "N2")) == "W W N1 N2"


def test_order_does_not_matter_and_other_annotations_are_passed_over() -> None:
    annotations = [
        Annotation(30, 30, "Sleep stage N1"),
        Annotation(12, 5, "Arousal"),
        Annotation(0, 30, "Sleep stage W"),
    ]
    assert stages_from_annotations(annotations) == (Stage.W, Stage.N1)


def test_what_lies_between_annotations_is_unscored() -> None:
    assert hypnogram((0, 30, "W"), (90, 30, "N1")) == "W ? ? N1"


def test_a_scoring_off_the_epochs_gives_each_the_stage_that_fills_most_of_it() -> None:
    assert hypnogram((10, 30, "W"), (40, 30, "N1"), (70, 50, "N2")) == "W N1 N2 N2"
    assert hypnogram((16, 28, "W"), (44, 46, "N1")) == "? N1 N1"


def test_a_last_part_of_an_epoch_is_none() -> None:
    assert hypnogram((0, 89.9, "W")) == "W W"
    assert hypnogram((0, 89.9999, "W")) == "W W W"


def test_a_duration_that_cannot_be_is_cut() -> None:
    stages = stages_from_annotations([Annotation(0, 9e8, "Sleep stage W")])
    assert stages is not None
    assert len(stages) == 7 * 24 * 120


def test_annotations_that_name_no_stage_are_no_hypnogram() -> None:
    assert stages_from_annotations([Annotation(0, 0, "Lights off")]) is None
    assert stages_from_annotations([]) is None
