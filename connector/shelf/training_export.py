"""What physicians signed, written out as training data for the stager."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from connector.desk.flywheel import COARSE, FINE, subject_name, training_rows, write_training_rows
from connector.desk.opened import OpenStudies
from connector.desk.review_store import ReviewStore, SignatureRow
from connector.store import Store
from connector.tables import HypnogramRow
from connector.trail import Action
from staging.stager import Progress


@dataclass(frozen=True, slots=True)
class ExportedNight:
    """A night that was written out.

    Attributes:
        study_id: the study.
        subject: its name in the training data.
        fine: epochs with their words.
        coarse: epochs without.
    """

    study_id: str
    subject: str
    fine: int
    coarse: int


def export_training(
    store: Store, folder: Path, key: bytes, progress: Progress, since: datetime | None = None
) -> Iterator[ExportedNight]:
    """Writes the decided epochs of every signed night; see :mod:`connector.desk.flywheel`.

    What an earlier export wrote of the same night is replaced, and taken away where the night
    was changed and not signed again.

    Args:
        store: holds the studies.
        folder: for ``annotations/fine`` and ``annotations/coarse``.
        key: makes the subjects' names.
        progress: told the share of nights looked at.
        since: studies named before are left out.

    Raises:
        UsageError: the folder cannot be written to.
    """
    studies = OpenStudies(store, lambda _study: None)
    reviews = ReviewStore(store.sessions)
    signed = _signed(store)
    chosen = [study for study in store.reported_studies(since) if study in signed]
    for done, study_id in enumerate(chosen, 1):
        opened = studies.open(study_id)
        if opened is not None:
            review = reviews.review(opened.hypnogram_id, opened.hypnogram.stages, opened.flagged)
            rows = tuple(training_rows(opened, review))
            subject = subject_name(study_id, key)
            write_training_rows(rows, subject, folder)
            if rows:
                tracks = Counter(row.track for row in rows)
                counts = {"fine": tracks[FINE], "coarse": tracks[COARSE]}
                store.tell(Action.TRAINING_EXPORTED, study_id, counts)
                yield ExportedNight(study_id, subject, **counts)
        progress("nights", done / len(chosen))


def export_summary(nights: Sequence[ExportedNight], folder: Path) -> str:
    """What was written, for whoever has to put the recordings beside it."""
    if not nights:
        return "No signed night has a decided epoch: nothing was written."
    lines = [
        f"{night.subject}  {night.fine:5} with words {night.coarse:5} without  "
        f"study {night.study_id}"
        for night in nights
    ]
    epochs = sum(night.fine + night.coarse for night in nights)
    return "\n".join([*lines, f"{epochs} epochs of {len(nights)} nights in {folder}/annotations"])


def _signed(store: Store) -> frozenset[str]:
    signed = select(HypnogramRow.study_id).join(
        SignatureRow, SignatureRow.hypnogram_id == HypnogramRow.id
    )
    with store.sessions() as session:
        return frozenset(session.scalars(signed))
