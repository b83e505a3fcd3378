"""Sawtooth trains are regular and triangular, and slow waves are none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal as sp
from simulated_eeg import RATE_HZ, add, background, everywhere, likely, meets, tone

from auditor.evidence import measure
from auditor.vocabulary import Phenomenon, Role, Samples

SAWTOOTH = Phenomenon.SAWTOOTH_WAVES


def teeth(seconds: float, frequency_hz: float = 3.0, amplitude_uv: float = 50.0) -> Samples:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return amplitude_uv / 2 * sp.sawtooth(2 * np.pi * frequency_hz * time_s, width=0.8)


def test_a_train_is_one_event_with_its_frequency() -> None:
    eeg = background(30, rms_uv=6.0)
    add(eeg, 10.0, teeth(3.0))
    (found,) = likely(measure(everywhere(eeg)), SAWTOOTH, Role.CENTRAL)
    assert found.start_s == pytest.approx(10.0, abs=0.5)
    assert found.end_s == pytest.approx(13.0, abs=0.5)
    assert found.frequency_hz == pytest.approx(3.0, abs=0.4)


def test_teeth_are_more_probable_than_a_smooth_train() -> None:
    def probability(train: Samples) -> float:
        eeg = background(30, rms_uv=6.0)
        add(eeg, 10.0, train)
        events = likely(measure(everywhere(eeg)), SAWTOOTH, Role.CENTRAL, at_least=0.0)
        return max(e.probability for e in events if meets(e, 10.0, 12.0))

    assert probability(teeth(2.0, amplitude_uv=30.0)) > probability(tone(2.0, 3.0, 30.0)) + 0.1


def test_noise_alone_has_none() -> None:
    assert not likely(measure(everywhere(background(300, rms_uv=7.0))), SAWTOOTH, Role.CENTRAL)


def test_slow_waves_are_none() -> None:
    eeg = background(30)
    add(eeg, 5.0, tone(15.0, 1.2, 130.0))
    assert not likely(measure(everywhere(eeg)), SAWTOOTH, Role.CENTRAL)
