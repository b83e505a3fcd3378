"""Kept studies audited again by a changed rulebook, on a real store: what changed, and why."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text

from auditor.engine import audit
from auditor.rule_cases import CaseEpoch, CaseEvent, case_evidence
from auditor.rulebook import Rulebook, load_rulebook
from auditor.vocabulary import Hypnogram, Phenomenon, Rationale, ScoredEpoch, Stage, StagerIdentity
from connector import reaudit as module
from connector.audit_changes import Change
from connector.cli import main
from connector.documents import audit_json
from connector.exchange import EhrWatch
from connector.fhir import FhirClient
from connector.figures import sleep_figures
from connector.kept import keep_evidence, keep_hypnogram
from connector.reaudit import Outcome, Reaudited, reaudit_json, reaudit_summary
from connector.scored import ScoredStager, Scoring
from connector.steps import EhrSteps
from connector.store import Store
from connector.study import Study, StudyOrder
from connector.tables import State
from connector.trail import AnchorFile
from staging.phantom import PhantomSettings, simulate, write_edf

NAMED = datetime(2026, 1, 2, 7, tzinfo=UTC)
STAGER = StagerIdentity("by hand", "1")


@dataclass(frozen=True)
class Scored:
    """One epoch of the night: what was scored by which rule, and what was measured.

    Attributes:
        slow_waves: share of the epoch that they fill.
        spindle: probability of the only candidate, in the first half; 0 for none.
    """

    stage: Stage
    rule: str
    slow_waves: float
    spindle: float = 0.95


NIGHT = (
    Scored(Stage.N2, "N2.1", 0.05),
    Scored(Stage.N3, "N3.1", 0.25),  # just enough
    Scored(Stage.N3, "N3.1", 0.60),
    Scored(Stage.N2, "N2.1", 0.25),  # just too much
    Scored(Stage.N3, "N3.1", 0.05),  # too little, by any threshold that is tried here
    Scored(Stage.N2, "N2.3", 0.05, spindle=0.0),
    Scored(Stage.W, "W.1", 0.0),
    Scored(Stage.N2, "N2.1", 0.05, spindle=0.02),  # hardly a candidate
)
AFTER_N3, HARDLY = 5, 7


def silent(_work: str, _share: float) -> None:
    """Tells nobody."""


def reaudit(store: Store, rulebook: Rulebook, since: datetime | None = None) -> list[Reaudited]:
    return list(module.reaudit(store, rulebook, silent, since))


def keep(store: Store, study_id: str, rulebook: Rulebook) -> None:
    """Keeps the night above as a study that was scored, audited and reported."""
    epochs = [
        CaseEpoch(
            measures={"slow_wave_fraction": each.slow_waves},
            events=[CaseEvent(kind=Phenomenon.SLEEP_SPINDLE, at_s=(5, 6), probability=each.spindle)]
            if each.spindle
            else [],
        )
        for each in NIGHT
    ]
    evidence = case_evidence(epochs, rulebook)
    hypnogram = Hypnogram(
        STAGER,
        tuple(
            ScoredEpoch(i, each.stage, {each.stage: 1.0}, Rationale("", (each.rule,)))
            for i, each in enumerate(NIGHT)
        ),
        ("scored by hand",),
    )
    audited = audit(hypnogram, evidence, rulebook)
    document = audit_json(audited, evidence, sleep_figures(hypnogram).document())
    store.add_study(study_id, "DocumentReference/1")
    store.add_audit(
        study_id,
        STAGER,
        keep_hypnogram(hypnogram),
        keep_evidence(evidence),
        rulebook.identity,
        json.dumps(document),
        '["what was reported"]',
    )
    store.reported(study_id, "DiagnosticReport/7")


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    return load_rulebook()


@pytest.fixture
def store(rulebook: Rulebook, tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}", clock=lambda: NAMED)
    keep(opened, "s1", rulebook)
    yield opened
    opened.close()


Edit = Callable[[str, Callable[[Any], None]], Rulebook]


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Edit:
    """The rulebook with a change to the content of one of its files."""

    def edit(file: str, change: Callable[[Any], None]) -> Rulebook:
        folder = tmp_path_factory.mktemp("rulebook") / "rules"
        with as_file(files("rules")) as ours:
            shutil.copytree(ours, folder)
        content = yaml.safe_load((folder / file).read_text(encoding="utf-8"))
        change(content)
        (folder / file).write_text(yaml.safe_dump(content), encoding="utf-8")
        return load_rulebook(folder)

    return edit


def asking_for(share: float) -> Callable[[Any], None]:
    """N3 with another share of slow waves asked for."""

    def change(rule: Any) -> None:
        (leaf,) = rule["holds_when"]["all"]
        leaf["params"]["minimum_share"]["value"] = share

    return change


@pytest.fixture(scope="module")
def stricter(edited: Edit) -> Rulebook:
    """N3 asks for slow waves in 30 % of the epoch."""
    return edited("N3/N3.1.yaml", asking_for(0.3))


# ── whether there is anything to do ───────────────────────────────────────────────────────


def test_by_the_same_rulebook_there_is_nothing_to_do(store: Store, rulebook: Rulebook) -> None:
    before = store.audited_study("s1")
    (study,) = reaudit(store, rulebook)
    after = store.audited_study("s1")
    assert study.outcome is Outcome.CURRENT
    assert before is not None
    assert after is not None
    assert after.audit.id == before.audit.id
    summary = reaudit_summary([study], rulebook.identity, store.address)
    assert "audited by this rulebook already; nothing to do" in summary


def test_a_rulebook_that_only_reads_otherwise_changes_nothing(store: Store, edited: Edit) -> None:
    reworded = edited("N3/N3.1.yaml", lambda rule: rule.update(title="In other words"))
    (study,) = reaudit(store, reworded)
    assert (study.outcome, study.epochs) == (Outcome.SAME, ())
    (again,) = reaudit(store, reworded)
    assert again.outcome is Outcome.CURRENT


def test_studies_in_work_or_failed_are_left_alone(store: Store, stricter: Rulebook) -> None:
    store.fail("s1", "The EHR does not take the report.")
    assert reaudit(store, stricter) == []


def test_studies_named_before_a_day_are_left_out(store: Store, stricter: Rulebook) -> None:
    assert reaudit(store, stricter, NAMED + timedelta(days=1)) == []
    assert len(reaudit(store, stricter, NAMED)) == 1


def test_a_study_without_kept_evidence_is_named_and_left_alone(
    store: Store, stricter: Rulebook
) -> None:
    with store.sessions.begin() as session:
        session.execute(text("UPDATE audits SET evidence_id = NULL"))
    (study,) = reaudit(store, stricter)
    assert study.outcome is Outcome.NOT_KEPT
    summary = reaudit_summary([study], stricter.identity, store.address)
    assert "no evidence was kept with its audit" in summary


# ── what changed, and why ─────────────────────────────────────────────────────────────────


def test_a_raised_threshold_is_named_as_the_reason(
    store: Store, rulebook: Rulebook, stricter: Rulebook
) -> None:
    (study,) = reaudit(store, stricter)
    assert study.outcome is Outcome.CHANGED
    assert study.rulebook == Change(rulebook.identity, stricter.identity)
    assert [epoch.index for epoch in study.epochs] == [1, 3]
    epoch = study.epochs[0]
    assert (epoch.stage, epoch.permitted) == ("N3", Change(("N3",), ("N2",)))
    assert [flag["code"] for flag in epoch.added] == ["stage-not-permitted", "rule-not-met"]
    assert epoch.removed == ()
    cause = epoch.rules[0]
    assert (cause.id, cause.verdict) == ("N3.1", Change("supported", "contradicted"))
    (condition,) = cause.conditions
    assert condition.measured == Change(0.25, 0.25)
    assert condition.threshold == Change(0.2, 0.3)


def test_a_flag_that_is_not_raised_any_more_has_its_reason_too(
    store: Store, stricter: Rulebook
) -> None:
    (study,) = reaudit(store, stricter)
    epoch = study.epochs[1]
    assert (epoch.stage, epoch.permitted) == ("N2", Change(("N3",), ("N2",)))
    assert epoch.added == ()
    assert "other-stage-required" in [flag["code"] for flag in epoch.removed]
    # Today's audit does not list N3.1, which was not cited and does not hold.
    assert epoch.rules[0].id == "N3.1"
    assert epoch.rules[0].conditions[0].threshold == Change(0.2, 0.3)
    # The earlier one lists N2.1 as not met; that follows from N3.1.
    n2 = next(rule for rule in epoch.rules if rule.id == "N2.1")
    assert n2.verdict == Change("contradicted", "supported")
    assert [condition.of_rule for condition in n2.conditions] == ["N3.1"]


def test_another_number_in_a_flag_is_no_other_flag(store: Store, stricter: Rulebook) -> None:
    # Epoch 4 is flagged before and after, by what is needed for N3: a share of 0.2, and of 0.3.
    before = store.audited_study("s1")
    (study,) = reaudit(store, stricter)
    after = store.audited_study("s1")
    assert before is not None
    assert after is not None
    flags = [json.loads(each.audit.document)["epochs"][4]["flags"] for each in (before, after)]
    assert flags[0]
    assert flags[0] != flags[1]
    assert 4 not in [epoch.index for epoch in study.epochs]


def test_back_to_the_first_rulebook_everything_is_as_it_was(
    store: Store, rulebook: Rulebook, stricter: Rulebook
) -> None:
    first = store.audited_study("s1")
    (there,) = reaudit(store, stricter)
    (back,) = reaudit(store, rulebook)
    for one, other in zip(there.epochs, back.epochs, strict=True):
        assert (one.added, one.removed) == (other.removed, other.added)
        assert one.permitted == Change(other.permitted.after, other.permitted.before)
    last = store.audited_study("s1")
    assert first is not None
    assert last is not None
    before, after = json.loads(first.audit.document), json.loads(last.audit.document)
    assert after["epochs"] == before["epochs"]
    assert after["summary"]["sleep"] == before["summary"]["sleep"]
    assert after["summary"]["notes"] == ["scored by hand", module.NOTE]


def test_a_claim_that_comes_out_otherwise_is_named(store: Store, edited: Edit) -> None:
    lenient = edited(
        "detection.yaml", lambda thresholds: thresholds["sleep_spindle"].update(clearly_not=0.01)
    )
    (study,) = reaudit(store, lenient)
    (epoch,) = study.epochs
    assert epoch.index == HARDLY
    assert "claim-contradicted" in [flag["code"] for flag in epoch.removed]
    (claim,) = epoch.claims
    assert claim.said == "sleep spindle present, as the stage implies"
    assert claim.verdict == Change("contradicted", "not_assessable")
    assert ("N2.1", Change("contradicted", "not_assessable")) in [
        (rule.id, rule.verdict) for rule in epoch.rules
    ]


def test_a_change_of_weights_alone_is_not_laid_to_rules_or_claims(
    store: Store, edited: Edit
) -> None:
    trifling = edited(
        "triage.yaml", lambda triage: triage["flags"]["rule-not-met"].update(severity="low")
    )
    (study,) = reaudit(store, trifling)
    assert study.epochs
    for epoch in study.epochs:
        assert {flag["code"] for flag in epoch.removed} == {"rule-not-met"}
        assert [flag["severity"] for flag in epoch.added] == ["low"] * len(epoch.removed)
        assert (epoch.rules, epoch.claims) == ((), ())
    summary = reaudit_summary([study], trifling.identity, store.address)
    assert "no rule and no claim came out otherwise here" in summary


def test_a_rule_that_the_rulebook_has_no_more_is_named(store: Store, edited: Edit) -> None:
    without = edited("rulebook.yaml", lambda book: book["rules"].remove("N2.3"))
    (study,) = reaudit(store, without)
    (epoch,) = study.epochs
    assert (epoch.index, epoch.permitted.before) == (AFTER_N3, ("N2",))
    assert [(rule.id, rule.verdict) for rule in epoch.rules] == [
        ("N2.3", Change("supported", None))
    ]
    summary = reaudit_summary([study], without.identity, store.address)
    assert "because rule N2.3 is supported → no rule" in summary


# ── what stays, and what is told ──────────────────────────────────────────────────────────


def test_earlier_audits_and_what_was_reported_stay(store: Store, stricter: Rulebook) -> None:
    first = store.audited_study("s1")
    reaudit(store, stricter)
    again = store.audited_study("s1")
    assert first is not None
    assert again is not None
    assert again.audit.id != first.audit.id
    assert again.audit.hypnogram_id == first.audit.hypnogram_id
    assert again.audit.evidence_id == first.audit.evidence_id
    assert again.audit.report == "[]"
    assert (again.study.state, again.study.report) == (State.REPORTED, "DiagnosticReport/7")


def test_the_summary_says_what_and_why_and_the_document_says_all(
    store: Store, stricter: Rulebook
) -> None:
    studies = reaudit(store, stricter)
    summary = reaudit_summary(studies, stricter.identity, store.address)
    assert "2 of 2 by rule N3.1, slow wave share needed 0.2 → 0.3" in summary
    assert "epoch 1, scored N3; the signal permits N3 → N2" in summary
    assert (
        "because rule N3.1 is supported → contradicted: "
        "slow wave share measured 0.25, needed 0.2 → 0.3"
    ) in summary
    assert "because rule N2.1 is contradicted → supported, which follows from N3.1" in summary
    assert "Nothing was written to the EHR" in summary
    document = json.loads(json.dumps(reaudit_json(studies, stricter.identity)))
    (study,) = document["studies"]
    assert study["outcome"] == "changed"
    assert study["rulebook"]["after"]["sha256"] == stricter.identity.sha256
    assert study["epochs"][0]["permitted_stages"] == {"before": ["N3"], "after": ["N2"]}
    condition = study["epochs"][0]["rules"][0]["conditions"][0]
    assert condition["threshold"] == {"before": 0.2, "after": 0.3}


@pytest.mark.usefixtures("store")
def test_the_command_finds_the_studies_without_an_ehr(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_DATA", str(tmp_path))
    for arguments in (["--json", "-"], ["--since", "2026-01-04", "--json", "-"]):
        monkeypatch.setattr("sys.argv", ["somnoaudit", "reaudit", *arguments])
        with pytest.raises(SystemExit) as done:
            main()
        assert not done.value.code
    first, second = capsys.readouterr().out.split("\n}\n")[:2]
    assert [study["outcome"] for study in json.loads(first + "}")["studies"]] == ["current"]
    assert json.loads(second + "}")["studies"] == []


# ── from the signal on ────────────────────────────────────────────────────────────────────


def test_a_study_that_the_service_scored_is_audited_again(tmp_path: Path, edited: Edit) -> None:
    phantom = simulate(3, PhantomSettings(hours=0.4, sampling_rate_hz=128))
    write_edf(phantom, tmp_path / "night.edf")
    scoring = Scoring(STAGER, tuple(ScoredEpoch(i, s) for i, s in enumerate(phantom.stages)))
    order = StudyOrder("s1", "DocumentReference/1", "ServiceRequest/1", "Patient/1")
    store = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    with FhirClient("http://127.0.0.1:9") as unasked:
        steps = EhrSteps(
            unasked,
            store,
            ScoredStager(scoring),
            tmp_path,
            lambda: NAMED,
            watch=EhrWatch(store, unasked.base_url),
            anchors=AnchorFile(tmp_path / "anchors"),
        )
        store.add_study("s1", order.document)
        store.add_worker("w1", "here", "1")
        steps.score(
            store.begin("s1", 1, "w1"), Study(order, tmp_path / "night.edf").document(), silent
        )
    store.reported("s1", "DiagnosticReport/7")
    (tmp_path / "night.edf").unlink()
    (study,) = reaudit(store, edited("N3/N3.1.yaml", asking_for(1.01)))
    store.close()
    n3 = [epoch for epoch in study.epochs if epoch.stage == "N3"]
    assert n3
    assert all(epoch.rules[0].id == "N3.1" for epoch in n3)
