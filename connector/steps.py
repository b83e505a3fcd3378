"""The work of a study's steps, on a real EHR; the workflow says when each is done."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pydantic import TypeAdapter

from connector import codes, pipeline, study, trail, trigger
from connector.audit_events import AuditEventWriter
from connector.documents import Json, audit_json
from connector.exchange import EhrWatch, Exchange
from connector.fhir import FhirClient
from connector.kept import keep_evidence, keep_hypnogram
from connector.report import REPORT, Entry, build_report
from connector.store import Store
from connector.stored import Clock, Run
from connector.trail import Action, AnchorFile
from connector.workflow import NamedStudy
from connector.write_back import write_failure, write_report
from staging.montage import ChannelNames
from staging.stager import Progress, Stager

_REPORT: TypeAdapter[tuple[Entry, ...]] = TypeAdapter(tuple[Entry, ...])


class EhrSteps:
    """Steps that find studies in an EHR and report back to it.

    Args:
        client: of the EHR; with the hooks of ``watch``.
        store: where hypnograms and audits go.
        stager: who scores.
        folder: for recordings; each study has a folder in it until it is reported.
        clock: the time of reports.
        names: a hospital's own channel names.
        watch: fences what goes to the EHR, and tells of it.
        anchors: where the trail's head is noted with each report.
        audit_events: whether the EHR is told of each read and write.
    """

    def __init__(
        self,
        client: FhirClient,
        store: Store,
        stager: Stager,
        folder: Path,
        clock: Clock,
        names: ChannelNames | None = None,
        *,
        watch: EhrWatch,
        anchors: AnchorFile,
        audit_events: bool = True,
    ) -> None:
        self._client = client
        self._store = store
        self._stager = stager
        self._folder = folder
        self._clock = clock
        self._names = names
        self._watch = watch
        self._anchors = anchors
        self._events = AuditEventWriter(client, store) if audit_events else None

    def find(self, hint: str | None) -> list[NamedStudy]:
        return trigger.find_studies(self._client, hint, self._clock())

    def pull(self, run: Run) -> Json:
        return self._pulled(run).document()

    def _pulled(self, run: Run) -> study.Study:
        with self._telling_ehr(run):
            pulled = study.pull(self._client, run.source, self._folder / run.study_id)
        self._store.note_patient(run, pulled.order.patient)
        content = {"recording": {"sha256": _file_sha256(pulled.recording)}}
        self._store.tell(Action.PULLED, run.study_id, content, run.worker)
        return pulled

    def score(self, run: Run, study_document: Json, progress: Progress) -> None:
        # Audit and report are stored in one transaction: if one is there, all is done.
        if self._store.audit(run.study_id) is not None:
            return
        pulled = study.Study.of_document(study_document)
        if not pulled.recording.exists():  # another machine's worker has it
            pulled = self._pulled(run)
        audited = pipeline.score(pulled.recording, self._stager, progress, self._names)
        start = audited.evidence.start
        entries = build_report(
            pulled.order,
            audited.hypnogram,
            audited.audit,
            audited.figures,
            self._clock(),
            start.date() if start else None,
        )
        document = audit_json(audited.audit, audited.evidence, audited.figures.document())
        self._store.add_audit(
            run.study_id,
            audited.hypnogram.stager,
            keep_hypnogram(audited.hypnogram),
            keep_evidence(audited.evidence),
            audited.audit.rulebook,
            _json(document),
            _REPORT.dump_json(entries).decode(),
            run,
            len(audited.audit.flagged),
        )

    def report(self, run: Run) -> str:
        audit = self._store.audit(run.study_id)
        if audit is None:
            raise LookupError(f"study {run.study_id} is to be reported and was never audited")
        head = self._store.trail_head()
        if head is None:
            raise LookupError(f"study {run.study_id} is to be reported and is in no trail")
        self._anchors.note(head.seq, head.hash)
        entries = tuple(_anchored(entry, head) for entry in _REPORT.validate_json(audit.report))
        with self._telling_ehr(run, _patient_of(entries)):
            return write_report(self._client, entries)[REPORT]

    def refuse(self, run: Run, reason: str) -> None:
        audit = self._store.audit(run.study_id)
        entries = _REPORT.validate_json(audit.report) if audit else ()
        with self._telling_ehr(run, _patient_of(entries)):
            write_failure(self._client, run.study_id, run.source, reason, self._clock(), entries)

    def purge(self, kept: timedelta) -> None:
        """Deletes what is left here of recordings whose study has ended.

        Args:
            kept: how long they stay, so that a reviewer sees the signal.
        """
        ended = self._store.ended_before(self._clock() - kept)
        for study_id in ended:
            folder = self._folder / study_id
            if folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)
                self._store.tell(Action.PURGED, study_id, {})

    @contextmanager
    def _telling_ehr(self, run: Run, patient: str | None = None) -> Iterator[None]:
        """Whatever is asked of the EHR meanwhile is for this run, and the EHR is told of it at
        the end, however that comes.

        Args:
            patient: whose data it is; None where that shows on the way.
        """
        exchanges: list[Exchange] = []
        try:
            with self._watch.step(run) as exchanges:
                yield
        finally:
            if self._events is not None:
                with self._watch.step(run):  # a run that is over tells nothing more
                    self._events.write(
                        run.study_id, exchanges, patient or _patient_among(exchanges)
                    )


def _anchored(entry: Entry, head: trail.Entry) -> Entry:
    """The Provenance with the trail's head, so that the EHR can tell if the trail is rewritten."""
    if entry.role != "provenance":
        return entry
    value = f"trail:{head.seq}:{head.hash}"
    source = {
        "role": "source",
        "what": {"identifier": {"system": codes.IDENTIFIERS, "value": value}},
    }
    entity = [*entry.resource["entity"], source]
    return replace(entry, resource={**entry.resource, "entity": entity})


def _patient_of(entries: tuple[Entry, ...]) -> str | None:
    found = (entry.resource["subject"]["reference"] for entry in entries if entry.role == REPORT)
    return next(found, None)


def _patient_among(exchanges: Iterable[Exchange]) -> str | None:
    named = (each.references[0] for each in exchanges if each.succeeded)
    return next((reference for reference in named if reference.startswith("Patient/")), None)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False)
