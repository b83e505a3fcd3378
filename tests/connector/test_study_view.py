"""What a night's page works out: the figures as they would be, and who has to look at what."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from audited_night import RULEBOOK, STAGER, night_documents

from auditor.vocabulary import Hypnogram, ScoredEpoch, Span, Stage
from connector.desk.opened import OpenedStudy, OpenStudies
from connector.desk.people import DeskRole, Person
from connector.desk.review import Action, Review
from connector.desk.review_store import NewDecision, ReviewStore
from connector.desk.study_view import Figure, as_permitted, reviewed_figures, view_study
from connector.figures import sleep_figures
from connector.store import Store

DR_A = Person("Dr. A", DeskRole.PHYSICIAN)
CLAIMED, RULED = 12, 57
"""Flagged: N2 where the signal permits N1, and N3 where it permits N2."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    hypnogram, evidence, audit = night_documents(140)
    opened.add_study("s1", "DocumentReference/1")
    opened.add_audit("s1", STAGER, hypnogram, evidence, RULEBOOK, json.dumps(audit), "[]")
    yield opened
    opened.close()


@pytest.fixture
def opened(store: Store) -> OpenedStudy:
    found = OpenStudies(store, lambda _study: None).open("s1")
    assert found is not None
    return found


def reviewed(store: Store, opened: OpenedStudy, *decided: tuple[int, Action, Stage]) -> Review:
    reviews = ReviewStore(store.sessions)

    def current() -> Review:
        return reviews.review(opened.hypnogram_id, opened.hypnogram.stages, opened.flagged)

    for epoch, action, stage in decided:
        reviews.decide(current(), NewDecision(epoch, action, stage, DR_A))
    return current()


def changed(opened: OpenedStudy, review: Review) -> dict[int, Stage]:
    """The epochs that would be another stage than they are now."""
    then = as_permitted(opened, review)
    return {i: stage for i, stage in enumerate(then) if stage != review.stages[i]}


def figure(opened: OpenedStudy, review: Review, name: str) -> Figure:
    return next(each for each in view_study(opened, review).figures if each.name == name)


def test_open_flagged_epochs_become_what_the_signal_permits(
    store: Store, opened: OpenedStudy
) -> None:
    review = reviewed(store, opened)
    assert changed(opened, review) == {CLAIMED: Stage.N1, RULED: Stage.N2}
    n3 = figure(opened, review, "N3")
    assert (n3.scored.split(",")[0], n3.reviewed) == ("25.0 min", None)
    assert n3.if_overridden is not None
    assert n3.if_overridden.startswith("24.5 min")
    assert figure(opened, review, "Time in bed").if_overridden is None


def test_what_is_decided_is_not_asked_about_again(store: Store, opened: OpenedStudy) -> None:
    review = reviewed(
        store,
        opened,
        (CLAIMED, Action.ACCEPT, Stage.N2),
        (RULED, Action.OVERRIDE, Stage.W),
    )
    assert changed(opened, review) == {}
    n3 = figure(opened, review, "N3")
    assert n3.reviewed is not None
    assert n3.if_overridden is None, "nothing more would change"


def test_lights_off_and_on_count_long_after_the_recording_is_gone(
    store: Store, opened: OpenedStudy
) -> None:
    scored = opened.hypnogram
    in_bed = Span(0.0, 3600.0)
    opened.audit["summary"]["sleep"] = sleep_figures(scored, in_bed).document()
    review = reviewed(store, opened, (RULED, Action.OVERRIDE, Stage.W))
    assert reviewed_figures(opened, review).time_in_bed_minutes == 60.0
    assert figure(opened, review, "Time in bed").scored == "60.0 min"


def test_of_several_permitted_stages_the_most_probable_is_taken(
    store: Store, opened: OpenedStudy
) -> None:
    opened.epochs[CLAIMED]["permitted_stages"] = ["W", "R"]
    opened.epochs[RULED]["permitted_stages"] = ["W", "N2"]
    likely = {Stage.N2: 0.6, Stage.R: 0.3, Stage.W: 0.1}
    review = reviewed(store, opened)
    told = _with(opened, CLAIMED, likely)
    assert changed(told, review)[CLAIMED] is Stage.R
    assert changed(opened, review)[CLAIMED] is Stage.W, "nothing tells them apart: the first"
    before = _with(opened, RULED, {Stage.W: 0.5, Stage.N2: 0.5})
    before.epochs[RULED]["permitted_stages"] = ["W", "N3"]
    assert RULED not in changed(before, review), "what is permitted stands"


def _with(opened: OpenedStudy, epoch: int, probabilities: dict[Stage, float]) -> OpenedStudy:
    epochs: list[ScoredEpoch] = list(opened.hypnogram.epochs)
    epochs[epoch] = replace(epochs[epoch], probabilities=probabilities)
    return replace(opened, hypnogram=Hypnogram(opened.hypnogram.stager, tuple(epochs)))


def test_who_wrote_about_an_epoch_puts_it_on_the_list(store: Store, opened: OpenedStudy) -> None:
    review = reviewed(
        store,
        opened,
        (3, Action.NOTE, Stage.W),
        (4, Action.SECOND_READER, Stage.W),
        (5, Action.OVERRIDE, Stage.N1),
    )
    work = view_study(opened, review).work
    assert [item.epoch for item in work] == [*opened.flagged, 3, 4, 5]
    note, question, decided = work[-3:]
    assert (note.n_notes, note.is_open, note.severity) == (1, False, "")
    assert "second reader" in question.why
    assert (question.is_open, decided.is_open) == (True, False)


def test_probabilities_are_drawn_where_the_stager_gives_them(
    store: Store, opened: OpenedStudy
) -> None:
    review = reviewed(store, opened)
    assert view_study(opened, review).density == ()
    drawn = view_study(_with(opened, 0, {Stage.W: 1.0}), review).density
    assert {stage for stage, _ in drawn} == {"W", "R", "N1", "N2", "N3"}
