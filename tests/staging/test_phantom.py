"""The phantom: a simulated night whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyedflib
import pytest
from scipy.signal import resample_poly

from auditor.vocabulary import Phenomenon, Stage
from staging.phantom import Phantom, simulate, write_edf
from staging.phantom_plan import NightPlan, PhantomSettings, PlannedEvent, slow_waves

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
