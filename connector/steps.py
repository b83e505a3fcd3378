"""The work of a study's steps, on a real EHR; the workflow says when each is done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pydantic import TypeAdapter

from connector import pipeline, study, trigger
from connector.documents import Json, audit_json
from connector.fhir import FhirClient
from connector.kept import keep_evidence, keep_hypnogram
from connector.report import REPORT, Entry, build_report
from connector.store import Clock, Store
from connector.workflow import NamedStudy
from connector.write_back import write_report
from staging.montage import ChannelNames
from staging.stager import Progress, Stager

_REPORT: TypeAdapter[tuple[Entry, ...]] = TypeAdapter(tuple[Entry, ...])


class EhrSteps:
    """Steps that find studies in an EHR and report back to it.

    Args:
        client: of the EHR.
        store: where hypnograms and audits go.
        stager: who scores.
        folder: for recordings; each study has a folder in it until it is reported.
        clock: the time of reports.
        names: a hospital's own channel names.
    """

    def __init__(
        self,
        client: FhirClient,
        store: Store,
        stager: Stager,
        folder: Path,
        clock: Clock,
        names: ChannelNames | None = None,
    ) -> None:
        self._client = client
        self._store = store
        self._stager = stager
        self._folder = folder
        self._clock = clock
        self._names = names

    def find(self, hint: str | None) -> list[NamedStudy]:
        return trigger.find_studies(self._client, hint, self._clock())

    def pull(self, study_id: str, source: str) -> Json:
        return study.pull(self._client, source, self._folder / study_id).document()

    def score(self, study_id: str, study_document: Json, progress: Progress) -> None:
        # Audit and report are stored in one transaction: if one is there, all is done.
        if self._store.audit(study_id) is not None:
            return
        pulled = study.Study.of_document(study_document)
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
            study_id,
            audited.hypnogram.stager,
            keep_hypnogram(audited.hypnogram),
            keep_evidence(audited.evidence),
            audited.audit.rulebook,
            _json(document),
            _REPORT.dump_json(entries).decode(),
        )

    def report(self, study_id: str) -> str:
        audit = self._store.audit(study_id)
        if audit is None:
            raise LookupError(f"study {study_id} is to be reported and was never audited")
        entries = _REPORT.validate_json(audit.report)
        report = write_report(self._client, entries)[REPORT]
        # The EHR has the recording; a second copy of a patient's night is a risk without a use.
        shutil.rmtree(self._folder / study_id, ignore_errors=True)
        return report


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False)
