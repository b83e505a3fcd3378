"""Reviewed epochs as training data, in the layout of MASS-EX's annotation files.

Only what a physician decided in a signed night is given on. An epoch goes onto the fine track,
with its words, where the stage was accepted and no claim in them is contradicted; otherwise onto
the coarse track, with its stage alone and the rules that hold for it. Who the patient was is
left out: a subject's name is a keyed hash, the same for all of a hospital's exports, and the key
stays here. Words that a physician typed never leave.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.errors import UsageError, os_reason
from auditor.vocabulary import ScoredEpoch, Stage
from connector.desk.opened import OpenedStudy
from connector.desk.review import Decision, Review
from connector.documents import Json, write_text

FINE, COARSE = "fine", "coarse"

_COLUMNS = {
    FINE: ("custom_id", "Subject", "N", "Stage", "reasoning_text", "applicable_rules"),
    COARSE: ("custom_id", "Subject", "N", "Stage", "applicable_rules"),
}


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One reviewed epoch; ``reasoning`` is None on the coarse track."""

    epoch: int
    stage: Stage
    rules: tuple[str, ...]
    reasoning: str | None

    @property
    def track(self) -> str:
        return COARSE if self.reasoning is None else FINE


def training_rows(opened: OpenedStudy, review: Review) -> Iterator[TrainingRow]:
    """The epochs of a night that a physician decided; none where the night is not signed."""
    if review.signed is None or review.changed_since_signed:
        return
    for epoch, decision in sorted(review.latest.items()):
        if not decision.settles:
            continue
        audited, scored = opened.epochs[epoch], opened.hypnogram.epochs[epoch]
        yield _row(epoch, decision, audited, scored)


def subject_name(study_id: str, key: bytes) -> str:
    """A study's name for others: nobody without the key can tell whose it is."""
    return "S" + hmac.new(key, study_id.encode(), hashlib.sha256).hexdigest()[:12]


def write_training_rows(rows: Sequence[TrainingRow], subject: str, folder: Path) -> None:
    """Writes ``annotations/fine/SUBJECT.csv`` and ``annotations/coarse/SUBJECT.csv``.

    A file that was there is replaced, and is gone where there are no such rows any more.

    Raises:
        UsageError: a file cannot be written or removed.
    """
    for track, columns in _COLUMNS.items():
        chosen = [row for row in rows if row.track == track]
        path = folder / "annotations" / track / f"{subject}.csv"
        if not chosen:
            _remove(path)
            continue
        table = io.StringIO()
        writer = csv.DictWriter(table, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(_fields(row, subject) for row in chosen)
        write_text(table.getvalue(), path)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be removed ({os_reason(error)})") from None


def _row(epoch: int, decision: Decision, audited: Json, scored: ScoredEpoch) -> TrainingRow:
    words = scored.rationale.text if scored.rationale else ""
    sound = not any(claim["verdict"] == "contradicted" for claim in audited["claims"])
    cited = scored.rationale.applicable_rules if scored.rationale else ()
    accepted = decision.stage == scored.stage
    if accepted and words and sound:
        return TrainingRow(epoch, decision.stage, cited, words)
    prefix = f"{decision.stage.value}."
    holding = tuple(
        rule["id"]
        for rule in audited["rules"]
        if rule["verdict"] == "supported" and rule["id"].startswith(prefix)
    )
    return TrainingRow(epoch, decision.stage, holding, None)


def _fields(row: TrainingRow, subject: str) -> Json:
    return {
        "custom_id": f"{subject}_{row.epoch}",
        "Subject": subject,
        "N": row.epoch,
        "Stage": row.stage.value,
        "reasoning_text": row.reasoning,
        "applicable_rules": ", ".join(row.rules),
    }
