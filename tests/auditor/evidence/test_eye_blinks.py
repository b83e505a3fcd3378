"""Blinks are told from rapid eye movements and EEG, whichever way the electrodes sit."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_eeg import k_complex, tone
from simulated_eyes import Eyes, found, saccade, starts

from auditor.vocabulary import Phenomenon

BLINKS = Phenomenon.EYE_BLINKS

TIMES = np.array([4.0, 5.1, 6.3, 12.0, 17.5, 22.7, 30.4, 31.2, 40.0, 52.5])


def blinking(*, in_phase: bool = False, rate_hz: float = 200.0, sign: int = 1) -> Eyes:
    """A minute with ten blinks, of 80 µV and more."""
    eyes = Eyes.at_rest(60, rate_hz=rate_hz)
    for i, at_s in enumerate(TIMES):
        eyes.blink(at_s, sign * (80 + 10 * i), in_phase=in_phase)
    return eyes


@pytest.mark.parametrize("in_phase", [False, True], ids=["recommended", "alternative"])
def test_each_blink_is_one_event_at_its_time(in_phase: bool) -> None:
    events = found(blinking(in_phase=in_phase).measured(), BLINKS)
    assert starts(events) == pytest.approx(TIMES, abs=0.15)


@pytest.mark.parametrize("rate_hz", [100, 128, 256, 512])
def test_any_sampling_rate_gives_the_same_blinks(rate_hz: int) -> None:
    assert starts(found(blinking(rate_hz=rate_hz).measured(), BLINKS)) == pytest.approx(
        starts(found(blinking().measured(), BLINKS)), abs=0.1
    )


def test_eye_channels_upside_down_show_the_same_blinks() -> None:
    upside_down = blinking()
    upside_down.left[:] *= -1
    upside_down.right[:] *= -1
    assert starts(found(upside_down.measured(), BLINKS)) == pytest.approx(TIMES, abs=0.15)


def test_rapid_eye_movements_to_both_sides_are_not_blinks() -> None:
    eyes = Eyes.at_rest(120)
    for i, at_s in enumerate(np.arange(5.0, 115.0, 4.1)):
        eyes.turn(at_s, (-1) ** i * saccade(100))
    assert not found(eyes.measured(), BLINKS)


def test_eeg_in_both_eye_channels_is_no_blink() -> None:
    eyes = Eyes.at_rest(120)
    for at_s in range(5, 60, 5):
        eyes.leak(at_s, k_complex(250))
    eyes.leak(70, tone(20, 10.0, 60))
    assert not found(eyes.measured(), BLINKS)


def test_noise_alone_has_no_likely_blink() -> None:
    assert not found(Eyes.at_rest(300, seed=7).measured(), BLINKS)
