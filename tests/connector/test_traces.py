"""What a displayed trace keeps of a signal."""

import numpy as np
import pytest

from auditor.vocabulary import Channel, Epoch, Samples
from connector.traces import BRAIN_AND_EYES, MUSCLE, Passband, display_trace, thinned

RATE_HZ = 256.0
N_EPOCHS = 3


def times(rate_hz: float = RATE_HZ) -> Samples:
    return np.arange(round(30 * N_EPOCHS * rate_hz)) / rate_hz


def channel(samples: Samples, rate_hz: float = RATE_HZ) -> Channel:
    return Channel.of_array("C4-M1", rate_hz, samples)


@pytest.mark.parametrize(
    ("frequency_hz", "kept"), [(0.02, 0.0), (1.0, 1.0), (10.0, 1.0), (20.0, 1.0), (100.0, 0.0)]
)
def test_waves_of_the_passband_keep_their_height_and_place(
    frequency_hz: float, kept: float
) -> None:
    wave = 50 * np.sin(2 * np.pi * frequency_hz * times())
    seconds, shown = display_trace(channel(wave), Epoch(1), BRAIN_AND_EYES)
    expected = kept * 50 * np.sin(2 * np.pi * frequency_hz * (seconds + 30.0))
    assert np.abs(shown - expected).max() < 5.0


@pytest.mark.parametrize("index", range(N_EPOCHS))
def test_every_epoch_is_shown_whole_the_first_and_the_last_too(index: int) -> None:
    seconds, shown = display_trace(channel(np.sin(times())), Epoch(index), BRAIN_AND_EYES)
    assert seconds[0] == pytest.approx(0.0)
    assert seconds[-1] == pytest.approx(30.0, abs=1.1 / RATE_HZ)
    assert len(seconds) == len(shown)


def test_what_was_not_recorded_stays_blank_and_does_not_ring() -> None:
    wave = 200.0 + 20 * np.sin(2 * np.pi * 5 * times())
    gap = (times() >= 40.0) & (times() < 45.0)
    wave[gap] = np.nan
    seconds, shown = display_trace(channel(wave), Epoch(1), BRAIN_AND_EYES)
    inside = (seconds >= 10.0) & (seconds < 15.0)
    assert np.isnan(shown[inside]).all()
    assert np.abs(shown[~inside]).max() < 40.0


def test_an_epoch_without_any_sample_is_blank() -> None:
    _, shown = display_trace(channel(np.full(len(times()), np.nan)), Epoch(1), BRAIN_AND_EYES)
    assert np.isnan(shown).all()


@pytest.mark.parametrize(
    ("rate_hz", "shown"), [(512.0, "10–100 Hz"), (200.0, "10–90 Hz"), (100.0, "10–45 Hz")]
)
def test_the_sampling_rate_limits_the_passband(rate_hz: float, shown: str) -> None:
    assert str(MUSCLE.of(rate_hz)) == shown


def test_a_rate_that_shows_next_to_nothing_has_no_passband() -> None:
    assert MUSCLE.of(32.0) is None
    assert Passband(0.3, 35.0).of(1.0) is None


def test_thinning_keeps_every_spike() -> None:
    values = np.zeros(30 * 2048)
    values[[5_000, 40_001]] = 100.0, -100.0
    seconds = np.arange(len(values)) / 2048
    at, kept = thinned(seconds, values, columns_per_s=48.0)
    assert len(kept) < len(values) / 10
    assert at[kept == 100.0] == pytest.approx(5_000 / 2048, abs=1 / 48)
    assert at[kept == -100.0] == pytest.approx(40_001 / 2048, abs=1 / 48)


def test_few_samples_are_left_as_they_are() -> None:
    seconds = np.arange(3_000) / 100
    at, kept = thinned(seconds, np.sin(seconds), columns_per_s=48.0)
    assert at is seconds
    assert (kept == np.sin(seconds)).all()
