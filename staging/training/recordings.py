"""Training nights from recordings that people scored, in the layout of MASS-EX.

``annotations/fine/SUBJECT.csv`` holds epochs with rationales, ``annotations/coarse/SUBJECT.csv``
epochs with stage and rules alone; the recordings are EDF files whose names begin with the
subject's, as MASS names them ("01-01-0001 PSG.edf").
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from auditor.errors import RecordingRefused, ScoringRefused, os_reason
from auditor.rulebook import load_rulebook
from auditor.vocabulary import SCORED_STAGES, Recording
from staging.montage import choose_montage
from staging.training.nights import EpochTruth, is_whole, write_night
from staging.training.wording import reply, short_reply

TRACKS = ("fine", "coarse")
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_COLUMNS = ("N", "Stage", "applicable_rules")
_STAGES = {stage.value: stage.value for stage in SCORED_STAGES} | {"REM": "R", "Wake": "W"}

Reader = Callable[[Path], Recording]


@dataclass(frozen=True, slots=True)
class Subject:
    """A recording with its annotations.

    Attributes:
        name: as the annotations call it.
        recording: the file.
        annotations: the CSV files, fine before coarse.
    """

    name: str
    recording: Path
    annotations: tuple[Path, ...]


def subjects(annotations: Path, recordings: Path) -> Iterator[Subject]:
    """Everyone with annotations, fine or coarse, in order of name.

    Raises:
        ScoringRefused: the folder has no annotations of either track.
        RecordingRefused: someone's recording is missing, or there are two.
    """
    found: dict[str, list[Path]] = {}
    for track in TRACKS:
        for path in sorted((annotations / track).glob("*.csv")):
            found.setdefault(path.stem, []).append(path)
    if not found:
        raise ScoringRefused(
            annotations, "has no fine/SUBJECT.csv or coarse/SUBJECT.csv", "give that folder"
        )
    files = sorted(
        each for each in recordings.rglob("*") if each.suffix.lower() in (".edf", ".bdf")
    )
    for name, paths in sorted(found.items()):
        named = [each for each in files if each.stem == name or each.stem.startswith(f"{name} ")]
        if len(named) != 1:
            many = "no recording is" if not named else f"{len(named)} recordings are"
            raise RecordingRefused(
                str(recordings / f"{name}.edf"), f"{many} of this name", "leave one, or its CSV out"
            )
        yield Subject(name, named[0], tuple(paths))


def write_subject(
    subject: Subject, read: Reader, folder: Path, mains_hz: float, first_epoch: int
) -> Path:
    """Draws a subject's night, if it is not there yet as these files have it; returns where.

    Args:
        subject: who.
        read: reads a recording.
        folder: where nights are written.
        mains_hz: frequency of the notch.
        first_epoch: the number that the annotations give the recording's first epoch.

    Raises:
        ScoringRefused: the annotations do not fit the recording, or score none of its epochs.
        RecordingRefused: the recording cannot be read or drawn.
    """
    stem = folder / subject.name
    made_of = stem.with_name(f"{stem.name}.sha256")
    files = [_sha256(path) for path in (subject.recording, *subject.annotations)]
    sha256 = hashlib.sha256(repr((files, first_epoch, mains_hz)).encode()).hexdigest()
    if is_whole(stem) and made_of.exists() and made_of.read_text() == sha256:
        return stem
    recording = read(subject.recording)
    truth = [EpochTruth("?")] * recording.n_epochs
    for path in reversed(subject.annotations):
        for epoch, scored in _rows(path, first_epoch):
            if not 0 <= epoch < len(truth):
                raise ScoringRefused(
                    path,
                    f"scores epoch {epoch + first_epoch}, which the recording does not have",
                    "check that both are of one night, and --first-epoch",
                )
            truth[epoch] = scored
    if not any(each.reply for each in truth):
        raise ScoringRefused(
            subject.annotations[0], "scores no epoch", "score some, or leave it out"
        )
    made_of.unlink(missing_ok=True)  # of what was drawn before, should this be stopped
    write_night(stem, choose_montage(recording), mains_hz, truth)
    made_of.write_text(sha256)
    return stem


def _sha256(path: Path) -> str:
    """Of a file; empty for one that cannot be read, which is told when it is."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _rows(path: Path, first_epoch: int) -> Iterator[tuple[int, EpochTruth]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise ScoringRefused(
                    path, f"has no column {missing[0]}", "give a CSV as of MASS-EX"
                )
            for line, row in enumerate(table, start=2):
                yield _row(path, line, row, first_epoch)
    except OSError as error:
        raise ScoringRefused(path, f"cannot be read ({os_reason(error)})", "check it") from None
    except (UnicodeDecodeError, csv.Error):
        raise ScoringRefused(path, "is no CSV in UTF-8", "save it as that") from None


def _row(
    path: Path, line: int, row: Mapping[str, str | None], first_epoch: int
) -> tuple[int, EpochTruth]:
    stage = _STAGES.get((row["Stage"] or "").strip())
    number = (row["N"] or "").strip()
    if stage is None or not _NUMBER.fullmatch(number):
        raise ScoringRefused(path, f"line {line} has no epoch or no stage", "correct the line")
    rules = tuple(each.strip(" []'\"") for each in (row["applicable_rules"] or "").split(","))
    cited = tuple(rule for rule in rules if rule)
    if not _known_rules().issuperset(cited):
        raise ScoringRefused(
            path, f"line {line} cites a rule that the rulebook does not have", "correct the line"
        )
    reasoning = (row.get("reasoning_text") or "").strip()
    right = reply(reasoning, cited, stage) if reasoning else short_reply(cited, stage)
    return int(number) - first_epoch, EpochTruth(stage, cited, right)


@cache
def _known_rules() -> frozenset[str]:
    return frozenset(rule.id for rule in load_rulebook().rules)
