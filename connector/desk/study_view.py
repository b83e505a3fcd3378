"""A night as its page shows it: drawn, counted, and listed by what deserves a look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.vocabulary import Span, Stage
from connector.desk.opened import OpenedStudy
from connector.desk.review import Action, Decision, Review, restaged
from connector.documents import Json
from connector.figures import SleepFigures, sleep_figures
from connector.hypnogram import HypnogramDrawing, draw_density, draw_hypnogram
from connector.wording import epoch_time, named_figures


@dataclass(frozen=True, slots=True)
class Figure:
    """A sleep figure as scored; what it is otherwise, where it differs.

    Attributes:
        name: in words.
        scored: by the stager.
        reviewed: with what was decided.
        if_overridden: if besides the flagged epochs that are open were overridden; None where
            it is as reviewed.
    """

    name: str
    scored: str
    reviewed: str | None
    if_overridden: str | None


@dataclass(frozen=True, slots=True)
class WorkItem:
    """An epoch of the list in one line; ``severity`` is empty where it is not flagged."""

    epoch: int
    time: str
    stage: str
    permitted: str
    severity: str
    why: str
    decision: Decision | None
    n_notes: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class StudyView:
    """What the page of one night shows.

    Attributes:
        hypnogram: with the stages as reviewed.
        density: see :func:`connector.hypnogram.draw_density`.
        figures: of the night.
        work: the flagged epochs in review order, then others that somebody wrote about.
    """

    hypnogram: HypnogramDrawing
    density: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    work: tuple[WorkItem, ...]


def view_study(opened: OpenedStudy, review: Review) -> StudyView:
    """The view of a night as its reviewers left it."""
    return StudyView(
        hypnogram=draw_hypnogram(opened.audit, review.stages),
        density=draw_density(opened.hypnogram.epochs),
        figures=tuple(_figures(opened, review)),
        work=tuple(_work(opened, review)),
    )


def reviewed_figures(opened: OpenedStudy, review: Review) -> SleepFigures:
    """The night's figures by the reviewed stages; in bed is what it was for the report."""
    return _figures_of(opened, review.stages)


def _figures_of(opened: OpenedStudy, stages: tuple[Stage, ...]) -> SleepFigures:
    # Audits from before it was kept say nothing of it: their whole recording counts.
    in_bed = opened.audit["summary"]["sleep"].get("in_bed_s")
    return sleep_figures(restaged(opened.hypnogram, stages), in_bed and Span(*in_bed))


def as_permitted(opened: OpenedStudy, review: Review) -> tuple[Stage, ...]:
    """The reviewed stages with each open flagged epoch overridden as the signal permits.

    Where it permits several stages, the one that the stager finds most probable is taken, and of
    equals the stage of the epoch before; where it permits the scored one or none, that stands.
    """
    stages = list(review.stages)
    for number in set(review.open) & set(opened.flagged):
        permitted = tuple(map(Stage, opened.epochs[number]["permitted_stages"]))
        if permitted and stages[number] not in permitted:
            probable = opened.hypnogram.epochs[number].probabilities or {}
            before = stages[number - 1] if number else None
            stages[number] = max(permitted, key=lambda s: (probable.get(s, 0.0), s == before))
    return tuple(stages)


def _figures(opened: OpenedStudy, review: Review) -> Iterator[Figure]:
    scored = opened.audit["summary"]["sleep"]
    reviewed = _with_stages(opened, review.stages)
    overridden = _with_stages(opened, as_permitted(opened, review))
    in_words = zip(*map(named_figures, (scored, reviewed, overridden)), strict=True)
    for (name, was), (_, now), (_, then) in in_words:
        yield Figure(name, was, now if now != was else None, then if then != now else None)


def _with_stages(opened: OpenedStudy, stages: tuple[Stage, ...]) -> Json:
    """The figures of the night with these stages; as they were reported where these are its own."""
    if stages == opened.hypnogram.stages:
        reported: Json = opened.audit["summary"]["sleep"]
        return reported
    return _figures_of(opened, stages).document()


def _unflagged(decision: Decision | None) -> str:
    """Why an epoch that is not flagged is on the list."""
    if decision is None:
        return "not flagged; somebody noted something"
    if decision.action is Action.SECOND_READER:
        return "not flagged; a second reader is asked for"
    return "not flagged; a stage is proposed" if decision.proposed else "not flagged; decided"


def _work(opened: OpenedStudy, review: Review) -> Iterator[WorkItem]:
    still_open = set(review.open)
    others = sorted({decision.epoch for decision in review.decisions} - set(opened.flagged))
    for number in (*opened.flagged, *others):
        epoch = opened.epochs[number]
        flags = epoch["flags"]
        decision = review.latest.get(number)
        yield WorkItem(
            epoch=number,
            time=epoch_time(opened.audit, number),
            stage=epoch["stage"],
            permitted=", ".join(epoch["permitted_stages"]) or "–",
            severity=flags[0]["severity"] if flags else "",
            why=flags[0]["message"] if flags else _unflagged(decision),
            decision=decision,
            n_notes=len(review.notes.get(number, ())),
            is_open=number in still_open,
        )
