"""Signed nights as training data: what is given on, what never is, and who can read it back."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from audited_night import RULEBOOK, STAGER, night_documents
from typer.testing import CliRunner

from auditor.errors import SettingsRefused, UsageError
from auditor.vocabulary import Hypnogram, Rationale, ScoredEpoch, Stage
from connector.cli import app
from connector.desk.people import DeskRole, Person
from connector.desk.review import Action, Reason
from connector.desk.review_store import NewDecision, ReviewStore
from connector.documents import Json
from connector.edf import read_recording
from connector.kept import keep_hypnogram
from connector.kept_secret import keep_first, kept_secret
from connector.shelf.training_export import ExportedNight, export_training
from connector.store import Store
from staging.phantom import simulate, write_edf
from staging.phantom_plan import PhantomSettings
from staging.training.nights import read_night
from staging.training.recordings import subjects, write_subject

STUDY = "5ca1ab1e-0000-4000-8000-000000000001"
KEY = b"a key of the tests"
DOCTOR = "Dr. Ada Example"
COMMENT = "as Mr. Secret told me"
N_EPOCHS = 30
WORDS = "C4-M1 shows a sleep spindle at 12 s, “clearly”, and no slow waves."


def scoring() -> Hypnogram:
    """N2 throughout, each epoch with the same words but 6, which has none."""
    epochs = [
        ScoredEpoch(i, Stage.N2, rationale=Rationale(WORDS, ("N2.1",)) if i != 6 else None)
        for i in range(N_EPOCHS)
    ]
    return Hypnogram(STAGER, tuple(epochs))


def audit() -> Json:
    """In epoch 4 a claim is contradicted; in every epoch N2.1 and W.1 hold, and N1.1 does not."""
    verdicts = {"N2.1": "supported", "W.1": "supported", "N1.1": "contradicted"}
    epochs = [
        {
            "epoch": i,
            "stage": "N2",
            "claims": [{"verdict": "contradicted" if i == 4 else "supported"}],
            "rules": [
                {"id": rule, "cited": rule == "N2.1", "verdict": verdict, "conditions": []}
                for rule, verdict in verdicts.items()
            ],
            "flags": [],
        }
        for i in range(N_EPOCHS)
    ]
    return {"epochs": epochs, "summary": {"review_order": []}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'data' / 'somnoaudit.db'}")
    opened.add_study(STUDY, "DocumentReference/12")
    opened.add_worker("worker", "here", "1")
    run = opened.begin(STUDY, 1, "worker")
    opened.note_patient(run, "Patient/7")
    evidence = night_documents(N_EPOCHS)[1]
    kept, document = keep_hypnogram(scoring()), json.dumps(audit())
    opened.add_audit(STUDY, STAGER, kept, evidence, RULEBOOK, document, "[]", run, 0)
    opened.reported(STUDY, "DiagnosticReport/9")
    yield opened
    opened.close()


@pytest.fixture
def reviewed(store: Store) -> ReviewStore:
    """A review with every kind of decision, not signed yet."""
    reviews = ReviewStore(store.sessions)
    for new in (
        decision(3),
        decision(4),
        decision(5, Stage.W, reason=Reason.SIGNAL, comment=COMMENT),
        decision(6),
        decision(7, Stage.N1, reviewer=Person(DOCTOR, DeskRole.TECHNOLOGIST)),
        decision(8, action=Action.SECOND_READER),
    ):
        reviews.decide(reviews.review(1, scoring().stages, ()), new)
    return reviews


def decision(epoch: int, stage: Stage = Stage.N2, **more: object) -> NewDecision:
    action = Action.ACCEPT if stage is Stage.N2 else Action.OVERRIDE
    plain = NewDecision(epoch, action, stage, Person(DOCTOR, DeskRole.PHYSICIAN))
    return replace(plain, **more)  # type: ignore[arg-type]


def sign(reviews: ReviewStore) -> None:
    review = reviews.review(1, scoring().stages, ())
    reviews.sign(review, Person(DOCTOR, DeskRole.PHYSICIAN), review.content_sha256)


def export(store: Store, folder: Path, key: bytes = KEY) -> tuple[ExportedNight, ...]:
    return tuple(export_training(store, folder, key, lambda _work, _share: None))


def rows(folder: Path, track: str) -> dict[int, dict[str, str]]:
    (path,) = (folder / "annotations" / track).glob("*.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return {int(row["N"]): row for row in csv.DictReader(file)}


@pytest.mark.usefixtures("reviewed")
def test_an_unsigned_night_is_not_given_on(store: Store, tmp_path: Path) -> None:
    assert export(store, tmp_path / "out") == ()
    assert not (tmp_path / "out").exists()


def test_decided_epochs_alone_are_given_on_each_on_its_track(
    store: Store, reviewed: ReviewStore, tmp_path: Path
) -> None:
    sign(reviewed)
    (night,) = export(store, tmp_path)
    assert (night.study_id, night.fine, night.coarse) == (STUDY, 1, 3)
    fine, coarse = rows(tmp_path, "fine"), rows(tmp_path, "coarse")
    # 4 says what the signal contradicts, 5 was overridden, 6 has no words;
    # 7 is only proposed, 8 is asked about, and all others nobody has looked at.
    assert fine.keys() == {3}
    assert coarse.keys() == {4, 5, 6}
    assert fine[3]["reasoning_text"] == WORDS
    assert (fine[3]["Stage"], fine[3]["applicable_rules"]) == ("N2", "N2.1")
    assert "reasoning_text" not in coarse[4]
    assert (coarse[4]["Stage"], coarse[4]["applicable_rules"]) == ("N2", "N2.1")
    assert (coarse[5]["Stage"], coarse[5]["applicable_rules"]) == ("W", "W.1")


def test_nothing_tells_who_it_was(store: Store, reviewed: ReviewStore, tmp_path: Path) -> None:
    sign(reviewed)
    (night,) = export(store, tmp_path)
    files = [path for path in tmp_path.rglob("*.csv") if path.is_file()]
    assert len(files) == 2
    for path in files:
        written = str(path.relative_to(tmp_path)) + path.read_text(encoding="utf-8")
        for secret in (STUDY, STUDY[:8], "Patient/7", DOCTOR, COMMENT, "DocumentReference"):
            assert secret not in written
        assert night.subject in written


def test_a_subject_keeps_its_name_under_one_key_alone(
    store: Store, reviewed: ReviewStore, tmp_path: Path
) -> None:
    sign(reviewed)
    (first,), (again,) = export(store, tmp_path / "a"), export(store, tmp_path / "b")
    (other,) = export(store, tmp_path / "c", b"another key")
    assert first.subject == again.subject != other.subject


def test_what_is_changed_after_signing_is_taken_back(
    store: Store, reviewed: ReviewStore, tmp_path: Path
) -> None:
    sign(reviewed)
    export(store, tmp_path)
    review = reviewed.review(1, scoring().stages, ())
    reviewed.decide(review, decision(3, Stage.W, seen=review.latest[3].id))
    assert export(store, tmp_path) == ()
    assert list(tmp_path.rglob("annotations/*/*.csv")) == []
    sign(reviewed)
    (night,) = export(store, tmp_path)
    assert (night.fine, night.coarse) == (0, 4)


def test_the_training_reads_what_was_written(
    store: Store, reviewed: ReviewStore, tmp_path: Path
) -> None:
    sign(reviewed)
    (night,) = export(store, tmp_path)
    recording = tmp_path / "recordings" / f"{night.subject}.edf"
    recording.parent.mkdir()
    write_edf(simulate(1, PhantomSettings(hours=N_EPOCHS / 120)), recording)
    (subject,) = subjects(tmp_path / "annotations", recording.parent)
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    truth = read_night(write_subject(subject, read_recording, drawn, 50.0, 0)).truth
    stages = {i: each.stage for i, each in enumerate(truth) if each.stage != "?"}
    assert stages == {3: "N2", 4: "N2", 5: "W", 6: "N2"}
    assert json.loads(truth[3].reply)["reasoning_text"] == WORDS
    assert WORDS not in truth[4].reply


def test_the_command_says_which_subject_is_which_study(
    store: Store, reviewed: ReviewStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMNOAUDIT_DATA", str(tmp_path / "data"))
    command = ["export-training", "--out", str(tmp_path / "out")]
    said = CliRunner().invoke(app, command, catch_exceptions=False)
    assert "nothing was written" in said.stdout
    sign(reviewed)
    said = CliRunner().invoke(app, command, catch_exceptions=False)
    (path,) = (tmp_path / "out" / "annotations" / "fine").iterdir()
    assert f"{path.stem}      1 with words     3 without  study {STUDY}" in said.stdout
    later = CliRunner().invoke(app, [*command, "--since", "2100-01-01"], catch_exceptions=False)
    assert "nothing was written" in later.stdout
    assert (tmp_path / "data" / "training-key").stat().st_mode & 0o077 == 0
    assert "training.exported" in {entry.action for entry in store.trail_of(STUDY)}


def test_a_folder_that_is_a_file_is_refused(
    store: Store, reviewed: ReviewStore, tmp_path: Path
) -> None:
    sign(reviewed)
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        export(store, tmp_path / "out")


def test_a_secret_stays_the_same_and_one_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "secret"
    assert kept_secret(path) == kept_secret(path)
    assert len(kept_secret(path)) >= 43  # 32 bytes
    (tmp_path / "taken").mkdir()
    with pytest.raises(SettingsRefused, match="taken"):
        kept_secret(tmp_path / "taken")
    (tmp_path / "empty").touch()
    with pytest.raises(SettingsRefused, match="holds no secret of ours"):
        kept_secret(tmp_path / "empty")


def test_of_two_that_make_a_secret_at_once_the_first_stays(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "secret"
    keep_first(path, b"first")
    keep_first(path, b"second")
    assert path.read_bytes() == b"first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
