"""Filters shift nothing, and spectra keep power at its frequency."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.evidence.filters import Spectrum, band_kernel, moving_mean
from auditor.evidence.signals import working_signal
from auditor.vocabulary import Channel


def sine(rate_hz: float, frequency_hz: float, seconds: float = 700.0) -> np.ndarray:
    return 30 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def test_kernels_have_no_shift() -> None:
    kernel = band_kernel(0.3, 3.0)
    assert len(kernel) % 2 == 1
    assert kernel == pytest.approx(kernel[::-1])


def test_a_spectrum_holds_the_power_at_its_frequency() -> None:
    signal = working_signal(Channel.of_array("C4", 100.0, sine(100.0, 10.0, 60.0)), 60.0)
    spectrum = Spectrum.of(signal.samples)
    middle = slice(50, -50)
    assert spectrum.power(8, 13)[middle] == pytest.approx(30**2 / 2, rel=0.02)
    assert spectrum.power(15, 30)[middle].max() < 0.1
    assert spectrum.peak_hz(7, 17)[middle] == pytest.approx(10.0, abs=0.1)


def test_a_moving_mean_keeps_what_is_constant() -> None:
    assert moving_mean(np.ones(50, dtype=np.float32), 0.2) == pytest.approx(1.0)
