"""Rapid eye movements are told from slow ones, blinks and EEG, one event each."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from simulated_eeg import add, background, k_complex, montage, tone
from simulated_eyes import Eyes, found, rolling, saccade, starts

from auditor.evidence import measure
from auditor.vocabulary import Evidence, Phenomenon, Role

RAPID = Phenomenon.RAPID_EYE_MOVEMENTS

TIMES = np.array([4.0, 9.3, 10.6, 17.0, 21.5, 22.7, 33.0, 34.1, 36.0, 44.0, 51.0, 55.5])


def restless(rate_hz: float = 200.0, sign: int = 1) -> Eyes:
    """A minute with a dozen movements to either side."""
    eyes = Eyes.at_rest(60, rate_hz=rate_hz)
    for i, at_s in enumerate(TIMES):
        side = sign * (-1) ** (i // 2)
        eyes.turn(at_s, side * saccade(60 + 8 * i, 0.08, 0.3, rate_hz))
    return eyes


def test_each_movement_out_and_back_is_one_event_at_its_time() -> None:
    events = found(restless().measured(), RAPID)
    assert starts(events) == pytest.approx(TIMES, abs=0.1)
    ends = np.array([event.end_s for event in events])
    assert ends == pytest.approx(TIMES + 0.46, abs=0.15)


def test_the_amplitude_is_that_of_each_eye() -> None:
    eyes = Eyes.at_rest(60)
    eyes.turn(20, saccade(90))
    (event,) = found(eyes.measured(), RAPID)
    assert event.amplitude_uv == pytest.approx(90, rel=0.15)


@pytest.mark.parametrize("rate_hz", [100, 128, 200, 256, 512])
def test_any_sampling_rate_gives_the_same_movements(rate_hz: int) -> None:
    assert starts(found(restless(rate_hz).measured(), RAPID)) == pytest.approx(TIMES, abs=0.1)


def test_both_channels_upside_down_give_the_same_movements() -> None:
    upright = found(restless().measured(), RAPID)
    assert starts(found(restless(sign=-1).measured(), RAPID)) == pytest.approx(
        starts(upright), abs=0.05
    )


def test_half_a_recording_holds_the_same_movements_as_the_whole() -> None:
    eyes = Eyes.at_rest(240)
    times = np.arange(5.0, 235.0, 3.9)
    for i, at_s in enumerate(times):
        eyes.turn(at_s, (-1) ** i * saccade())
    n = 120 * 200
    halves = [
        Eyes(200.0, eyes.frontal[part], eyes.left[part], eyes.right[part])
        for part in (slice(0, n), slice(n, None))
    ]
    first, second = (found(half.measured(), RAPID) for half in halves)
    whole = starts(found(eyes.measured(), RAPID))
    assert np.concatenate((starts(first), 120 + starts(second))) == pytest.approx(whole, abs=0.05)


@pytest.mark.parametrize(("rise_s", "is_rapid"), [(0.1, True), (0.35, True), (0.9, False)])
def test_the_initial_deflection_must_be_short(rise_s: float, is_rapid: bool) -> None:
    eyes = Eyes.at_rest(60)
    eyes.turn(20, saccade(90, rise_s, 0.1))
    assert bool(found(eyes.measured(), RAPID)) is is_rapid


def test_rolling_eyes_do_not_move_rapidly() -> None:
    eyes = Eyes.at_rest(90)
    eyes.turn(10, rolling(60, 0.35, 80))
    assert not found(eyes.measured(), RAPID)


def test_eeg_in_both_eye_channels_is_no_movement_of_the_eyes() -> None:
    eyes = Eyes.at_rest(120)
    for at_s in range(5, 60, 5):
        eyes.leak(at_s, k_complex(200))
    eyes.leak(70, tone(40, 1.0, 180))
    assert not found(eyes.measured(), RAPID)


def test_eeg_that_unlike_references_turn_out_of_phase_is_no_movement() -> None:
    eyes = Eyes.at_rest(120)
    for at_s in range(5, 115, 5):
        for channel, share in ((eyes.frontal, 1.0), (eyes.left, -0.35), (eyes.right, 0.5)):
            add(channel, at_s, share * k_complex(220))
    assert not found(eyes.measured(), RAPID)


def test_heart_beats_out_of_phase_are_no_movements() -> None:
    eyes = Eyes.at_rest(120)
    for at_s in np.arange(1, 118, 0.93):
        eyes.turn(at_s, 50 * np.hanning(round(0.05 * 200)))
    assert not found(eyes.measured(), RAPID)


def test_bursts_of_muscle_are_no_movements() -> None:
    eyes = Eyes.at_rest(120)
    rng = np.random.default_rng(3)
    for at_s in range(5, 115, 10):
        for channel in (eyes.left, eyes.right):
            add(channel, at_s, 60 * rng.normal(size=500) * np.hanning(500))
    assert len(found(eyes.measured(), RAPID)) <= 1


def test_a_row_of_blinks_is_not_rapid_eye_movements() -> None:
    eyes = Eyes.at_rest(120)
    for at_s in np.arange(5, 115, 3.1):
        eyes.blink(at_s)
    assert len(found(eyes.measured(), RAPID)) <= 1


def test_vertical_movements_in_phase_are_found_with_the_alternative_electrodes() -> None:
    eyes = Eyes.at_rest(60)
    for at_s, up in ((10, 1), (20, -1), (30, 1)):
        for channel, share in ((eyes.left, 1.0), (eyes.right, 0.9), (eyes.frontal, 0.15)):
            wave = up * share * saccade(100, 0.08, 0.4)
            channel[at_s * 200 : at_s * 200 + len(wave)] += wave
    assert starts(found(eyes.measured(), RAPID)) == pytest.approx([10, 20, 30], abs=0.1)


def test_noise_alone_has_no_likely_movement() -> None:
    assert not found(Eyes.at_rest(300, seed=7).measured(), RAPID)


def test_one_eye_is_not_enough() -> None:
    evidence = measure(montage({Role.LEFT_EYE: background(60)}, missing="no right eye recorded"))
    assert evidence.epochs[0].not_assessable[RAPID] == "no right eye recorded"


def test_one_channel_for_both_eyes_is_not_enough() -> None:
    shared = montage({Role.LEFT_EYE: background(60), Role.RIGHT_EYE: background(60)})
    only = shared.roles[Role.LEFT_EYE]
    both = type(shared)(
        shared.recording, {Role.LEFT_EYE: only, Role.RIGHT_EYE: only}, shared.missing
    )
    assert "share one channel" in measure(both).epochs[0].not_assessable[RAPID]


def test_a_slow_channel_is_not_assessable() -> None:
    eyes = Eyes.at_rest(60, rate_hz=25.0)
    assert "25 Hz" in eyes.measured().epochs[0].not_assessable[RAPID]


def real_rem_period(shared_data: Path) -> Evidence:
    recording = np.load(shared_data / "eog" / "data_EOGs_REM_256Hz.npz")
    left, right = recording["data"]
    return measure(montage({Role.LEFT_EYE: left, Role.RIGHT_EYE: right}, 256.0))


def test_a_real_rem_period_moves_about_as_much_as_yasa_says(shared_data: Path) -> None:
    n_events = len(found(real_rem_period(shared_data), RAPID))
    yasa = 241  # rem_detect of YASA 0.8.1 at its defaults, both eyes together
    assert 0.8 * yasa <= n_events <= 1.2 * yasa


def test_no_real_movement_is_marked_twice(shared_data: Path) -> None:
    events = found(real_rem_period(shared_data), RAPID)
    assert all(one.end_s <= other.start_s for one, other in pairwise(events))


def test_a_movement_in_steps_is_one() -> None:
    eyes = Eyes.at_rest(60)
    for at_s in (20.0, 20.18):
        eyes.turn(at_s, saccade(60, 0.1, 0.5))
    (event,) = found(eyes.measured(), RAPID)
    assert event.start_s == pytest.approx(20, abs=0.1)
    assert event.amplitude_uv == pytest.approx(120, rel=0.2)


def test_large_steep_movements_are_not_taken_for_muscle() -> None:
    eyes = Eyes.at_rest(120)
    times = np.arange(5.0, 115.0, 4.3)
    for i, at_s in enumerate(times):
        eyes.turn(at_s, (-1) ** i * saccade(250, 0.04, 0.4))
    assert starts(found(eyes.measured(), RAPID)) == pytest.approx(times, abs=0.1)


def test_a_movement_to_each_side_is_two() -> None:
    eyes = Eyes.at_rest(60)
    eyes.turn(20, saccade(100, 0.1, 0.3))
    eyes.turn(20.4, -saccade(100, 0.1, 0.3))
    assert len(found(eyes.measured(), RAPID)) == 2
