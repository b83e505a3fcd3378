"""Low-amplitude mixed frequency is what is neither large, nor alpha, nor slow, nor muscle."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_eeg import RATE_HZ, add, background, everywhere, montage, tone

from auditor.evidence import measure
from auditor.vocabulary import Measure, Phenomenon, Role, Samples

NAME = "low_amplitude_mixed_frequency_fraction"


def share(eeg: Samples) -> Measure:
    return measure(everywhere(eeg)).epochs[0].measures[NAME]


def test_a_low_mixed_trace_fills_the_epoch() -> None:
    measured = share(background(30, rms_uv=7.0))
    assert measured.channel == "central"
    assert float(measured.value) > 0.9


def test_a_large_trace_has_none() -> None:
    assert float(share(background(30, rms_uv=30.0)).value) == 0.0


@pytest.mark.parametrize(
    ("frequency_hz", "amplitude_uv"), [(10.0, 45.0), (1.0, 130.0)], ids=["alpha", "slow waves"]
)
def test_alpha_and_slow_waves_take_their_share(frequency_hz: float, amplitude_uv: float) -> None:
    eeg = background(30, rms_uv=7.0)
    add(eeg, 5.0, tone(15.0, frequency_hz, amplitude_uv))
    assert float(share(eeg).value) == pytest.approx(0.5, abs=0.12)


def test_a_fast_trace_is_not_mixed() -> None:
    rng = np.random.default_rng(1)
    fast = np.diff(rng.normal(size=round(30 * RATE_HZ) + 1)) * 8.0
    assert float(share(background(30, rms_uv=3.0) + fast).value) < 0.1


def test_doubt_widens_the_measure() -> None:
    measured = share(background(30, rms_uv=11.0))
    assert float(measured.low) < float(measured.value) < float(measured.high)


def test_without_a_central_channel_it_is_not_assessable() -> None:
    epoch = measure(montage({Role.FRONTAL: background(30)}, missing="no central EEG")).epochs[0]
    assert epoch.not_assessable[Phenomenon.LOW_AMPLITUDE_MIXED_FREQUENCY] == "no central EEG"
