"""A short real night for the desk: simulated, written as EDF, audited; most of it is flagged."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from auditor.engine import audit as audit_scoring
from auditor.evidence import measure
from auditor.rulebook import load_rulebook
from auditor.vocabulary import Evidence, Hypnogram, RulebookIdentity, StagerIdentity
from connector.app import create_app, serve
from connector.desk.mount import Desk
from connector.desk.opened import OpenStudies
from connector.desk.review_store import ReviewStore
from connector.documents import audit_json
from connector.figures import sleep_figures
from connector.kept import keep_evidence, keep_hypnogram
from connector.pipeline import read_montage
from connector.store import Store
from staging.phantom import simulate, write_edf
from staging.phantom_plan import PhantomSettings
from staging.phantom_rationales import plant_false

SEED = 20260101
HOURS = 0.65
FALSE_SHARE = 0.9
"""Of the rationales: with 78 epochs, more than sixty of them are flagged."""


@dataclass(frozen=True)
class DeskNight:
    """An audited night as the store takes it; attributes as of Store.add_audit."""

    recording: Path
    stager: StagerIdentity
    hypnogram: str
    evidence: bytes
    rulebook: RulebookIdentity
    document: str
    flagged: tuple[int, ...]


def desk_night(folder: Path, hours: float = HOURS, false_share: float = FALSE_SHARE) -> DeskNight:
    """Simulates, scores with rationales that are mostly false, measures and audits."""
    phantom = simulate(SEED, PhantomSettings(hours=hours))
    hypnogram, _ = plant_false(phantom, false_share, SEED)
    recording = folder / "night.edf"
    write_edf(phantom, recording)
    evidence = measure(read_montage(recording, _unheard), _unheard)
    return audited(recording, hypnogram, evidence)


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
    )


def _unheard(_work: str, _share: float) -> None:
    pass


def add_night(
    store: Store, study_id: str, night: DeskNight, patient: str | None = "Patient/1"
) -> None:
    """Puts the night into the store as a study that is reported and waits for review."""
    store.add_study(study_id, f"DocumentReference/{study_id}")
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
        "[]",
        run,
        len(night.flagged),
    )
    store.reported(study_id, "DiagnosticReport/9")


@contextmanager
def desk_service(
    store: Store, recording: Path | None, signed: Callable[[], None] = lambda: None
) -> Iterator[str]:
    """The service with its desk on loopback; gives its address."""
    studies = OpenStudies(store, lambda _study: recording)
    desk = Desk(store, studies, ReviewStore(store.sessions), signed, local_login=True)
    with serve(create_app(desk, lambda _hint: None, "a-secret"), "127.0.0.1", 0) as address:
        yield address
