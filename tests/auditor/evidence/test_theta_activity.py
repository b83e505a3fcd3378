"""Theta is measured as the share of the epoch in which it rules."""

from __future__ import annotations

import pytest
from simulated_eeg import add, background, everywhere, montage, tone

from auditor.evidence import measure
from auditor.vocabulary import Phenomenon, Role


@pytest.mark.parametrize("for_s", [0.0, 10.0, 20.0])
def test_its_share_of_the_epoch_is_measured(for_s: float) -> None:
    eeg = background(90, rms_uv=5.0)
    without = measure(everywhere(eeg)).epochs[1].measures["theta_fraction"]
    add(eeg, 33.0, tone(for_s, 5.5, 40.0))
    measured = measure(everywhere(eeg)).epochs[1].measures["theta_fraction"]
    assert measured.channel == "central"
    gained = float(measured.low) - float(without.low)
    assert gained == pytest.approx(for_s / 30, abs=0.08)


@pytest.mark.parametrize("frequency_hz", [1.5, 10.0, 13.0])
def test_other_rhythms_are_not_theta(frequency_hz: float) -> None:
    eeg = background(30, rms_uv=5.0)
    add(eeg, 3.0, tone(25.0, frequency_hz, 60.0))
    assert float(measure(everywhere(eeg)).epochs[0].measures["theta_fraction"].value) < 0.15


def test_without_a_central_channel_it_is_not_assessable() -> None:
    epoch = measure(montage({Role.FRONTAL: background(30)}, missing="no central EEG")).epochs[0]
    assert epoch.not_assessable[Phenomenon.THETA_ACTIVITY] == "no central EEG"
