"""Arousals: three seconds of faster EEG after ten of sleep, and a tense chin in stage R."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_eeg import RATE_HZ, add, background, k_complex, montage, spindle, tone

from auditor.evidence import measure
from auditor.vocabulary import EEG_ROLES, Event, Phenomenon, Role, Samples

AROUSAL = Phenomenon.AROUSAL


def shift(seconds: float, frequency_hz: float = 9.5, amplitude_uv: float = 45.0) -> Samples:
    """Alpha with fast activity upon it."""
    rng = np.random.default_rng(4)
    fast = np.diff(rng.normal(size=round(seconds * RATE_HZ) + 1))
    return tone(seconds, frequency_hz, amplitude_uv) + 4 * fast


def arousals(eeg: Samples, chin: Samples | None = None, at_least: float = 0.5) -> list[Event]:
    channels = dict.fromkeys(EEG_ROLES, eeg)
    evidence = measure(montage(channels if chin is None else {**channels, Role.CHIN: chin}))
    return [e for e in evidence.events if e.kind is AROUSAL and e.probability >= at_least]


def test_an_arousal_is_one_event_at_its_time() -> None:
    eeg = background(180)
    add(eeg, 100, shift(6))
    (event,) = arousals(eeg)
    assert (event.start_s, event.end_s) == pytest.approx((100, 106), abs=1.0)


@pytest.mark.parametrize(("seconds", "is_one"), [(1.5, False), (2.0, False), (4.0, True)])
def test_it_lasts_three_seconds(seconds: float, is_one: bool) -> None:
    eeg = background(180)
    add(eeg, 100, shift(seconds))
    assert bool(arousals(eeg)) is is_one


def test_the_second_of_two_needs_ten_seconds_of_sleep_before_it() -> None:
    eeg = background(180)
    add(eeg, 100, shift(5))
    add(eeg, 109, shift(5))
    assert len(arousals(eeg)) == 1


def test_spindles_and_k_complexes_are_no_arousals() -> None:
    eeg = background(240)
    for at_s in range(40, 230, 9):
        add(eeg, at_s, k_complex(200))
        add(eeg, at_s + 1, spindle(1.5, 13.0, 70))
    assert not arousals(eeg)


def test_sleep_alone_has_none() -> None:
    assert not arousals(background(600, seed=9))


def test_continuous_wakefulness_has_none() -> None:
    """Eyes closed and open by turns: alpha comes and goes."""
    eeg = background(300)
    for at_s in range(0, 290, 14):
        add(eeg, at_s, shift(9, amplitude_uv=60))
    assert len(arousals(eeg)) <= 1


@pytest.mark.parametrize(("chin_rises", "is_one"), [(False, False), (True, True)])
def test_where_tone_is_as_low_as_in_stage_r_the_chin_must_rise(
    chin_rises: bool, is_one: bool
) -> None:
    eeg = background(240)
    add(eeg, 190, shift(4))
    tone_uv = np.full(len(eeg), 8.0)
    tone_uv[round(120 * RATE_HZ) :] = 1.0
    if chin_rises:
        tone_uv[round(190 * RATE_HZ) : round(193 * RATE_HZ)] = 6.0
    chin = tone_uv * np.random.default_rng(6).normal(size=len(eeg))
    assert bool(arousals(eeg, chin)) is is_one
