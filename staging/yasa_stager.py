"""The default stager: YASA's gradient-boosted trees, whose weights come in its wheel.

Vallat and Walker 2021, doi:10.7554/eLife.70092. It takes one EEG derivation, and one eye and
the chin where there are any; it gives probabilities and no rationale.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.metadata import version
from importlib.resources import as_file, files

import numpy as np

from auditor.errors import RecordingRefused, UsageError
from auditor.vocabulary import (
    EPOCH_S,
    Channel,
    Epoch,
    Hypnogram,
    Montage,
    Role,
    Samples,
    ScoredEpoch,
    Stage,
    StagerIdentity,
)
from staging.stager import Progress

YASA_RATE_HZ = 100.0
"""The rate that YASA computes its features at."""

MINIMUM_RATE_HZ = 80.0
"""YASA refuses slower signals: its features reach to 30 Hz."""

SHORT_RECORDING_S = 300.0
"""Below this YASA itself warns that its night-wide normalisation is unreliable."""

_STAGE_OF_COLUMN = {"WAKE": Stage.W, "N1": Stage.N1, "N2": Stage.N2, "N3": Stage.N3, "REM": Stage.R}


@dataclass(frozen=True, slots=True)
class YasaStager:
    """Stages by YASA with whatever of EEG, eye and chin the montage has."""

    def stage(self, montage: Montage, progress: Progress) -> Hypnogram:
        """See :class:`staging.stager.Stager`.

        Epochs that touch a gap are left out before YASA sees the signal, and come back
        unscored.

        Raises:
            RecordingRefused: no EEG derivation of at least 80 Hz, or no epoch without a gap.
        """
        recording = montage.recording
        eeg = _fast_enough(montage, Role.CENTRAL, Role.FRONTAL, Role.OCCIPITAL)
        if eeg is None:
            raise RecordingRefused(
                recording.name,
                f"no EEG derivation of at least {MINIMUM_RATE_HZ:g} Hz was found to stage with",
                "name the EEG channel in a channel-names file",
            )
        chosen = {
            "eeg": eeg,
            "eog": _fast_enough(montage, Role.LEFT_EYE, Role.RIGHT_EYE),
            "emg": _fast_enough(montage, Role.CHIN),
        }
        recorded = [epoch for epoch in recording.epochs() if not recording.in_gap(epoch)]
        if not recorded:
            raise RecordingRefused(
                recording.name,
                "no whole 30-s epoch was recorded without a gap",
                "give a recording of at least 30 s",
            )
        signals = {kind: channel for kind, channel in chosen.items() if channel is not None}
        samples = []
        for done, channel in enumerate(signals.values()):
            progress("stage", done / (len(signals) + 1))
            samples.append(_at_yasa_rate(channel, recorded))
        progress("stage", len(signals) / (len(signals) + 1))
        probabilities = _predict(list(signals), np.stack(samples))
        progress("stage", 1.0)

        by_index = {epoch.index: row for epoch, row in zip(recorded, probabilities, strict=True)}
        notes = [f"staged from {', '.join(channel.label for channel in signals.values())}"]
        if len(recorded) < recording.n_epochs:
            notes.append(
                f"{recording.n_epochs - len(recorded)} epochs touch a gap in the recording "
                "and are not scored"
            )
        if recording.duration_s < SHORT_RECORDING_S:
            notes.append("under 5 minutes of recording: YASA's staging is unreliable")
        return Hypnogram(
            identity(),
            tuple(_scored(i, by_index.get(i)) for i in range(recording.n_epochs)),
            tuple(notes),
        )


def make(model: str | None) -> YasaStager:
    """The stager; YASA's weights are in its wheel, so it takes no model."""
    if model is not None:
        raise UsageError("the stager 'yasa' takes no --model: its weights are part of YASA")
    return YasaStager()


@cache
def identity() -> StagerIdentity:
    """YASA's version and a hash over all its weight files."""
    digest = hashlib.sha256()
    with as_file(files("yasa") / "classifiers") as folder:
        for path in sorted(folder.glob("*.joblib")):
            digest.update(path.read_bytes())
    return StagerIdentity("yasa", version("yasa"), digest.hexdigest())


def _fast_enough(montage: Montage, *roles: Role) -> Channel | None:
    channels = (montage.channel(role) for role in roles)
    return next((c for c in channels if c and c.sampling_rate_hz >= MINIMUM_RATE_HZ), None)


def _at_yasa_rate(channel: Channel, epochs: list[Epoch]) -> Samples:
    """The epochs of a channel end to end at 100 Hz, in µV, shape ``(n_epochs * 3000,)``."""
    from scipy.signal import resample_poly

    samples = np.nan_to_num(channel.samples(), nan=0.0)
    if channel.sampling_rate_hz != YASA_RATE_HZ:
        ratio = Fraction(YASA_RATE_HZ / channel.sampling_rate_hz).limit_denominator(1000)
        samples = resample_poly(samples, ratio.numerator, ratio.denominator)
    per_epoch = int(EPOCH_S * YASA_RATE_HZ)
    needed = (epochs[-1].index + 1) * per_epoch
    padded = np.pad(samples, (0, max(0, needed - len(samples))))
    whole: Samples = padded[:needed].reshape(-1, per_epoch)
    return np.concatenate([whole[epoch.index] for epoch in epochs])


def _predict(kinds: list[str], samples_uv: Samples) -> list[dict[Stage, float]]:
    """Stage probabilities of each epoch from signals of shape ``(n_signals, n_samples)``."""
    import mne
    from sklearn.exceptions import InconsistentVersionWarning
    from yasa.staging import SleepStaging

    info = mne.create_info(kinds, YASA_RATE_HZ, ch_types=kinds, verbose="error")
    raw = mne.io.RawArray(samples_uv * 1e-6, info, verbose="error")
    # A flat epoch divides by its own zero variance. YASA's weights hold a label encoder of an
    # older scikit-learn, which is a list of five names and means the same in every version.
    logging.getLogger("yasa").setLevel(logging.ERROR)  # a short recording is one of our notes
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        staging = SleepStaging(
            raw,
            eeg_name="eeg",
            eog_name="eog" if "eog" in kinds else None,
            emg_name="emg" if "emg" in kinds else None,
        )
        table = staging.predict().proba
    columns = {_STAGE_OF_COLUMN[name]: table[name].to_numpy() for name in _STAGE_OF_COLUMN}
    return [
        {stage: float(values[row]) for stage, values in columns.items()}
        for row in range(len(table))
    ]


def _scored(index: int, probabilities: dict[Stage, float] | None) -> ScoredEpoch:
    if probabilities is None:
        return ScoredEpoch(index, Stage.UNSCORED)
    return ScoredEpoch(index, max(probabilities, key=probabilities.__getitem__), probabilities)
