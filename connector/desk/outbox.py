"""Signatures on their way into the EHR.

A signature is in the database before the EHR hears of it. What the EHR does not have yet is
written at once, and looked for again and again until it is there: after a restart, after an EHR
that was away. Whatever is written twice is the same, so that several processes may do this.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from pydantic import TypeAdapter

from auditor.errors import ServerFailed
from connector.desk.opened import OpenedStudy, OpenStudies
from connector.desk.report_document import report_html, report_pdf
from connector.desk.review import Review, Signature
from connector.desk.review_store import ReviewStore
from connector.desk.signed_report import ReportChanged, SignedNight, write_signed
from connector.desk.study_view import reviewed_figures
from connector.fhir import FhirClient, FhirError
from connector.figures import SleepFigures
from connector.report import Entry
from connector.store import Store
from connector.threads import running
from connector.wording import recording_start

_LOOK_EACH_S = 30.0
_NO_DOCUMENT = (
    "the EHR has the signed stages and values and did not keep the PDF; hand out the PDF of this "
    "page, and let the EHR's administrator allow documents in a report (presentedForm)"
)
_REPORT: TypeAdapter[tuple[Entry, ...]] = TypeAdapter(tuple[Entry, ...])

log = logging.getLogger("somnoaudit")


class Outbox:
    """Writes signatures to the EHR on a thread of its own, while its context lasts.

    Args:
        store: where audits are kept, with the reports that were written of them.
        reviews: where signatures are kept.
        studies: opens the nights that were signed.
        client: of the EHR.
        written: told of each signature that the EHR has now, by study and number.
    """

    def __init__(
        self,
        store: Store,
        reviews: ReviewStore,
        studies: OpenStudies,
        client: FhirClient,
        written: Callable[[str, Signature], None],
    ) -> None:
        self._store = store
        self._reviews = reviews
        self._studies = studies
        self._client = client
        self._written = written
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = running("outbox", self._run, self._stop)

    def __enter__(self) -> Self:
        self._thread.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.__exit__(None, None, None)

    def wake(self) -> None:
        """Says that there is a new signature."""
        self._wake.set()

    def write_all(self) -> None:
        """Writes each signature that the EHR lacks; those that fail are tried again later.

        An amendment waits for the signature before it, and for what keeps that back.
        """
        kept_back: dict[int, str] = {}
        for study_id, hypnogram_id, number in self._reviews.unwritten():
            if self._stop.is_set():
                return
            if hypnogram_id not in kept_back:
                try:
                    self._write(study_id, hypnogram_id, number)
                    continue
                except (FhirError, ReportChanged, ServerFailed) as problem:
                    log.warning("study %s: signature %d is not in the EHR yet", study_id, number)
                    kept_back[hypnogram_id] = str(problem).rstrip(".")
            self._reviews.note_problem(hypnogram_id, number, kept_back[hypnogram_id])

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            self.write_all()
            self._wake.wait(_LOOK_EACH_S)

    def _write(self, study_id: str, hypnogram_id: int, number: int) -> None:
        opened = self._studies.open(study_id)
        report = self._store.written_report(study_id)
        if opened is None or report is None or opened.hypnogram_id != hypnogram_id:
            raise ReportChanged("the night was scored again after it was signed; sign it again")
        review = self._reviews.review(hypnogram_id, opened.hypnogram.stages, opened.flagged)
        signature = review.signatures[number - 1]
        as_signed = review.as_signed(number)
        entries = _REPORT.validate_json(report)
        kept = write_signed(self._client, entries, _signed_night(opened, as_signed, signature))
        lacks = "" if kept else _NO_DOCUMENT
        if lacks:
            log.warning("study %s, signature %d: %s", study_id, number, lacks)
        self._reviews.note_written(hypnogram_id, number, lacks)
        self._written(study_id, replace(signature, written=True, problem=lacks))


def _signed_night(opened: OpenedStudy, review: Review, signature: Signature) -> SignedNight:
    figures = reviewed_figures(opened, review)
    start = recording_start(opened.audit)
    return SignedNight(
        signature=signature,
        hypnogram=review.reviewed(opened.hypnogram),
        figures=figures,
        conclusion=_conclusion(figures, review, signature),
        pdf=report_pdf(opened, review),
        html=report_html(opened, review, alone=True).encode(),
        recorded_on=start.date() if start else None,
    )


def _conclusion(figures: SleepFigures, review: Review, signature: Signature) -> str:
    signed = (
        f"AI-generated sleep staging, {signature.meaning.value} by {signature.signer}; "
        f"{len(review.overridden)} of {len(review.scored)} epochs were given another stage."
    )
    if figures.total_sleep_minutes is None or figures.sleep_efficiency is None:
        return f"{signed} No epoch is scored."
    return (
        f"{signed} Total sleep time {figures.total_sleep_minutes:.1f} min of "
        f"{figures.time_in_bed_minutes:.1f} min in bed, efficiency {figures.sleep_efficiency:.1%}."
    )
