"""K complexes stand alone; slow-wave trains, eye movements and reversed polarity do not fool."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_eeg import (
    RATE_HZ,
    add,
    background,
    everywhere,
    k_complex,
    likely,
    meets,
    montage,
    tone,
)

from auditor.evidence import measure
from auditor.vocabulary import EEG_ROLES, Phenomenon, Role, Samples

K_COMPLEX = Phenomenon.K_COMPLEX


def eeg_with(at_s: tuple[float, ...], seconds: float, amplitude_uv: float = 150.0) -> Samples:
    eeg = background(seconds)
    for at in at_s:
        add(eeg, at, k_complex(amplitude_uv))
    return eeg


def test_a_k_complex_is_found_with_its_time_and_amplitude() -> None:
    (found,) = likely(measure(everywhere(eeg_with((14.0,), 30))), K_COMPLEX, Role.FRONTAL)
    assert found.probability > 0.8
    assert found.start_s == pytest.approx(14.0, abs=0.15)
    assert found.end_s == pytest.approx(14.75, abs=0.2)
    assert found.amplitude_uv == pytest.approx(150, rel=0.2)


def test_noise_alone_has_none() -> None:
    assert not likely(measure(everywhere(background(300, seed=3))), K_COMPLEX, Role.FRONTAL)


def test_one_of_moderate_size_stays_a_candidate() -> None:
    events = measure(everywhere(eeg_with((14.0,), 30, amplitude_uv=65.0))).events
    assert [e for e in events if e.kind is K_COMPLEX and meets(e, 14.0, 14.75)]


def test_a_train_of_slow_waves_holds_no_k_complex() -> None:
    eeg = background(60)
    add(eeg, 20.0, tone(15.0, 1.0, 130.0))
    found = likely(measure(everywhere(eeg)), K_COMPLEX, Role.FRONTAL)
    assert not [e for e in found if meets(e, 21.5, 33.5)]


def test_the_same_wave_is_less_sure_where_slow_waves_are_all_around() -> None:
    alone = eeg_with((30.0,), 60, amplitude_uv=140.0)
    among = alone.copy()
    for at in (17.0, 24.0, 33.0, 40.0):
        add(among, at, tone(4.0, 1.0, 100.0))
    in_either = (
        max(
            e.probability
            for e in likely(measure(everywhere(eeg)), K_COMPLEX, Role.FRONTAL, at_least=0.0)
            if meets(e, 30.1, 30.6)
        )
        for eeg in (alone, among)
    )
    sure, doubtful = in_either
    assert sure > 0.9
    assert doubtful < 0.5


def test_a_recording_of_reversed_polarity_gives_the_same_ones() -> None:
    eeg = eeg_with(tuple(np.arange(8.0, 290.0, 13.0)), 300)
    as_recorded, reversed_ = (
        [(e.start_s, e.end_s) for e in likely(measure(everywhere(x)), K_COMPLEX, Role.CENTRAL)]
        for x in (eeg, -eeg)
    )
    assert len(as_recorded) == 22
    assert np.array(reversed_) == pytest.approx(np.array(as_recorded), abs=0.02)


def test_a_single_epoch_is_taken_to_be_the_right_way_up() -> None:
    evidence = measure(montage({Role.CENTRAL: -eeg_with((14.0,), 30)}))
    assert not [e for e in likely(evidence, K_COMPLEX, Role.CENTRAL) if e.start_s < 14.1]


def test_an_eye_movement_that_reaches_the_frontal_eeg_is_none() -> None:
    eye = background(60, seed=7)
    eeg = eeg_with((14.0,), 60)
    for at in (30.0, 41.0):
        add(eeg, at, k_complex(120.0))
        add(eye, at, k_complex(400.0))
    evidence = measure(
        montage({**dict.fromkeys(EEG_ROLES, eeg), Role.LEFT_EYE: eye, Role.RIGHT_EYE: -eye})
    )
    (found,) = likely(evidence, K_COMPLEX, Role.FRONTAL)
    assert meets(found, 14.0, 14.75)


def test_what_is_larger_behind_than_in_front_is_none() -> None:
    there, faint = (eeg_with((31.0,), 60.0, amplitude_uv=uv) for uv in (90.0, 30.0))

    def found(front: Samples, behind: Samples) -> bool:
        channels = {Role.FRONTAL: front, Role.CENTRAL: front, Role.OCCIPITAL: behind}
        evidence = measure(montage(channels))
        return bool(likely(evidence, Phenomenon.K_COMPLEX, Role.OCCIPITAL))

    assert found(there, there)
    assert not found(faint, there)


def test_a_wave_too_short_is_none() -> None:
    eeg = background(60)
    short = k_complex(150.0, rate_hz=RATE_HZ / 3)
    add(eeg, 30.0, short)
    assert not likely(measure(everywhere(eeg)), K_COMPLEX, Role.FRONTAL)
