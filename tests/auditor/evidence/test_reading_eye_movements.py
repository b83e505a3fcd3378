"""Reading: slow along the line, fast back, over and over."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_eyes import RATE_HZ, Eyes, found, rolling, saccade

from auditor.vocabulary import Phenomenon, Samples

READING = Phenomenon.READING_EYE_MOVEMENTS
RAPID = Phenomenon.RAPID_EYE_MOVEMENTS


def lines(n: int, line_s: float = 2.0, amplitude_uv: float = 70.0) -> Samples:
    """So many lines, the way back taking a twelfth of a second."""
    back = round(RATE_HZ / 12)
    along = np.linspace(-0.5, 0.5, round(line_s * RATE_HZ) - back)
    line = np.concatenate((along, np.linspace(0.5, -0.5, back)))
    return amplitude_uv * np.tile(line, n)


@pytest.mark.parametrize("direction", [1, -1], ids=["left to right", "right to left"])
def test_a_page_is_one_event(direction: int) -> None:
    eyes = Eyes.at_rest(60)
    eyes.turn(15, direction * lines(10))
    (event,) = found(eyes.measured(), READING)
    assert event.start_s == pytest.approx(15, abs=2.0)
    assert event.end_s == pytest.approx(35, abs=2.0)
    assert event.frequency_hz == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("n", "is_reading"), [(1, False), (2, False), (7, True)])
def test_one_or_two_lines_are_no_reading(n: int, is_reading: bool) -> None:
    eyes = Eyes.at_rest(60)
    eyes.turn(15, lines(n))
    assert bool(found(eyes.measured(), READING)) is is_reading


def test_the_way_back_is_not_counted_as_rapid_eye_movements() -> None:
    eyes = Eyes.at_rest(60)
    eyes.turn(10, lines(20))
    assert not found(eyes.measured(), RAPID)


def test_neither_rolling_nor_rapid_movements_are_reading() -> None:
    eyes = Eyes.at_rest(180)
    eyes.turn(5, rolling(50, 0.4, 80))
    for at_s in np.arange(60.0, 170.0, 2.0):
        eyes.turn(at_s, saccade(80, 0.08, 0.6))
    assert not found(eyes.measured(), READING)


def test_a_line_that_was_hardly_seen_does_not_part_a_page() -> None:
    eyes = Eyes.at_rest(60)
    page = (lines(5, 3.0), lines(1, 3.0, amplitude_uv=15.0), lines(5, 3.0))
    eyes.turn(10, np.concatenate(page))
    (event,) = found(eyes.measured(), READING)
    assert event.start_s == pytest.approx(10, abs=3.0)
    assert event.end_s == pytest.approx(43, abs=3.0)
