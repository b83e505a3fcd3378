"""Spindles are told from noise, alpha and muscle, at any rate, and weak ones stay candidates."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_eeg import (
    RATE_HZ,
    add,
    background,
    everywhere,
    likely,
    meets,
    montage,
    spindle,
    tone,
)

from auditor.evidence import measure
from auditor.vocabulary import EEG_ROLES, Phenomenon, Role

SPINDLE = Phenomenon.SLEEP_SPINDLE


def test_a_clear_spindle_is_found_with_its_time_frequency_and_amplitude() -> None:
    eeg = background(60)
    add(eeg, 31.0, spindle(1.2, 13.5, 50.0))
    (found,) = likely(measure(everywhere(eeg)), SPINDLE, Role.CENTRAL)
    assert found.probability > 0.8
    assert found.start_s == pytest.approx(31.2, abs=0.2)
    assert found.end_s == pytest.approx(32.0, abs=0.2)
    assert found.frequency_hz == pytest.approx(13.5, abs=0.4)
    assert found.amplitude_uv == pytest.approx(50, rel=0.2)


def test_noise_alone_has_no_likely_spindle() -> None:
    assert not likely(measure(everywhere(background(300, seed=5))), SPINDLE, Role.CENTRAL)


def test_a_larger_spindle_is_more_probable_and_a_faint_one_remains_a_candidate() -> None:
    eeg = background(120, seed=2)
    amplitudes_uv = (10.0, 16.0, 25.0, 40.0)
    for i, amplitude_uv in enumerate(amplitudes_uv):
        add(eeg, 20.0 + 25.0 * i, spindle(1.0, 13.0, amplitude_uv))
    found = measure(montage({Role.CENTRAL: eeg})).events
    probabilities = [
        max(
            (e.probability for e in found if e.kind is SPINDLE and meets(e, at, at + 1)),
            default=0.0,
        )
        for at in 20.0 + 25.0 * np.arange(len(amplitudes_uv))
    ]
    assert probabilities == sorted(probabilities)
    assert 0.02 <= probabilities[1] < 0.9 < probabilities[-1]


def test_a_spindle_in_two_regions_is_surer_than_in_one_or_alone() -> None:
    central, other = background(60, seed=2), background(60, seed=3)
    add(central, 31.0, spindle(1.0, 13.0, 22.0))
    with_it = other.copy()
    add(with_it, 31.0, spindle(1.0, 13.0, 18.0))

    def probability(**frontal: np.ndarray) -> float:
        channels = {Role.CENTRAL: central, **{Role(name): eeg for name, eeg in frontal.items()}}
        found = likely(measure(montage(channels)), SPINDLE, Role.CENTRAL, at_least=0.0)
        return max((e.probability for e in found if meets(e, 31.2, 31.8)), default=0.0)

    in_both, in_one, unseen = (
        probability(frontal=with_it),
        probability(),
        probability(frontal=other),
    )
    assert in_both > in_one > unseen > 0.0


@pytest.mark.parametrize("frequency_hz", [9.0, 10.0, 20.0])
def test_bursts_outside_the_band_are_no_spindles(frequency_hz: float) -> None:
    eeg = background(60)
    add(eeg, 31.0, spindle(1.2, frequency_hz, 50.0))
    assert not likely(measure(everywhere(eeg)), SPINDLE, Role.CENTRAL)


@pytest.mark.parametrize(("frequency_hz", "is_sure"), [(11.6, False), (13.5, True)])
def test_a_rhythm_near_alpha_within_an_arousal_is_no_sure_spindle(
    frequency_hz: float, is_sure: bool
) -> None:
    eeg = background(120)
    for at_s in (20.0, 61.0):
        add(eeg, at_s, spindle(1.2, frequency_hz, 40.0))
    add(eeg, 60.0, tone(6.0, 9.5, 45.0))
    add(eeg, 60.0, tone(6.0, 20.0, 25.0))
    evidence = measure(everywhere(eeg))
    (arousal,) = likely(evidence, Phenomenon.AROUSAL, Role.CENTRAL)
    assert meets(arousal, 61.0, 62.2)
    found = likely(evidence, SPINDLE, Role.CENTRAL)
    assert any(meets(each, 20.0, 21.2) for each in found)
    assert any(meets(each, 61.0, 62.2) for each in found) is is_sure


def test_an_alpha_train_is_no_spindle() -> None:
    eeg = background(60)
    add(eeg, 20.0, tone(8.0, 10.0, 40.0))
    assert not likely(measure(everywhere(eeg)), SPINDLE, Role.CENTRAL)


@pytest.mark.parametrize("rate_hz", [100.0, 128.0, 256.0, 512.0])
def test_the_sampling_rate_changes_nothing(rate_hz: float) -> None:
    def found(at_hz: float) -> np.ndarray:
        eeg = 3.0 * tone(60.0, 1.0, 20.0, at_hz)
        for at_s in (10.0, 22.0, 47.0):
            add(eeg, at_s, spindle(1.0, 12.5, 35.0, at_hz), at_hz)
        events = likely(measure(everywhere(eeg, at_hz)), SPINDLE, Role.CENTRAL)
        return np.array([(e.start_s, e.end_s, e.probability) for e in events])

    assert len(found(RATE_HZ)) == 3
    assert found(rate_hz) == pytest.approx(found(RATE_HZ), abs=0.05)


def test_a_single_midline_channel_is_searched() -> None:
    eeg = background(30)
    add(eeg, 12.0, spindle())
    evidence = measure(montage({Role.CENTRAL: eeg}))
    assert len(likely(evidence, SPINDLE, Role.CENTRAL)) == 1
    assert SPINDLE not in evidence.epochs[0].not_assessable


def test_without_an_eeg_spindles_cannot_be_assessed() -> None:
    evidence = measure(montage({Role.CHIN: background(60)}, missing="no EEG was recorded"))
    assert [e.not_assessable[SPINDLE] for e in evidence.epochs] == ["no EEG was recorded"] * 2


def test_a_channel_too_slow_for_spindles_says_so() -> None:
    evidence = measure(everywhere(background(60, rate_hz=30.0), 30.0))
    assert "30 Hz" in evidence.epochs[0].not_assessable[SPINDLE]
    assert not [e for e in evidence.events if e.kind is SPINDLE]


def test_a_channel_that_fills_two_roles_is_searched_once() -> None:
    eeg = background(30)
    add(eeg, 12.0, spindle())
    both = montage({Role.CENTRAL: eeg})
    both = type(both)(both.recording, dict.fromkeys(EEG_ROLES, both.roles[Role.CENTRAL]), {})
    assert len(likely(measure(both), SPINDLE, Role.CENTRAL)) == 1
