"""A night as its page shows it: drawn, counted, and listed by what deserves a look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.vocabulary import SCORED_STAGES, Stage
from connector.desk.opened import OpenedStudy
from connector.desk.review import Action, Decision, Review
from connector.documents import Json
from connector.figures import SleepFigures, lights_off_to_on, sleep_figures
from connector.html import minutes, percent
from connector.hypnogram import HypnogramDrawing, draw_density, draw_hypnogram
from connector.wording import epoch_time


@dataclass(frozen=True, slots=True)
class Figure:
    """A sleep figure as scored, and as it is with what was decided where that differs."""

    name: str
    scored: str
    reviewed: str | None


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A flagged epoch in one line."""

    epoch: int
    time: str
    stage: str
    permitted: str
    severity: str
    why: str
    decision: Decision | None
    is_open: bool


@dataclass(frozen=True, slots=True)
class StudyView:
    """What the page of one night shows.

    Attributes:
        hypnogram: with the stages as reviewed.
        density: see :func:`connector.hypnogram.draw_density`.
        figures: of the night.
        work: the flagged epochs in review order.
        minutes_left: expected for what is open.
    """

    hypnogram: HypnogramDrawing
    density: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    work: tuple[WorkItem, ...]
    minutes_left: float


def view_study(opened: OpenedStudy, review: Review) -> StudyView:
    """The view of a night as its reviewers left it."""
    return StudyView(
        hypnogram=draw_hypnogram(opened.audit, review.stages),
        density=draw_density(opened.hypnogram.epochs),
        figures=tuple(_figures(opened, review)),
        work=tuple(_work(opened.audit, opened, review)),
        minutes_left=review.expected_minutes,
    )


def reviewed_figures(opened: OpenedStudy, review: Review) -> SleepFigures:
    """The night's figures by the reviewed stages.

    In bed is what it was for the report: lights are noted in the recording, which may be gone;
    where it is, the whole recording counts, and the figures' notes say so.
    """
    in_bed = lights_off_to_on(opened.montage.recording) if opened.montage else None
    return sleep_figures(review.reviewed(opened.hypnogram), in_bed)


def _figures(opened: OpenedStudy, review: Review) -> Iterator[Figure]:
    scored = opened.audit["summary"]["sleep"]
    changed = reviewed_figures(opened, review).document() if review.overridden else scored
    for (name, before), (_, after) in zip(_named(scored), _named(changed), strict=True):
        yield Figure(name, before, after if after != before else None)


def _named(figures: Json) -> Iterator[tuple[str, str]]:
    awakenings = figures["awakenings"]
    yield "Total sleep time", minutes(figures["total_sleep_minutes"])
    yield "Sleep efficiency", percent(figures["sleep_efficiency"])
    yield "Sleep latency", minutes(figures["sleep_latency_minutes"])
    yield "REM latency", minutes(figures["rem_latency_minutes"])
    yield "Wake after sleep onset", minutes(figures["wake_after_sleep_onset_minutes"])
    yield "Awakenings", "–" if awakenings is None else str(awakenings)
    yield "Time in bed", minutes(figures["time_in_bed_minutes"])
    for stage in SCORED_STAGES:
        if stage is not Stage.W:
            share = percent(figures["stage_share"][stage.value])
            yield stage.value, f"{minutes(figures['stage_minutes'][stage.value])}, {share}"


def _work(audit: Json, opened: OpenedStudy, review: Review) -> Iterator[WorkItem]:
    still_open = set(review.open)
    others = tuple(e for e in review.open if e not in opened.flagged)
    for number in (*opened.flagged, *others):
        epoch = opened.epochs[number]
        flags = epoch["flags"]
        decision = review.latest.get(number)
        asked = decision is not None and decision.action is Action.SECOND_READER
        waiting = "a second reader is asked for" if asked else "a stage is proposed"
        yield WorkItem(
            epoch=number,
            time=epoch_time(audit, number),
            stage=epoch["stage"],
            permitted=", ".join(epoch["permitted_stages"]) or "–",
            severity=flags[0]["severity"] if flags else "low",
            why=flags[0]["message"] if flags else waiting,
            decision=decision,
            is_open=number in still_open,
        )
