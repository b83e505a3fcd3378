"""The phantom: a simulated night whose truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyedflib
import pytest
from scipy.signal import resample_poly

from auditor.vocabulary import Level, Phenomenon, Samples, Stage
from staging.phantom import Phantom, plan_night, simulate, write_edf, write_truth
from staging.phantom_plan import (
    UNREFERENCED_LEADS,
    EyePlacement,
    Lead,
    NightPlan,
    PhantomSettings,
    PlannedEvent,
    Site,
    slow_waves,
)

HALF_HOUR = PhantomSettings(hours=0.5)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return simulate(1, HALF_HOUR)


def test_the_same_seed_gives_the_same_night(phantom: Phantom) -> None:
    again = simulate(1, HALF_HOUR)

    assert again.events == phantom.events
    for one, other in zip(again.recording.channels, phantom.recording.channels, strict=True):
        np.testing.assert_array_equal(one.samples(), other.samples())


def test_another_rate_records_the_same_night(phantom: Phantom) -> None:
    slower = simulate(1, PhantomSettings(hours=0.5, sampling_rate_hz=128))

    assert slower.events == phantom.events
    for fast, slow in zip(phantom.recording.channels[:5], slower.recording.channels, strict=False):
        decimated = resample_poly(fast.samples(), 1, 2)
        assert np.std(decimated - slow.samples()) < 0.03 * np.std(slow.samples())


def test_half_an_hour_holds_every_stage(phantom: Phantom) -> None:
    assert set(phantom.stages) == {Stage.W, Stage.N1, Stage.N2, Stage.N3, Stage.R}


def test_the_file_holds_the_samples_and_nothing_about_anyone(
    phantom: Phantom, tmp_path: Path
) -> None:
    write_edf(phantom, tmp_path / "night.edf")

    with pyedflib.EdfReader(str(tmp_path / "night.edf")) as reader:
        assert reader.getSignalLabels() == [c.label for c in phantom.recording.channels]
        assert len(reader.readAnnotations()[0]) == 0
        for i, channel in enumerate(phantom.recording.channels):
            assert reader.getPhysicalDimension(i) == "uV"
            np.testing.assert_allclose(reader.readSignal(i), channel.samples(), atol=0.1)


def test_a_planned_wave_is_drawn_where_and_as_large_as_planned() -> None:
    waves = slow_waves(40.0, seconds=7.0, amplitude_uv=100.0)
    plan = NightPlan.of([Stage.N2] * 3, waves)

    phantom = simulate(1, plan=plan)
    quiet = simulate(1, plan=NightPlan.of([Stage.N2] * 3))

    frontal, without = (p.recording.channels[0].samples() for p in (phantom, quiet))
    planted = frontal - without
    assert np.ptp(planted) == pytest.approx(100.0, rel=0.02)
    assert np.flatnonzero(planted)[[0, -1]] / 256 == pytest.approx([40.0, 47.0], abs=0.01)
    assert [epoch.slow_wave_seconds for epoch in phantom.epochs] == [0.0, 7.0, 0.0]


def test_the_truth_is_told_in_the_labels_of_the_recording() -> None:
    kinds = (Phenomenon.K_COMPLEX, Phenomenon.SLEEP_SPINDLE, Phenomenon.RAPID_EYE_MOVEMENTS)
    plan = NightPlan.of(
        [Stage.N2] * 2, [PlannedEvent.typical(kind, 10.0 + i) for i, kind in enumerate(kinds)]
    )

    events = simulate(1, plan=plan).events

    assert [(event.kind, event.channel) for event in events] == list(
        zip(kinds, ("F4-M1", "C4-M1", "E1-M2"), strict=True)
    )
    assert {event.probability for event in events} == {1.0}


# ── plans from a seed ─────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module", params=[(1, "typical"), (3, "hard")])
def night(request: pytest.FixtureRequest) -> NightPlan:
    """Whole nights, planned but not drawn."""
    seed, preset = request.param
    return plan_night(seed, getattr(PhantomSettings, preset)(8))


def _of(plan: NightPlan, *kinds: Phenomenon) -> list[PlannedEvent]:
    return [event for event in plan.events if event.kind in kinds]


def _moved(plan: NightPlan) -> set[int]:
    return {int(e.start_s // 30) for e in _of(plan, Phenomenon.MAJOR_BODY_MOVEMENT)}


def test_a_night_has_its_usual_shares_of_stages(night: NightPlan) -> None:
    usual = {
        Stage.W: (0.03, 0.30),
        Stage.N1: (0.02, 0.15),
        Stage.N2: (0.38, 0.65),
        Stage.N3: (0.06, 0.28),
        Stage.R: (0.08, 0.28),
    }
    for stage, (low, high) in usual.items():
        assert low <= night.stages.count(stage) / len(night.stages) <= high, stage


def test_deep_sleep_comes_early_and_r_late(night: NightPlan) -> None:
    half = len(night.stages) // 2
    early, late = night.stages[:half], night.stages[half:]

    assert early.count(Stage.N3) > late.count(Stage.N3)
    assert early.count(Stage.R) < late.count(Stage.R)


def test_n3_is_where_large_slow_waves_fill_six_seconds(night: NightPlan) -> None:
    waves = [e for e in _of(night, Phenomenon.SLOW_WAVE_ACTIVITY) if e.amplitude_uv >= 75]
    starts, ends = (np.array([getattr(e, side) for e in waves]) for side in ("start_s", "end_s"))
    moved = _moved(night)
    for i, stage in enumerate(night.stages):
        inside = np.minimum(ends, i * 30 + 30) - np.maximum(starts, i * 30)
        seconds = np.maximum(inside, 0).sum()
        assert i in moved or (seconds >= 6.0) == (stage is Stage.N3), f"{i}, {stage}: {seconds} s"


def test_n2_begins_with_a_sign_that_no_arousal_spoils(night: NightPlan) -> None:
    arousals = _of(night, Phenomenon.AROUSAL)
    signs = _of(night, Phenomenon.SLEEP_SPINDLE) + [
        event
        for event in _of(night, Phenomenon.K_COMPLEX)
        if not any(a.start_s <= event.end_s + 1 and a.end_s >= event.start_s for a in arousals)
    ]
    for i, (before, stage) in enumerate(pairwise(night.stages), start=1):
        if stage is Stage.N2 and before not in (Stage.N2, Stage.N3):
            edge = i * 30
            assert any(edge - 15 <= e.start_s and e.end_s <= edge + 15 for e in signs), i


def test_every_stretch_of_r_has_rapid_eye_movements(night: NightPlan) -> None:
    movements = _of(night, Phenomenon.RAPID_EYE_MOVEMENTS)
    ends = [*(time for time, _ in night.changes[1:]), night.duration_s]
    for (start, stage), end in zip(night.changes, ends, strict=True):
        if stage is Stage.R and end - start > 60:
            assert any(start <= event.start_s < end for event in movements)


def test_events_of_a_kind_do_not_overlap(night: NightPlan) -> None:
    for kind in {event.kind for event in night.events}:
        for one, other in pairwise(_of(night, kind)):
            assert other.start_s > one.end_s - 0.1


def test_without_alpha_there_is_none() -> None:
    plan = plan_night(1, PhantomSettings(alpha_producer=False))

    assert not _of(plan, Phenomenon.ALPHA_RHYTHM)


def test_weak_slow_waves_leave_little_n3() -> None:
    young = plan_night(1, PhantomSettings())
    old = plan_night(1, PhantomSettings(slow_wave_amplitude=0.5))

    assert old.stages.count(Stage.N3) < 0.5 * young.stages.count(Stage.N3)


# ── recording the same night otherwise ────────────────────────────────────────────────────


def _traces(plan: NightPlan, **changes: object) -> dict[str, Samples]:
    settings = replace(PhantomSettings(mains_uv=0.0), **changes)  # type: ignore[arg-type]
    channels = simulate(1, settings, plan).recording.channels
    return {channel.label: channel.samples() for channel in channels}


def test_unreferenced_electrodes_subtract_to_the_same_derivations() -> None:
    plan = NightPlan.of([Stage.N2] * 2, [PlannedEvent.typical(Phenomenon.K_COMPLEX, 20.0)])

    derived, single = _traces(plan), _traces(plan, leads=UNREFERENCED_LEADS)

    np.testing.assert_allclose(derived["C4-M1"], single["C4"] - single["M1"], atol=1e-9)
    np.testing.assert_allclose(derived["E1-M2"], single["E1"] - single["M2"], atol=1e-9)


def test_an_inverted_recording_is_upside_down_but_for_the_chin() -> None:
    plan = NightPlan.of([Stage.N2] * 2, [PlannedEvent.typical(Phenomenon.K_COMPLEX, 20.0)])

    upright, inverted = _traces(plan), _traces(plan, inverted=True)

    np.testing.assert_allclose(inverted["F4-M1"], -upright["F4-M1"])
    np.testing.assert_allclose(inverted["Chin 1-2"], upright["Chin 1-2"])


def _eye_correlation(event: PlannedEvent, **changes: object) -> float:
    """Of what one event adds to the two eye channels."""
    stages = [Stage.W] * 2
    traces = _traces(NightPlan.of(stages, [event]), **changes)
    quiet = _traces(NightPlan.of(stages), **changes)
    left, right = (traces[label] - quiet[label] for label in quiet if label.startswith("E"))
    return float(np.corrcoef(left, right)[0, 1])


def test_eyes_move_out_of_phase_and_brain_waves_reach_them_in_phase() -> None:
    saccade = PlannedEvent.typical(Phenomenon.RAPID_EYE_MOVEMENTS, 20.0)
    wave = PlannedEvent.typical(Phenomenon.K_COMPLEX, 20.0)

    assert _eye_correlation(saccade) < -0.95
    assert _eye_correlation(wave) > 0.95


@pytest.mark.parametrize(
    ("placement", "reference", "sign"),
    [
        (EyePlacement.RECOMMENDED, Site.M2, -1),
        (EyePlacement.ALTERNATIVE, Site.FPZ, 1),
    ],
)
def test_blinks_show_where_the_eye_electrodes_sit(
    placement: EyePlacement, reference: Site, sign: int
) -> None:
    blink = PlannedEvent.typical(Phenomenon.EYE_BLINKS, 20.0)
    leads = (Lead("E1", Site.E1, (reference,)), Lead("E2", Site.E2, (reference,)))

    assert sign * _eye_correlation(blink, leads=leads, eye_placement=placement) > 0.95


def test_chin_tone_follows_the_stage_unless_planned_otherwise() -> None:
    plan = NightPlan.of([Stage.W, Stage.N2, Stage.R, Stage.R], chin_tone={3: Level.HIGH})

    phantom = simulate(1, plan=plan)

    assert [epoch.chin_tone for epoch in phantom.epochs] == [
        Level.HIGH,
        Level.INTERMEDIATE,
        Level.LOW,
        Level.HIGH,
    ]
    chin = phantom.recording.channels[-1].samples().reshape(4, -1).std(axis=1)
    assert chin[0] > 1.5 * chin[1] > 3.0 * chin[2]
    assert chin[3] > 4 * chin[2]


def test_truth_is_written_as_json(phantom: Phantom, tmp_path: Path) -> None:
    write_truth(phantom, tmp_path / "truth.json")

    truth = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert truth["stages"] == [stage.value for stage in phantom.stages]
    assert len(truth["events"]) == len(phantom.events)
    assert truth["epochs"][0]["chin_tone"] in {"low", "intermediate", "high"}


@pytest.mark.parametrize("changes", [{"sampling_rate_hz": 50}, {"hours": 0.001}])
def test_settings_that_make_no_recording_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a phantom"):
        PhantomSettings(**changes)  # type: ignore[arg-type]
