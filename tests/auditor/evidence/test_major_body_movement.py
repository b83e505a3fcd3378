"""Major body movements hide the EEG; slow waves, blinks and a frown do not."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_eeg import RATE_HZ, background, everywhere, montage, tone

from auditor.evidence import measure
from auditor.vocabulary import Evidence, Phenomenon, Role, Samples

MOVEMENT = Phenomenon.MAJOR_BODY_MOVEMENT


def movement(seconds: float, seed: int = 3) -> Samples:
    """Electrodes swing by some 200 µV, and muscle of 30 µV lies over everything."""
    rng = np.random.default_rng(seed)
    swings = background(seconds, seed, 70.0)
    return swings + 30 * rng.normal(size=len(swings))


def fraction(evidence: Evidence, epoch: int) -> float:
    return float(evidence.epochs[epoch].measures["movement_fraction"].value)


@pytest.mark.parametrize("seconds", [6, 12, 18, 26])
def test_the_share_of_the_epoch_that_moves_is_measured(seconds: int) -> None:
    eeg = background(120)
    eeg[round(61 * RATE_HZ) : round((61 + seconds) * RATE_HZ)] += movement(seconds)
    evidence = measure(everywhere(eeg))
    assert fraction(evidence, 2) == pytest.approx(seconds / 30, abs=0.08)
    assert fraction(evidence, 0) == 0.0


@pytest.mark.parametrize(("seconds", "is_major"), [(8, False), (22, True)])
def test_more_than_half_an_epoch_is_major(seconds: int, is_major: bool) -> None:
    eeg = background(120)
    eeg[round(61 * RATE_HZ) : round((61 + seconds) * RATE_HZ)] += movement(seconds)
    events = [e for e in measure(everywhere(eeg)).events if e.kind is MOVEMENT]
    assert any(e.probability >= 0.5 for e in events) is is_major


def test_one_event_for_one_run_at_its_time() -> None:
    eeg = background(120)
    eeg[round(50 * RATE_HZ) : round(75 * RATE_HZ)] += movement(25)
    (event,) = [e for e in measure(everywhere(eeg)).events if e.kind is MOVEMENT]
    assert (event.start_s, event.end_s) == pytest.approx((50, 75), abs=2)


def test_a_movement_that_hides_everything_is_still_reported() -> None:
    eeg = background(120)
    eeg[round(60 * RATE_HZ) : round(90 * RATE_HZ)] += movement(30)
    evidence = measure(everywhere(eeg))
    assert any(e.kind is MOVEMENT for e in evidence.events)
    assert MOVEMENT not in evidence.epochs[2].not_assessable
    assert "movement" in evidence.epochs[2].not_assessable[Phenomenon.SLEEP_SPINDLE]


def test_slow_waves_and_muscle_at_rest_are_no_movement() -> None:
    eeg = background(120)
    eeg[: 60 * 200] += tone(60, 0.9, 300)
    eeg[60 * 200 :] += 4 * np.random.default_rng(5).normal(size=60 * 200)
    evidence = measure(everywhere(eeg))
    assert not [e for e in evidence.events if e.kind is MOVEMENT and e.probability >= 0.5]


def test_one_bad_electrode_is_no_movement_of_the_body() -> None:
    moving = background(120)
    moving[30 * 200 : 55 * 200] += movement(25)
    channels = {
        Role.FRONTAL: moving,
        Role.CENTRAL: background(120, 2),
        Role.OCCIPITAL: background(120, 3),
    }
    evidence = measure(montage(channels))
    assert not [e for e in evidence.events if e.kind is MOVEMENT and e.probability >= 0.5]
