"""Slow waves by AASM's numbers: 0.5–2 Hz, more than 75 µV, and how many seconds of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated_eeg import add, background, everywhere, likely, montage, tone

from auditor.evidence import measure
from auditor.vocabulary import EEG_ROLES, Phenomenon, Role

SLOW = Phenomenon.SLOW_WAVE_ACTIVITY


def seconds_of(frequency_hz: float, amplitude_uv: float, for_s: float = 10.0) -> float:
    eeg = background(90, rms_uv=4.0)
    add(eeg, 35.0, tone(for_s, frequency_hz, amplitude_uv))
    value = measure(everywhere(eeg)).epochs[1].measures["slow_wave_seconds"].value
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize(
    ("frequency_hz", "amplitude_uv", "expected_s"),
    [
        (1.0, 100.0, 10.0),
        (0.6, 100.0, 10.0),
        (1.9, 100.0, 10.0),
        (1.0, 60.0, 0.0),
        (3.0, 120.0, 0.0),
        (0.25, 120.0, 0.0),
    ],
)
def test_frequency_and_amplitude_decide(
    frequency_hz: float, amplitude_uv: float, expected_s: float
) -> None:
    assert seconds_of(frequency_hz, amplitude_uv) == pytest.approx(expected_s, abs=1.3)


@pytest.mark.parametrize("for_s", [5.0, 7.0, 14.0])
def test_seconds_are_counted(for_s: float) -> None:
    assert seconds_of(1.0, 110.0, for_s) == pytest.approx(for_s, abs=0.8)


def test_fraction_is_seconds_over_thirty_and_names_the_frontal_channel() -> None:
    eeg = background(30)
    add(eeg, 5.0, tone(12.0, 1.0, 120.0))
    measures = measure(everywhere(eeg)).epochs[0].measures
    fraction, seconds = measures["slow_wave_fraction"], measures["slow_wave_seconds"]
    assert (fraction.unit, seconds.unit, seconds.channel) == ("1", "s", "frontal")
    assert fraction.value == pytest.approx(float(seconds.value) / 30, abs=1e-3)


def test_waves_near_the_limit_widen_the_measure() -> None:
    eeg = background(30)
    add(eeg, 5.0, tone(12.0, 1.0, 77.0))
    seconds = measure(everywhere(eeg)).epochs[0].measures["slow_wave_seconds"]
    assert float(seconds.low) < float(seconds.value) < float(seconds.high)
    assert float(seconds.high) - float(seconds.low) > 3.0


def test_the_bounds_hold_the_truth_in_most_epochs() -> None:
    rng = np.random.default_rng(8)
    n_epochs = 20
    eeg = background(30.0 * n_epochs, seed=11)
    truth_s = np.zeros(n_epochs)
    for epoch in range(n_epochs):
        at_s = 30.0 * epoch + 1.0
        while at_s < 30.0 * epoch + 26.0:
            amplitude_uv, period_s = rng.uniform(45.0, 140.0), 1 / rng.uniform(0.7, 1.5)
            add(eeg, at_s, tone(period_s, 1 / period_s, amplitude_uv))
            truth_s[epoch] += period_s if amplitude_uv > 75.0 else 0.0
            at_s += period_s + rng.exponential(1.5)
    measured = [epoch.measures["slow_wave_seconds"] for epoch in measure(everywhere(eeg)).epochs]
    within = [
        float(m.low) <= true_s <= float(m.high) for m, true_s in zip(measured, truth_s, strict=True)
    ]
    assert np.mean(within) >= 0.8
    assert np.mean([float(m.high) - float(m.low) for m in measured]) < truth_s.mean()


def test_each_wave_is_an_event() -> None:
    eeg = background(60, rms_uv=4.0)
    add(eeg, 20.0, tone(10.0, 1.0, 110.0))
    waves = likely(measure(everywhere(eeg)), SLOW, Role.FRONTAL)
    assert len(waves) == pytest.approx(10, abs=1)
    assert np.median([w.duration_s for w in waves]) == pytest.approx(1.0, abs=0.1)
    assert np.median([w.frequency_hz or 0 for w in waves]) == pytest.approx(1.0, abs=0.1)


def test_polarity_does_not_matter() -> None:
    eeg = background(60)
    add(eeg, 20.0, tone(10.0, 1.0, 110.0))
    upright, reversed_ = (
        [(e.start_s, e.end_s) for e in likely(measure(everywhere(x)), SLOW, Role.FRONTAL)]
        for x in (eeg, -eeg)
    )
    assert upright == reversed_


def test_blinks_are_no_slow_waves() -> None:
    eeg, left, right = background(60), background(60, seed=4), background(60, seed=5)
    blinks = tone(10.0, 1.0, 110.0)
    for channel, times_larger in ((eeg, 1), (left, -4), (right, 4)):
        add(channel, 10.0, times_larger * blinks)
    evidence = measure(
        montage({**dict.fromkeys(EEG_ROLES, eeg), Role.LEFT_EYE: left, Role.RIGHT_EYE: right})
    )
    assert evidence.channels[Role.LEFT_EYE].quality == "good"
    assert float(evidence.epochs[0].measures["slow_wave_seconds"].value) < 1.0


def test_without_a_frontal_channel_there_is_no_measure_and_a_reason() -> None:
    eeg = background(30)
    add(eeg, 5.0, tone(12.0, 1.0, 120.0))
    epoch = measure(montage({Role.CENTRAL: eeg}, missing="no frontal EEG")).epochs[0]
    assert "slow_wave_seconds" not in epoch.measures
    assert epoch.not_assessable[SLOW] == "no frontal EEG"


@pytest.mark.parametrize(
    ("bipolar", "channel"),
    [
        ((), "frontal"),
        ((Role.FRONTAL,), "central"),
        ((Role.FRONTAL, Role.CENTRAL), "frontal"),
    ],
)
def test_between_scalp_electrodes_amplitude_is_measured_centrally(
    bipolar: tuple[Role, ...], channel: str
) -> None:
    eeg = background(30)
    add(eeg, 5.0, tone(12.0, 1.0, 120.0))
    here = everywhere(eeg)
    roles = {role: replace(d, bipolar=role in bipolar) for role, d in here.roles.items()}
    measures = measure(replace(here, roles=roles)).epochs[0].measures
    assert measures["slow_wave_seconds"].channel == channel
