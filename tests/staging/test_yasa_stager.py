"""YASA behind the stager's protocol, on signals made here."""

import numpy as np
import pytest

from auditor.errors import RecordingRefused, UsageError
from auditor.vocabulary import (
    SCORED_STAGES,
    Channel,
    Derivation,
    Montage,
    Recording,
    Role,
    Span,
    Stage,
)
from staging.stager import make_stager, stager_names
from staging.yasa_stager import YasaStager


def montage(
    n_epochs: float, rate_hz: float = 100.0, gap: Span | None = None, role: Role = Role.CENTRAL
) -> Montage:
    """One EEG channel: broad-band activity of 20 µV."""
    samples = np.random.default_rng(7).normal(0, 20, round(n_epochs * 30 * rate_hz))
    if gap:
        samples[round(gap.start_s * rate_hz) : round(gap.end_s * rate_hz)] = np.nan
    channel = Channel.of_array("C4-M1", rate_hz, samples)
    recording = Recording("made.edf", None, n_epochs * 30, (channel,), (gap,) if gap else ())
    return Montage(recording, {role: Derivation(channel)}, {})


def silent(_name: str, _share: float) -> None:
    pass


@pytest.mark.parametrize("rate_hz", [100.0, 128.0, 256.0, 512.0])
def test_scores_each_whole_epoch_with_probabilities(rate_hz: float) -> None:
    hypnogram = YasaStager().stage(montage(3.5, rate_hz), silent)
    assert len(hypnogram.epochs) == 3
    for scored in hypnogram.epochs:
        assert scored.stage in SCORED_STAGES
        assert scored.probabilities is not None
        assert sum(scored.probabilities.values()) == pytest.approx(1)
        assert scored.probabilities[scored.stage] == max(scored.probabilities.values())
    assert any("unreliable" in note for note in hypnogram.notes)


def test_one_epoch_is_enough() -> None:
    assert len(YasaStager().stage(montage(1), silent).epochs) == 1


def test_epochs_that_touch_a_gap_are_unscored_and_it_says_so() -> None:
    hypnogram = YasaStager().stage(montage(6, gap=Span(45, 70)), silent)
    unscored = [s.index for s in hypnogram.epochs if s.stage is Stage.UNSCORED]
    assert unscored == [1, 2]
    assert any("2 epochs touch a gap" in note for note in hypnogram.notes)


def test_the_recording_is_not_changed_by_staging() -> None:
    given = montage(4, gap=Span(45, 70))
    before = given.recording.channels[0].samples().copy()
    YasaStager().stage(given, silent)
    np.testing.assert_array_equal(before, given.recording.channels[0].samples())


def test_without_eeg_it_refuses() -> None:
    with pytest.raises(RecordingRefused, match="no EEG"):
        YasaStager().stage(montage(2, role=Role.CHIN), silent)
    with pytest.raises(RecordingRefused, match="80 Hz"):
        YasaStager().stage(montage(2, rate_hz=64), silent)


def test_a_recording_that_is_all_gap_is_refused() -> None:
    with pytest.raises(RecordingRefused, match="without a gap"):
        YasaStager().stage(montage(2, gap=Span(0, 60)), silent)


def test_stagers_are_found_by_name() -> None:
    assert "yasa" in stager_names()
    assert isinstance(make_stager("yasa"), YasaStager)
    with pytest.raises(UsageError, match=r"installed are: .*yasa"):
        make_stager("nobody")
    with pytest.raises(UsageError, match="takes no --model"):
        make_stager("yasa", "weights")
