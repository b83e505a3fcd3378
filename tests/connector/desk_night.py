"""A short real night for the desk: simulated, written as EDF, audited; most of it is flagged."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from auditor.engine import audit as audit_scoring
from auditor.evidence import measure
from auditor.rulebook import load_rulebook
from auditor.vocabulary import (
    SCORED_STAGES,
    Audit,
    Evidence,
    Hypnogram,
    RulebookIdentity,
    ScoredEpoch,
    StagerIdentity,
)
from connector.app import create_app, serve
from connector.desk.opened import OpenStudies
from connector.desk.outbox import Outbox
from connector.desk.review_store import ReviewStore
from connector.documents import audit_json
from connector.fhir import FhirClient
from connector.figures import sleep_figures
from connector.kept import keep_evidence, keep_hypnogram
from connector.mount import Desk
from connector.pipeline import read_montage
from connector.report import REPORT, Entry, build_report
from connector.store import Store
from connector.stored import utc_now
from connector.study import StudyOrder
from connector.write_back import write_report
from staging.phantom import simulate, write_edf
from staging.phantom_plan import PhantomSettings
from staging.phantom_rationales import plant_false

SEED = 20260101
HOURS = 0.65
FALSE_SHARE = 0.9
"""Of the rationales: with 78 epochs, more than sixty of them are flagged."""


@dataclass(frozen=True)
class DeskNight:
    """An audited night as the store takes it.

    Attributes:
        recording, stager, hypnogram, evidence, rulebook, document: as of Store.add_audit.
        flagged: in review order.
        scoring, audit: what was written down in them.
    """

    recording: Path
    stager: StagerIdentity
    hypnogram: str
    evidence: bytes
    rulebook: RulebookIdentity
    document: str
    flagged: tuple[int, ...]
    scoring: Hypnogram
    audit: Audit


def desk_night(folder: Path, hours: float = HOURS, false_share: float = FALSE_SHARE) -> DeskNight:
    """Simulates, scores with rationales that are mostly false, measures and audits."""
    phantom = simulate(SEED, PhantomSettings(hours=hours))
    hypnogram, _ = plant_false(phantom, false_share, SEED)
    hypnogram = replace(hypnogram, epochs=tuple(map(_unsure, hypnogram.epochs)))
    recording = folder / "night.edf"
    write_edf(phantom, recording)
    evidence = measure(read_montage(recording, _unheard), _unheard)
    return audited(recording, hypnogram, evidence)


def _unsure(epoch: ScoredEpoch) -> ScoredEpoch:
    """The epoch with a probability of each stage, that of its own the highest."""
    left = np.random.default_rng([SEED, epoch.index]).dirichlet(np.full(5, 0.7)) * 0.45
    given = dict(zip(SCORED_STAGES, map(float, left), strict=True))
    return replace(epoch, probabilities=given | {epoch.stage: given[epoch.stage] + 0.55})


def audited(recording: Path, hypnogram: Hypnogram, evidence: Evidence) -> DeskNight:
    """A scoring with what was measured, audited."""
    audit = audit_scoring(hypnogram, evidence, load_rulebook())
    document = audit_json(audit, evidence, sleep_figures(hypnogram).document())
    return DeskNight(
        recording,
        hypnogram.stager,
        keep_hypnogram(hypnogram),
        keep_evidence(evidence),
        audit.rulebook,
        json.dumps(document),
        tuple(document["summary"]["review_order"]),
        hypnogram,
        audit,
    )


def _unheard(_work: str, _share: float) -> None:
    pass


def add_night(
    store: Store,
    study_id: str,
    night: DeskNight,
    patient: str | None = "Patient/1",
    source: str = "DocumentReference/1",
    entries: str = "[]",
    report: str = "DiagnosticReport/9",
) -> None:
    """Puts the night into the store as a study that is reported and waits for review."""
    store.add_study(study_id, source)
    worker = f"worker of {study_id}"
    store.add_worker(worker, "here", "1")
    run = store.begin(study_id, 1, worker)
    if patient is not None:
        store.note_patient(run, patient)
    store.add_audit(
        study_id,
        night.stager,
        night.hypnogram,
        night.evidence,
        night.rulebook,
        night.document,
        entries,
        run,
        len(night.flagged),
    )
    store.reported(study_id, report)


def report_night(store: Store, fhir: FhirClient, order: StudyOrder, night: DeskNight) -> None:
    """Writes the night's preliminary report to the EHR, as a worker does, and keeps both."""
    figures = sleep_figures(night.scoring)
    entries = build_report(order, night.scoring, night.audit, figures, utc_now())
    written = write_report(fhir, entries)
    kept = TypeAdapter(tuple[Entry, ...]).dump_json(entries).decode()
    add_night(store, order.id, night, order.patient, order.document, kept, written[REPORT])


def hidden_fields(page: str) -> dict[str, str]:
    """What a page's form sends without being asked: who it is for, and what it shows."""
    return dict(re.findall('type="hidden" name="([^"]+)" value="([^"]*)"', page))


def _nobody() -> None:
    pass


@contextmanager
def desk_service(
    store: Store, recording: Path | None, ehr: FhirClient | None = None
) -> Iterator[str]:
    """The service with its desk on loopback; gives its address.

    Args:
        store: holds the studies.
        recording: of every study.
        ehr: where signed reports go; None where they stay here.
    """
    studies, reviews = OpenStudies(store, lambda _study: recording), ReviewStore(store.sessions)
    with ExitStack() as stack:
        signed = _nobody
        if ehr is not None:
            outbox = Outbox(store, reviews, studies, ehr, lambda *_: None)
            signed = stack.enter_context(outbox).wake
        desk = Desk(store, studies, reviews, signed, local_login=True)
        app = create_app(desk, lambda _hint: None, "a-secret")
        yield stack.enter_context(serve(app, "127.0.0.1", 0))
