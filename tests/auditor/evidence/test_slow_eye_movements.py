"""Slow eye movements roll: apart, sinusoidally, and with nothing sharp in them."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_eeg import tone
from simulated_eyes import Eyes, found, rolling, saccade

from auditor.vocabulary import Phenomenon

SLOW = Phenomenon.SLOW_EYE_MOVEMENTS


@pytest.mark.parametrize("frequency_hz", [0.2, 0.35, 0.55])
def test_a_run_is_one_event_with_its_time_and_frequency(frequency_hz: float) -> None:
    eyes = Eyes.at_rest(60)
    eyes.turn(20, rolling(16, frequency_hz, 60))
    (event,) = found(eyes.measured(), SLOW)
    assert event.start_s == pytest.approx(20, abs=1.0)
    assert event.end_s == pytest.approx(36, abs=1.0)
    assert event.frequency_hz == pytest.approx(frequency_hz, abs=0.08)
    assert event.amplitude_uv == pytest.approx(120, rel=0.25)


def test_two_runs_are_two_events() -> None:
    eyes = Eyes.at_rest(90)
    eyes.turn(20, rolling(8, 0.4, 60))
    eyes.turn(50, rolling(8, 0.4, 60))
    assert len(found(eyes.measured(), SLOW)) == 2


@pytest.mark.parametrize("rate_hz", [100, 128, 256, 512])
def test_any_sampling_rate_gives_the_same_run(rate_hz: int) -> None:
    eyes = Eyes.at_rest(60, rate_hz=rate_hz)
    eyes.turn(20, rolling(12, 0.3, 70, rate_hz))
    (event,) = found(eyes.measured(), SLOW)
    assert (event.start_s, event.end_s) == pytest.approx((20, 32), abs=1.0)


def test_rapid_movements_are_not_slow_ones() -> None:
    eyes = Eyes.at_rest(120)
    for i, at_s in enumerate(np.arange(5.0, 115.0, 1.6)):
        eyes.turn(at_s, (-1) ** i * saccade(100, 0.08, 0.6))
    assert not found(eyes.measured(), SLOW)


def test_sweat_and_slow_waves_in_both_channels_are_not_movements() -> None:
    eyes = Eyes.at_rest(120)
    eyes.leak(10, tone(40, 0.3, 300))
    eyes.leak(60, tone(40, 0.8, 200))
    assert not found(eyes.measured(), SLOW)


def test_one_swing_with_a_rapid_beginning_does_not_roll() -> None:
    eyes = Eyes.at_rest(60)
    eyes.turn(20, saccade(150, 0.3, 0.5))
    assert not found(eyes.measured(), SLOW)


def test_upside_down_channels_show_the_same_run() -> None:
    upright, inverted = Eyes.at_rest(60), Eyes.at_rest(60)
    for eyes in (upright, inverted):
        eyes.turn(20, rolling(12, 0.3, 70))
    for channel in (inverted.frontal, inverted.left, inverted.right):
        channel *= -1
    assert found(inverted.measured(), SLOW) == found(upright.measured(), SLOW)


def test_noise_alone_has_no_likely_run() -> None:
    assert not found(Eyes.at_rest(300, seed=7).measured(), SLOW)
