"""Working signals keep time and amplitude at any rate, and know what was not recorded."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.evidence.signals import working_signal
from auditor.vocabulary import Channel


def sine(rate_hz: float, frequency_hz: float, seconds: float = 700.0) -> np.ndarray:
    return 30 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz)


@pytest.mark.parametrize("rate_hz", [100.0, 128.0, 199.98, 200.0, 250.0, 256.0, 512.0, 1000.0])
def test_resampling_keeps_time_and_amplitude(rate_hz: float) -> None:
    signal = working_signal(Channel.of_array("C4", rate_hz, sine(rate_hz, 13.0) + 500), 700.0)
    assert len(signal.samples) == 70_000
    expected = sine(100.0, 13.0) + 500
    inside = slice(100, -100)
    assert signal.samples[inside] == pytest.approx(expected[inside], abs=0.6)


def test_frequencies_that_the_working_rate_cannot_hold_are_removed() -> None:
    signal = working_signal(Channel.of_array("C4", 256.0, sine(256.0, 70.0, 60.0)), 60.0)
    assert np.abs(signal.samples[200:-200]).max() < 0.5


def test_what_was_not_recorded_is_marked_and_bridged() -> None:
    samples = sine(200.0, 1.0, 60.0) + 100
    samples[2000:3000] = np.nan
    signal = working_signal(Channel.of_array("C4", 200.0, samples), 60.0)
    assert not signal.recorded[1000:1500].any()
    assert signal.recorded[:1000].all()
    assert signal.recorded[1500:].all()
    assert np.isfinite(signal.samples).all()


def test_a_channel_shorter_than_the_recording_was_not_recorded_at_its_end() -> None:
    signal = working_signal(Channel.of_array("C4", 100.0, np.ones(1000)), 30.0)
    assert signal.recorded.sum() == 1000
    assert len(signal.samples) == 3000


@pytest.mark.parametrize("frequency_hz", [12.0, 13.5, 15.0])
def test_a_band_passes_its_own_and_stops_others(frequency_hz: float) -> None:
    signal = working_signal(Channel.of_array("C4", 100.0, sine(100.0, frequency_hz, 60.0)), 60.0)
    assert signal.band(11.0, 16.0)[500:-500].max() == pytest.approx(30, rel=0.03)
    assert np.abs(signal.band(0.5, 8.0)[500:-500]).max() < 0.2
    assert np.abs(signal.analytic(11.0, 16.0)[500:-500]) == pytest.approx(30, rel=0.03)
