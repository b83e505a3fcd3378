"""The night's figures against nights that can be counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.vocabulary import (
    EPOCH_S,
    Annotation,
    Hypnogram,
    Recording,
    ScoredEpoch,
    Span,
    Stage,
    StagerIdentity,
)
from connector.figures import SleepFigures, lights_off_to_on, sleep_figures


def hypnogram(*stages: str) -> Hypnogram:
    epochs = tuple(ScoredEpoch(i, Stage(stage)) for i, stage in enumerate(stages))
    return Hypnogram(StagerIdentity("hand", "1"), epochs)


def figures(stages: str, in_bed: Span | None = None) -> SleepFigures:
    return sleep_figures(hypnogram(*stages.split()), in_bed)


def recording(*annotations: tuple[float, str]) -> Recording:
    return Recording(
        "night.edf", None, 600.0, (), annotations=tuple(Annotation(s, 0, t) for s, t in annotations)
    )


def test_a_night_counted_by_hand() -> None:
    night = figures("W W N1 N2 N2 W W N2 N3 N3 R R N2 W R W")
    assert night.time_in_bed_minutes == 8
    assert night.total_sleep_minutes == 5
    assert night.sleep_efficiency == 10 / 16
    assert night.sleep_latency_minutes == 1
    assert night.rem_latency_minutes == 4
    # The last awakening counts until lights-on.
    assert night.wake_after_sleep_onset_minutes == 2
    assert night.awakenings == 3
    assert night.stage_minutes == {
        Stage.W: 3,
        Stage.N1: 0.5,
        Stage.N2: 2,
        Stage.N3: 1,
        Stage.R: 1.5,
    }
    assert night.stage_share == {
        Stage.W: 6 / 16,
        Stage.N1: 0.1,
        Stage.N2: 0.4,
        Stage.N3: 0.2,
        Stage.R: 0.3,
    }


@pytest.mark.parametrize("first", ["N1", "N2", "N3", "R"])
def test_any_stage_of_sleep_is_sleep_onset(first: str) -> None:
    assert figures(f"W {first}").sleep_latency_minutes == 0.5


def test_sleep_from_the_first_epoch_has_no_latency() -> None:
    assert figures("R N2").sleep_latency_minutes == 0
    assert figures("R N2").rem_latency_minutes == 0


def test_without_rem_there_is_no_rem_latency() -> None:
    assert figures("W N2 N3").rem_latency_minutes is None


def test_a_night_awake() -> None:
    night = figures("W W W W")
    assert (night.total_sleep_minutes, night.sleep_efficiency) == (0, 0)
    assert night.sleep_latency_minutes is None
    assert night.rem_latency_minutes is None
    assert night.wake_after_sleep_onset_minutes is None
    assert night.awakenings is None
    assert night.stage_share[Stage.W] == 1
    assert night.stage_share[Stage.N2] is None


def test_a_night_that_is_not_scored() -> None:
    night = figures("? ? ?")
    assert night.time_in_bed_minutes == 1.5
    assert night.total_sleep_minutes is None
    assert night.sleep_efficiency is None
    assert set(night.stage_share.values()) == {None}
    assert "3 of 3 epochs in bed are not scored" in night.notes[1]


def test_epochs_that_are_not_scored_are_neither_sleep_nor_wake() -> None:
    night = figures("W ? N2 ? N2 ? W ? W ? N2", Span(0, 330))
    assert night.time_in_bed_minutes == 5.5
    assert night.total_sleep_minutes == 1.5
    assert night.wake_after_sleep_onset_minutes == 1
    assert night.awakenings == 1
    assert night.sleep_latency_minutes == 1
    assert len(night.notes) == 2
    assert "sleep may have begun earlier" in night.notes[1]


@pytest.mark.parametrize(
    ("in_bed", "minutes", "latency"),
    [
        (Span(60, 150), 1.5, 0.5),
        # Lights go off within the third epoch, which belongs to the time in bed.
        (Span(89.9, 150), 1.5, 0.5),
        (Span(90, 150), 1, 0),
        (Span(60, 150.1), 2, 0.5),
        (Span(-30, 900), 3, 1.5),
    ],
)
def test_the_time_in_bed_is_from_lights_off_to_lights_on(
    in_bed: Span, minutes: float, latency: float
) -> None:
    night = figures("W W W N2 N2 W", in_bed)
    assert (night.time_in_bed_minutes, night.sleep_latency_minutes) == (minutes, latency)
    assert night.notes == ()


@pytest.mark.parametrize("in_bed", [None, Span(900, 1000), Span(-90, -30)])
def test_without_usable_marks_all_of_the_recording_counts_and_it_is_said(
    in_bed: Span | None,
) -> None:
    night = figures("W N2", in_bed)
    assert night.time_in_bed_minutes == 1
    assert "lights-off" in night.notes[0]


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ([(60, "Lights Off"), (500, "Lights On")], Span(60, 500)),
        ([(60, "LIGHTS OUT"), (500, "lights-on")], Span(60, 500)),
        ([(30, "light on"), (60, "light_off")], Span(60, 600)),
        ([(30, "Lights on")], None),
        ([(30, "highlights offered")], None),
        ([], None),
    ],
)
def test_lights_are_read_from_the_annotations(
    annotations: list[tuple[float, str]], expected: Span | None
) -> None:
    assert lights_off_to_on(recording(*annotations)) == expected


@given(st.lists(st.sampled_from([s.value for s in Stage]), min_size=1, max_size=60))
def test_the_parts_add_up(stages: list[str]) -> None:
    night = sleep_figures(hypnogram(*stages), Span(0, len(stages) * EPOCH_S))
    unscored = night.unscored_epochs / 2
    assert sum(night.stage_minutes.values()) + unscored == night.time_in_bed_minutes
    if night.total_sleep_minutes:
        sleep = sum(share or 0 for stage, share in night.stage_share.items() if stage != Stage.W)
        assert sleep == pytest.approx(1)
        assert night.sleep_latency_minutes is not None
        assert night.wake_after_sleep_onset_minutes is not None
        before = stages[: int(night.sleep_latency_minutes * 2)]
        assert (
            night.sleep_latency_minutes
            + night.total_sleep_minutes
            + night.wake_after_sleep_onset_minutes
            + unscored
            == night.time_in_bed_minutes + before.count("?") / 2
        )
    assert night.document()["stage_minutes"]["W"] == night.stage_minutes[Stage.W]
