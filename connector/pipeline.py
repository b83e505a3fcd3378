"""One recording from file to audit, without an EHR: the middle of the way of a study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auditor.engine import audit as audit_scoring
from auditor.errors import RecordingRefused
from auditor.evidence import measure
from auditor.rulebook import load_rulebook
from auditor.vocabulary import Audit, Evidence, Hypnogram, Montage
from connector.edf import read_recording
from connector.figures import SleepFigures, lights_off_to_on, sleep_figures
from staging.montage import ChannelNames, choose_montage
from staging.stager import Progress, Stager


@dataclass(frozen=True, slots=True)
class AuditedStudy:
    """What a recording became.

    Attributes:
        hypnogram: as scored.
        evidence: as measured, whoever scored it.
        audit: what holds of the one against the other.
        figures: the night's sleep figures by that hypnogram.
    """

    hypnogram: Hypnogram
    evidence: Evidence
    audit: Audit
    figures: SleepFigures


def score(
    path: Path, stager: Stager, progress: Progress, names: ChannelNames | None = None
) -> AuditedStudy:
    """Stages a recording and audits the result.

    Raises:
        RecordingRefused: the recording cannot be read or staged.
    """
    montage = read_montage(path, progress, names)
    hypnogram = stager.stage(montage, progress)
    evidence = measure(montage, progress)
    progress("audit", 0.0)
    audit = audit_scoring(hypnogram, evidence, load_rulebook())
    progress("audit", 1.0)
    figures = sleep_figures(hypnogram, lights_off_to_on(montage.recording))
    return AuditedStudy(hypnogram, evidence, audit, figures)


def read_montage(path: Path, progress: Progress, names: ChannelNames | None = None) -> Montage:
    """A recording with its channels in their roles.

    Raises:
        RecordingRefused: the recording cannot be read, or is shorter than an epoch.
    """
    progress("read", 0.0)
    recording = read_recording(path)
    if not recording.n_epochs:
        raise RecordingRefused(path, "is shorter than an epoch", "give a recording of 30 s or more")
    montage = choose_montage(recording, names or ChannelNames())
    progress("read", 1.0)
    return montage
