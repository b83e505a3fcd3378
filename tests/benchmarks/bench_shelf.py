"""How long the auditor's shelf takes over many nights; see the printed figures."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from auditor.vocabulary import RulebookIdentity, StagerIdentity
from connector.desk.review import Action, Meaning
from connector.desk.review_store import DecisionRow, SignatureRow
from connector.shelf.agreement_figures import agreement_figures
from connector.shelf.finding_index import FindingIndex
from connector.shelf.night_reader import NightReader
from connector.store import Store
from connector.stored import utc_now

N_NIGHTS = 400
N_EPOCHS = 960
RULES = [f"N{n}.{k}" for n in (1, 2, 3) for k in range(1, 6)]
DECIDED = 60


def _audit(rng: random.Random) -> str:
    """As large as a night's audit: 6 MB, 7 rules an epoch with 6 conditions each."""
    condition = {"id": "c", "measured": 0.2, "threshold": 0.5, "unit": "1", "reason": "r" * 40}
    verdicts = ("supported", "contradicted", "not_assessable")
    epochs = [
        {
            "epoch": i,
            "stage": "N2",
            "rules": [
                {
                    "id": rule,
                    "cited": rng.random() < 0.2,
                    "verdict": rng.choice(verdicts),
                    "conditions": [condition | {"verdict": "supported"}] * 6,
                }
                for rule in rng.sample(RULES, 7)
            ],
            "flags": [{"code": "rule-not-met", "message": "m"}] if rng.random() < 0.1 else [],
        }
        for i in range(N_EPOCHS)
    ]
    return json.dumps({"epochs": epochs})


def _took(work: Callable[[], object]) -> float:
    """Processor time, which says the same whatever else the machine does."""
    began = time.process_time()
    work()
    return time.process_time() - began


@pytest.mark.benchmark
def test_the_shelf_over_many_nights(tmp_path: Path) -> None:
    """One audit read for real; the others' rows are copies of its rows."""
    store = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    audit = _audit(random.Random(1))
    stager, rulebook = StagerIdentity("s", "1", None), RulebookIdentity("1", "0" * 64)
    for number in range(N_NIGHTS):
        store.add_study(f"s{number}", "DocumentReference/1")
        document = audit if number == N_NIGHTS - 1 else "{}"
        store.add_audit(f"s{number}", stager, "{}", b"", rulebook, document, "[]")
    index = FindingIndex(store.sessions)
    read = _took(lambda: index.catch_up(most=1))
    _copy(store)

    nights = NightReader(store.sessions)

    def agreement() -> object:
        return agreement_figures(nights.nights())

    figures = {
        "read one audit into the index": read,
        "counts of every rule": _took(index.counts),
        "the first page of a rule's findings": _took(lambda: index.findings("N2.1", 0, 100)),
        "the last page": _took(lambda: index.findings("N2.1", 80_000, 100)),
        "findings over time": _took(lambda: index.over_time("N2.1")),
        "agreement, when first asked for": _took(agreement),
        "agreement": _took(agreement),
    }
    print(
        f"\n{N_NIGHTS} nights of {N_EPOCHS} epochs, "
        f"{len(audit) / 1e6:.1f} MB an audit; processor time"
    )
    for name, seconds in figures.items():
        print(f"{name:40} {seconds * 1000:8.1f} ms  {seconds / read:6.2f} of reading one audit")
    store.close()


def _copy(store: Store) -> None:
    """Gives every night the findings of the last, sixty decisions and a signature."""
    with store.sessions.begin() as session:
        for table, columns in {
            "read_audits": "stages",
            "rule_findings": "rule, cited, verdict, n, epochs",
            "flag_findings": "code, epochs",
        }.items():
            session.execute(
                text(
                    f"INSERT INTO {table} (audit_id, {columns}) SELECT audits.id, {columns} "
                    f"FROM audits, {table} WHERE audits.id <> audit_id"
                )
            )
        session.add_all(
            DecisionRow(
                hypnogram_id=night,
                epoch=epoch,
                follows=0,
                action=Action.ACCEPT.value,
                scored="N2",
                stage="N2",
                comment="",
                reviewer="A",
                role="physician",
                proposed=False,
                at=utc_now(),
            )
            for night in range(1, N_NIGHTS + 1)
            for epoch in range(DECIDED)
        )
        session.add_all(
            SignatureRow(
                hypnogram_id=night,
                number=1,
                signer="A",
                meaning=Meaning.AUTHORSHIP.value,
                content_sha256="0" * 64,
                last_decision=night * DECIDED,
                stages=json.dumps(["N2"] * N_EPOCHS),
                changed="[]",
                at=utc_now(),
                written=True,
                problem="",
            )
            for night in range(1, N_NIGHTS + 1)
        )
