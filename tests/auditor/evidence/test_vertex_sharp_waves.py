"""Vertex sharp waves are short, sharp and alone, and are not the sharp part of a K complex."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_eeg import (
    RATE_HZ,
    Samples,
    add,
    background,
    everywhere,
    k_complex,
    likely,
    meets,
    spindle,
    tone,
)

from auditor.evidence import measure
from auditor.vocabulary import Phenomenon, Role

VERTEX = Phenomenon.VERTEX_SHARP_WAVES


def vertex_wave(amplitude_uv: float = 90.0) -> Samples:
    """A sharp negative wave of 0.12 s between two small positive ones."""
    time_s = np.arange(round(0.4 * RATE_HZ)) / RATE_HZ - 0.2
    narrow, wide = np.exp(-0.5 * (time_s / 0.04) ** 2), np.exp(-0.5 * (time_s / 0.09) ** 2)
    return amplitude_uv * (0.45 * wide - narrow)


@pytest.mark.parametrize("polarity", [1, -1])
def test_one_is_found_whichever_way_up(polarity: int) -> None:
    eeg = background(30, rms_uv=7.0)
    add(eeg, 14.0, vertex_wave())
    (found,) = likely(measure(everywhere(polarity * eeg)), VERTEX, Role.CENTRAL)
    assert meets(found, 14.1, 14.3)
    assert found.duration_s < 0.5


def test_noise_alone_has_none() -> None:
    assert not likely(measure(everywhere(background(300, seed=3))), VERTEX, Role.CENTRAL)


def test_the_sharp_part_of_a_k_complex_is_none() -> None:
    eeg = background(30)
    add(eeg, 14.0, k_complex(200.0))
    assert not likely(measure(everywhere(eeg)), VERTEX, Role.CENTRAL)


def test_waves_of_a_rhythm_are_none() -> None:
    eeg = background(30)
    add(eeg, 10.0, tone(8.0, 9.0, 90.0))
    assert not likely(measure(everywhere(eeg)), VERTEX, Role.CENTRAL)


def test_the_waves_of_a_spindle_are_none() -> None:
    eeg = background(60)
    add(eeg, 20.0, spindle(1.0, 13.0, 110.0))
    assert not likely(measure(everywhere(eeg)), VERTEX, Role.CENTRAL)
