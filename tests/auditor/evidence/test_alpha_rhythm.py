"""Alpha is measured as a share of the epoch, occipitally, and is not a spindle."""

from __future__ import annotations

import pytest
from simulated_eeg import add, background, everywhere, likely, meets, montage, spindle, tone

from auditor.evidence import measure
from auditor.vocabulary import Phenomenon, Role

ALPHA = Phenomenon.ALPHA_RHYTHM


@pytest.mark.parametrize("for_s", [0.0, 6.0, 14.0, 16.0, 28.0])
def test_its_share_of_the_epoch_is_measured(for_s: float) -> None:
    eeg = background(90)
    add(eeg, 31.0, tone(for_s, 10.0, 40.0))
    measured = measure(everywhere(eeg)).epochs[1].measures["alpha_fraction"]
    assert measured.channel == "occipital"
    assert measured.value == pytest.approx(for_s / 30, abs=0.04)
    assert float(measured.low) <= float(measured.value) <= float(measured.high)


def test_a_train_is_one_event_with_its_frequency() -> None:
    eeg = background(60)
    add(eeg, 20.0, tone(8.0, 9.5, 40.0))
    (train,) = likely(measure(everywhere(eeg)), ALPHA, Role.OCCIPITAL)
    assert train.start_s == pytest.approx(20.0, abs=0.5)
    assert train.end_s == pytest.approx(28.0, abs=0.5)
    assert train.frequency_hz == pytest.approx(9.5, abs=0.3)


@pytest.mark.parametrize("frequency_hz", [5.0, 6.5, 15.0, 20.0])
def test_other_rhythms_are_not_alpha(frequency_hz: float) -> None:
    eeg = background(60)
    add(eeg, 20.0, tone(10.0, frequency_hz, 40.0))
    assert not likely(measure(everywhere(eeg)), ALPHA, Role.OCCIPITAL)


def test_a_spindle_is_not_alpha() -> None:
    eeg = background(60)
    add(eeg, 20.0, spindle(1.2, 13.0, 50.0))
    found = likely(measure(everywhere(eeg)), ALPHA, Role.OCCIPITAL)
    assert not [e for e in found if meets(e, 20.0, 21.2)]


@pytest.mark.parametrize(("behind_uv", "at_the_centre_uv", "found"), [(40, 15, 1), (15, 40, 0)])
def test_fast_alpha_is_larger_behind_than_at_the_centre(
    behind_uv: float, at_the_centre_uv: float, found: int
) -> None:
    behind, centre = background(60), background(60, seed=2)
    add(behind, 20.0, tone(6.0, 12.3, behind_uv))
    add(centre, 20.0, tone(6.0, 12.3, at_the_centre_uv))
    evidence = measure(montage({Role.OCCIPITAL: behind, Role.CENTRAL: centre}))
    assert len(likely(evidence, ALPHA, Role.OCCIPITAL)) == found


def test_a_burst_of_six_waves_is_hardly_alpha_and_a_run_of_three_is() -> None:
    eeg = background(90)
    add(eeg, 20.0, tone(0.6, 10.0, 30.0))
    add(eeg, 60.0, tone(3.0, 10.0, 40.0))
    (run,) = likely(measure(everywhere(eeg)), ALPHA, Role.OCCIPITAL, 0.7)
    assert meets(run, 60.0, 63.0)


def test_noise_alone_has_next_to_none() -> None:
    epochs = measure(everywhere(background(300, seed=9))).epochs
    assert max(float(e.measures["alpha_fraction"].value) for e in epochs) < 0.05


def test_without_an_occipital_channel_the_share_is_not_assessable() -> None:
    eeg = background(30)
    add(eeg, 5.0, tone(12.0, 10.0, 40.0))
    epoch = measure(montage({Role.FRONTAL: eeg}, missing="no occipital EEG")).epochs[0]
    assert epoch.not_assessable[ALPHA] == "no occipital EEG"
    assert "alpha_fraction" not in epoch.measures
