"""Decisions and signatures: what counts, who comes first, what a signature binds."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from audited_night import RULEBOOK, STAGER

from auditor.vocabulary import Hypnogram, ScoredEpoch, Stage
from connector import trail
from connector.desk.people import DeskRole, Person
from connector.desk.review import (
    Action,
    Meaning,
    Reason,
    Review,
    ReviewConflict,
)
from connector.desk.review_store import NewDecision, ReviewStore
from connector.desk.work_list import listed
from connector.store import Store
from connector.stored import utc_now

SCORED = (Stage.W, Stage.N1, Stage.N2, Stage.N2, Stage.N3, Stage.R)
FLAGGED = (4, 1, 3)
DR_A, DR_B = (Person(f"Dr. {name}", DeskRole.PHYSICIAN) for name in "AB")
TECHNOLOGIST = Person("T", DeskRole.TECHNOLOGIST)


class Clock:
    """Goes on by ten seconds whenever it is asked."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=10)
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    opened.add_study("s1", "DocumentReference/1")
    opened.add_audit("s1", STAGER, "{}", b"", RULEBOOK, "{}", "[]")
    yield opened
    opened.close()


@pytest.fixture
def reviews(store: Store) -> ReviewStore:
    return ReviewStore(store.sessions, Clock())


def current(reviews: ReviewStore) -> Review:
    return reviews.review(1, SCORED, FLAGGED)


def decision(epoch: int, stage: Stage | None = None, **more: object) -> NewDecision:
    scored = SCORED[epoch]
    values: dict[str, object] = {
        "action": Action.ACCEPT if stage in (None, scored) else Action.OVERRIDE,
        "stage": stage or scored,
        "reviewer": DR_A,
    }
    return NewDecision(epoch=epoch, **(values | more))  # type: ignore[arg-type]


def test_an_override_changes_the_night_and_an_acceptance_does_not(reviews: ReviewStore) -> None:
    reviews.decide(current(reviews), decision(4))
    reviews.decide(current(reviews), decision(1, Stage.W, reason=Reason.SIGNAL))
    review = current(reviews)
    assert review.stages == (Stage.W, Stage.W, Stage.N2, Stage.N2, Stage.N3, Stage.R)
    assert review.overridden == (1,)
    assert review.open == (3,)
    assert review.next_open("Dr. A") == 3


def test_the_next_epoch_follows_the_review_order_and_comes_round(reviews: ReviewStore) -> None:
    assert current(reviews).next_open("Dr. A") == 4
    assert current(reviews).next_open("Dr. A", 4) == 1
    assert current(reviews).next_open("Dr. A", 3) == 4
    for epoch in FLAGGED:
        reviews.decide(current(reviews), decision(epoch))
    assert current(reviews).next_open("Dr. A", 3) is None


def test_a_proposal_waits_for_a_physician(reviews: ReviewStore) -> None:
    proposed = reviews.decide(current(reviews), decision(3, Stage.N1, reviewer=TECHNOLOGIST))
    assert current(reviews).stages == SCORED
    assert 3 in current(reviews).open
    reviews.decide(current(reviews), decision(3, Stage.N1, seen=proposed.id))
    assert current(reviews).overridden == (3,)
    assert 3 not in current(reviews).open


def test_a_second_reader_is_asked_for_any_epoch_and_leaves_the_stage(reviews: ReviewStore) -> None:
    reviews.decide(current(reviews), decision(0, action=Action.SECOND_READER))
    review = current(reviews)
    assert review.open == (4, 1, 3, 0)
    assert review.stages == SCORED


def test_a_question_waits_for_somebody_else(reviews: ReviewStore) -> None:
    reviews.decide(current(reviews), decision(1, action=Action.SECOND_READER))
    review = current(reviews)
    assert review.open == FLAGGED
    assert review.waiting_for("Dr. A") == (4, 3)
    assert review.waiting_for("Dr. B") == FLAGGED
    assert review.next_open("Dr. A", 4) == 3
    assert review.next_open("Dr. B", 4) == 1


def test_a_question_leaves_what_was_overridden(reviews: ReviewStore) -> None:
    first = reviews.decide(current(reviews), decision(1, Stage.W))
    reviews.decide(current(reviews), decision(1, action=Action.SECOND_READER, seen=first.id))
    review = current(reviews)
    assert review.stages[1] is Stage.W
    assert review.settled[1].stage is Stage.W
    assert 1 in review.open


def test_a_note_decides_nothing(reviews: ReviewStore) -> None:
    note = reviews.decide(current(reviews), decision(1, action=Action.NOTE, comment="a pop"))
    review = current(reviews)
    assert review.open == FLAGGED
    assert review.latest == {}
    assert [each.comment for each in review.notes[1]] == ["a pop"]
    with pytest.raises(ReviewConflict, match="wrote about epoch 1"):
        reviews.decide(current(reviews), decision(1, Stage.W))
    reviews.decide(current(reviews), decision(1, Stage.W, seen=note.id))
    reviews.sign(current(reviews), DR_A, current(reviews).content_sha256)
    last = current(reviews).latest[1]
    reviews.decide(current(reviews), decision(1, action=Action.NOTE, comment="yes", seen=last.id))
    assert current(reviews).stages[1] is Stage.W
    assert not current(reviews).changed_since_signed, "a note is no part of what is signed"


def test_who_saw_an_older_decision_overwrites_nothing(reviews: ReviewStore) -> None:
    reviews.decide(current(reviews), decision(1, Stage.W))
    with pytest.raises(ReviewConflict, match="wrote about epoch 1"):
        reviews.decide(current(reviews), decision(1, Stage.N2))
    assert current(reviews).stages[1] is Stage.W


def test_of_two_who_decide_at_once_one_is_told(reviews: ReviewStore) -> None:
    told, together = [], threading.Barrier(8)

    def decide(stage: Stage) -> None:
        review = current(reviews)
        together.wait()
        try:
            reviews.decide(review, decision(1, stage))
        except ReviewConflict:
            told.append(stage)

    threads = [threading.Thread(target=decide, args=(s,)) for s in (Stage.W, Stage.N2) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 7
    assert len(current(reviews).decisions) == 1


def test_a_signature_binds_what_was_seen(reviews: ReviewStore) -> None:
    seen = current(reviews).content_sha256
    reviews.decide(current(reviews), decision(1, Stage.W))
    with pytest.raises(ReviewConflict, match="changed"):
        reviews.sign(current(reviews), DR_A, seen)
    signature = reviews.sign(current(reviews), DR_A, current(reviews).content_sha256)
    assert (signature.number, signature.meaning) == (1, Meaning.AUTHORSHIP)
    assert signature.changed == (1,)
    assert not signature.written


def test_what_is_changed_after_signing_is_an_amendment(reviews: ReviewStore) -> None:
    reviews.sign(current(reviews), DR_A, current(reviews).content_sha256)
    with pytest.raises(ReviewConflict, match="nothing was changed"):
        reviews.sign(current(reviews), DR_A, current(reviews).content_sha256)
    reviews.decide(current(reviews), decision(3, Stage.N1))
    assert current(reviews).changed_since_signed
    amendment = reviews.sign(current(reviews), DR_B, current(reviews).content_sha256)
    assert (amendment.number, amendment.meaning, amendment.changed) == (2, Meaning.AMENDMENT, (3,))
    reviews.note_written(1, 2)
    assert [s.written for s in current(reviews).signatures] == [False, True]


def test_a_correction_back_counts_as_changed(reviews: ReviewStore) -> None:
    first = reviews.decide(current(reviews), decision(3, Stage.N1))
    reviews.sign(current(reviews), DR_A, current(reviews).content_sha256)
    reviews.decide(current(reviews), decision(3, Stage.N2, seen=first.id))
    assert current(reviews).stages == SCORED
    assert current(reviews).changed_since_signed


def test_the_reviewed_hypnogram_keeps_all_but_the_stage(reviews: ReviewStore) -> None:
    reviews.decide(current(reviews), decision(1, Stage.W))
    hypnogram = Hypnogram(STAGER, tuple(ScoredEpoch(i, s) for i, s in enumerate(SCORED)))
    reviewed = current(reviews).reviewed(hypnogram)
    assert reviewed.stages == current(reviews).stages
    assert reviewed.epochs[0] == hypnogram.epochs[0]


def test_the_pace_is_the_reviewers_own_once_enough_were_timed(reviews: ReviewStore) -> None:
    for epoch in range(5):
        reviews.decide(current(reviews), decision(epoch))
    assert reviews.paces() == {}
    reviews.decide(current(reviews), decision(5))
    assert reviews.paces() == {STAGER.name: 10.0}


@pytest.mark.parametrize(
    ("paces", "minutes"), [({}, 0.6), ({"another": 10.0}, 0.6), ({STAGER.name: 10.0}, 0.5)]
)
def test_the_list_tells_what_is_left_at_the_pace_of_its_stager_alone(
    store: Store, paces: dict[str, float], minutes: float
) -> None:
    store.add_audit("s1", STAGER, "{}", b"", RULEBOOK, "{}", "[]", n_flagged=3)
    store.reported("s1", "DiagnosticReport/1")
    (item,) = listed(store.sessions, store.studies(), DR_A.name, utc_now(), paces)
    assert item.minutes == pytest.approx(minutes)


def test_what_is_decided_and_signed_stands_in_the_trail_at_once(
    store: Store, reviews: ReviewStore
) -> None:
    somebody = Person("Dr. C", DeskRole.PHYSICIAN, reference="Practitioner/3")
    decided = reviews.decide(current(reviews), decision(1, Stage.W, reviewer=somebody))
    with pytest.raises(ReviewConflict):
        reviews.decide(current(reviews), decision(1, Stage.N2))
    signature = reviews.sign(current(reviews), DR_A, current(reviews).content_sha256)
    with pytest.raises(ReviewConflict):
        reviews.sign(current(reviews), DR_B, current(reviews).content_sha256)
    *_, of_decision, of_signature = store.trail_of("s1")
    assert (of_decision.actor, of_decision.action) == ("Practitioner/3", trail.Action.DECIDED)
    assert json.loads(of_decision.details) == {
        "decision": decided.id,
        "epoch": 1,
        "action": "override",
        "scored": "N1",
        "stage": "W",
        "proposed": False,
    }
    assert (of_signature.actor, of_signature.action) == ("physician:Dr. A", trail.Action.SIGNED)
    assert json.loads(of_signature.details)["content_sha256"] == signature.content_sha256
    assert store.verify_trail().breaks == ()
