"""What electrodes and muscles do is not surely a wave of the brain."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_eeg import RATE_HZ, add, background, everywhere, k_complex, montage

from auditor.evidence import measure
from auditor.vocabulary import Phenomenon, Role, Samples

WAVES = (Phenomenon.K_COMPLEX, Phenomenon.SLOW_WAVE_ACTIVITY, Phenomenon.SLEEP_SPINDLE)
SURE = 0.7


def sure_waves(eeg: Samples, start_s: float, end_s: float) -> list[Phenomenon]:
    """The kinds of waves that are surely there in a stretch."""
    return [
        event.kind
        for event in measure(everywhere(eeg)).events
        if event.kind in WAVES
        and event.probability >= SURE
        and event.end_s > start_s
        and event.start_s < end_s
    ]


def pop(amplitude_uv: float) -> Samples:
    """A jump that creeps back over half a second."""
    time_s = np.arange(round(1.5 * RATE_HZ)) / RATE_HZ
    return amplitude_uv * np.exp(-time_s / 0.25)


def swinging_electrodes(seconds: float, muscle_uv: float) -> Samples:
    """Slow swings of 160 µV with muscle over them."""
    rng = np.random.default_rng(5)
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    swings = 80 * np.sin(2 * np.pi * 0.9 * time_s) + 30 * np.sin(2 * np.pi * 1.7 * time_s)
    muscle = np.diff(rng.normal(size=len(time_s)), append=0.0)
    return swings * np.hanning(len(time_s)) + muscle * muscle_uv / np.sqrt(2)


@pytest.mark.parametrize("amplitude_uv", [150.0, 250.0, -150.0])
def test_an_electrode_that_pops_shows_no_wave(amplitude_uv: float) -> None:
    eeg = background(60)
    add(eeg, 30.0, pop(amplitude_uv))
    assert sure_waves(eeg, 28.5, 32.0) == []


def test_a_wave_that_rises_as_waves_do_is_one() -> None:
    eeg = background(60)
    add(eeg, 30.0, k_complex(250.0))
    assert Phenomenon.K_COMPLEX in sure_waves(eeg, 28.5, 32.0)


def test_swings_within_a_burst_of_muscle_are_no_sure_waves() -> None:
    eeg = background(60)
    add(eeg, 30.0, swinging_electrodes(4.0, muscle_uv=25.0))
    assert sure_waves(eeg, 30.0, 34.0) == []


def test_the_same_swings_without_muscle_are() -> None:
    eeg = background(60)
    add(eeg, 30.0, swinging_electrodes(4.0, muscle_uv=0.0))
    assert sure_waves(eeg, 30.0, 34.0) != []


def test_tense_muscle_that_lasts_hides_no_wave() -> None:
    eeg = background(60) + np.random.default_rng(6).normal(size=round(60 * RATE_HZ)) * 4.0
    add(eeg, 30.0, k_complex(250.0))
    assert Phenomenon.K_COMPLEX in sure_waves(eeg, 28.5, 32.0)


@pytest.mark.parametrize(("elsewhere_uv", "sure"), [(90.0, True), (0.0, False)])
def test_a_k_complex_that_no_other_channel_shows_is_not_sure(
    elsewhere_uv: float, sure: bool
) -> None:
    here, elsewhere = background(60), background(60, seed=2, rms_uv=4.0)
    add(here, 30.0, k_complex(150.0))
    add(elsewhere, 30.0, k_complex(elsewhere_uv))
    found = measure(montage({Role.FRONTAL: here, Role.CENTRAL: elsewhere})).events
    surest = max(
        (e.probability for e in found if e.kind is Phenomenon.K_COMPLEX and e.channel == "frontal"),
        default=0.0,
    )
    assert (surest >= SURE) == sure
