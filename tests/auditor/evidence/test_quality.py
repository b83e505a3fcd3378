"""Every trouble of a channel is named, where it is and only there."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from simulated_eeg import background, everywhere, montage, tone

from auditor.evidence import measure
from auditor.evidence.quality import Quality, judge
from auditor.evidence.signals import prepare
from auditor.vocabulary import Phenomenon, Role, Samples

RATE_HZ = 256.0
EPOCH = round(30 * RATE_HZ)


def eeg(epochs: int = 6, seed: int = 1) -> Samples:
    return background(30 * epochs, seed, rate_hz=RATE_HZ)


def judged(samples: Samples, role: Role = Role.CENTRAL, rate_hz: float = RATE_HZ) -> Quality:
    return judge(prepare(montage({role: samples}, rate_hz)))


def mains(epochs: float, hz: float, amplitude_uv: float) -> Samples:
    return tone(30 * epochs, hz, 2 * amplitude_uv, RATE_HZ)


def flat(part: Samples) -> Samples:
    return np.full(len(part), part[0])


def clipped(part: Samples) -> Samples:
    return np.clip(30 * part, -200.0, 200.0)


def unplugged(part: Samples) -> Samples:
    return 0.01 * part


def humming(part: Samples) -> Samples:
    return part + mains(len(part) / EPOCH, 50.0, 300.0)


def swaying(part: Samples) -> Samples:
    return part + tone(len(part) / RATE_HZ, 0.25, 220, RATE_HZ)


def lost(part: Samples) -> Samples:
    return np.full(len(part), np.nan)


def moving(part: Samples) -> Samples:
    rng = np.random.default_rng(2)
    return 8 * part + 40 * rng.normal(size=len(part))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (flat, "is flat"),
        (clipped, "is clipped"),
        (unplugged, "hardly any signal"),
        (humming, "drowned in mains"),
        (swaying, "sways slowly"),
        (lost, "was not recorded"),
        (moving, "movement and muscle artefact"),
    ],
)
def test_a_spoilt_epoch_is_named_and_the_others_are_good(
    spoil: Callable[[Samples], Samples], words: str
) -> None:
    samples = eeg()
    samples[2 * EPOCH : 4 * EPOCH] = spoil(samples[2 * EPOCH : 4 * EPOCH])
    quality = judged(samples)
    reasons = quality.reasons[Role.CENTRAL]
    assert [bool(re.search(words, reason)) for reason in reasons] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    assert reasons[0] == reasons[5] == ""
    assert re.fullmatch(rf".*{words}.* in 2 epochs", quality.verdict(Role.CENTRAL))


@pytest.mark.parametrize(("seconds", "is_poor"), [(8, False), (12, True)])
def test_a_third_of_the_epoch_must_be_lost(seconds: int, is_poor: bool) -> None:
    samples = eeg()
    samples[2 * EPOCH : 2 * EPOCH + round(seconds * RATE_HZ)] = 3.0
    assert bool(judged(samples).reasons[Role.CENTRAL][2]) is is_poor


def test_clean_eeg_is_good() -> None:
    quality = judged(eeg(20))
    assert not any(quality.reasons[Role.CENTRAL])
    assert quality.verdict(Role.CENTRAL) == "good"


@pytest.mark.parametrize("peak_to_peak_uv", [150.0, 400.0])
def test_slow_waves_are_no_artefact(peak_to_peak_uv: float) -> None:
    samples = eeg() + tone(180, 0.9, peak_to_peak_uv, RATE_HZ)
    assert judged(samples).verdict(Role.CENTRAL) == "good"


@pytest.mark.parametrize("mains_hz", [50, 60])
def test_mains_are_noted_with_their_frequency_and_hide_nothing(mains_hz: int) -> None:
    quality = judged(eeg() + mains(6, mains_hz, 12.0))
    assert quality.verdict(Role.CENTRAL) == f"{mains_hz} Hz mains of 12 µV"
    assert not any(quality.reasons[Role.CENTRAL])


def test_heart_beats_in_the_eeg_are_noted_and_hide_nothing() -> None:
    samples = eeg(20)
    for at_s in np.arange(0.3, 599.0, 0.93):
        at = round(at_s * RATE_HZ)
        samples[at : at + 12] += 40 * np.hanning(12)
    quality = judged(samples)
    assert quality.verdict(Role.CENTRAL) == "ECG artefact"
    assert not any(quality.reasons[Role.CENTRAL])


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e3], ids=["volts", "millivolts", "nanovolts"])
def test_a_wrong_unit_is_named(factor: float) -> None:
    quality = judged(eeg() * factor)
    assert "wrong unit" in quality.verdict(Role.CENTRAL)
    assert all(quality.reasons[Role.CENTRAL])


def test_an_atonic_chin_is_not_taken_for_an_unplugged_one() -> None:
    emg = 0.6 * np.random.default_rng(1).normal(size=6 * EPOCH)
    assert judged(emg, Role.CHIN).verdict(Role.CHIN) == "good"
    assert "hardly any signal" in judged(0.3 * emg).verdict(Role.CENTRAL)


def test_a_chin_channel_with_the_spectrum_of_eeg_is_named_without_any_eeg_beside_it() -> None:
    steep = np.convolve(eeg(12), np.ones(8) / 8, mode="same")
    quality = judged(steep, Role.CHIN)
    assert "spectrum of EEG" in quality.verdict(Role.CHIN)


def test_eye_channels_that_are_occipital_eeg_are_named() -> None:
    occipital, frontal = eeg(12), eeg(12, seed=2)
    channels = {
        Role.FRONTAL: frontal,
        Role.OCCIPITAL: occipital,
        Role.LEFT_EYE: occipital + 0.2 * eeg(12, seed=3),
        Role.RIGHT_EYE: 0.8 * occipital + 0.2 * eeg(12, seed=4),
    }
    quality = judge(prepare(montage(channels, RATE_HZ)))
    for role in (Role.LEFT_EYE, Role.RIGHT_EYE):
        assert "no movement of the eyes" in quality.verdict(role)


def test_eye_channels_that_see_frontal_eeg_are_good() -> None:
    frontal = eeg(12)
    channels = {
        Role.FRONTAL: frontal,
        Role.OCCIPITAL: eeg(12, seed=2),
        Role.LEFT_EYE: 0.8 * frontal + 0.2 * eeg(12, seed=3),
        Role.RIGHT_EYE: 0.8 * frontal + 0.2 * eeg(12, seed=4),
    }
    quality = judge(prepare(montage(channels, RATE_HZ)))
    assert quality.verdict(Role.LEFT_EYE) == quality.verdict(Role.RIGHT_EYE) == "good"


@pytest.mark.parametrize("rate_hz", [100.0, 128.0, 199.7, 512.0])
def test_any_sampling_rate_judges_alike(rate_hz: float) -> None:
    samples = background(180, rate_hz=rate_hz)
    samples[round(60 * rate_hz) : round(90 * rate_hz)] = 0.0
    reasons = judged(samples, rate_hz=rate_hz).reasons[Role.CENTRAL]
    assert [bool(reason) for reason in reasons] == [False, False, True, False, False, False]


def test_a_channel_of_one_sample_a_second_is_not_judged_but_refused() -> None:
    quality = judged(np.random.default_rng(1).normal(size=180) * 20, rate_hz=1.0)
    assert quality.reasons[Role.CENTRAL][0] == "central was sampled at only 1 Hz"


def test_what_needs_a_poor_channel_is_not_assessable_there() -> None:
    samples = eeg()
    samples[2 * EPOCH : 3 * EPOCH] = 0.0
    evidence = measure(everywhere(samples, RATE_HZ))
    assert "is flat" in evidence.epochs[2].not_assessable[Phenomenon.SLEEP_SPINDLE]
    assert Phenomenon.SLEEP_SPINDLE not in evidence.epochs[1].not_assessable
    assert evidence.channels[Role.CENTRAL].quality == "central is flat in 1 epoch"
