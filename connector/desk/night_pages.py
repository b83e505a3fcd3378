"""A night's page and an epoch's page, put together from what is known of them."""

from __future__ import annotations

from dataclasses import dataclass

from connector.desk.epoch_view import view_epoch
from connector.desk.opened import OpenedStudy
from connector.desk.review import Action, Reason, Review, expected_minutes
from connector.desk.sessions import Visitor
from connector.desk.study_view import view_study
from connector.desk.waveforms import PASSBANDS
from connector.html import render
from connector.hypnogram import DENSITY_HEIGHT
from connector.stored import StoredStudy
from connector.traces import MUSCLE


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wrote of an epoch that was not taken, and why it was not."""

    comment: str = ""
    reason: Reason | None = None
    problem: str = ""


def night_page(
    study: StoredStudy,
    opened: OpenedStudy,
    review: Review,
    visitor: Visitor,
    pace_s: float | None,
    conflict: str = "",
) -> str:
    """One audited night: drawn, counted, its flagged epochs listed, its signature.

    ``pace_s`` is what an epoch takes its reviewers; None where that is not known.
    """
    waiting = review.waiting_for(visitor.person.name)
    return render(
        "night.html",
        study=study,
        audit=opened.audit,
        view=view_study(opened, review),
        review=review,
        waiting=waiting,
        minutes_left=expected_minutes(len(waiting), pace_s),
        next_open=review.next_open(visitor.person.name),
        density_height=DENSITY_HEIGHT,
        has_recording=opened.recording is not None,
        unfinished=review.is_on_its_way,
        person=visitor.person,
        may_sign=visitor.person.signs,
        csrf=visitor.csrf,
        conflict=conflict,
    )


def epoch_page(
    study_id: str,
    number: int,
    opened: OpenedStudy,
    review: Review,
    visitor: Visitor,
    draft: Draft = Draft(),
) -> str:
    """One epoch; ``draft`` is what was sent of it and not taken."""
    study = f"/studies/{study_id}"
    following = review.next_open(visitor.person.name, number)
    history = [d for d in review.decisions if d.epoch == number]

    def of(epoch: int | None) -> str | None:
        return None if epoch not in opened.epochs else f"{study}/epochs/{epoch}"

    return render(
        "epoch.html",
        study_id=study_id,
        view=view_epoch(opened, number),
        paths={
            "study": study,
            "previous": of(number - 1),
            "next": of(number + 1),
            "next_flagged": of(following),
            "waveform": f"{study}/epochs/{number}/waveform",
            "image": f"{study}/epochs/{number}/image.png",
            "events": f"{study}/epochs/{number}/events",
            "decision": f"{study}/epochs/{number}/decision",
        },
        waiting=len(review.waiting_for(visitor.person.name)),
        passbands=PASSBANDS,
        chin_passband=MUSCLE,
        reasons=tuple(Reason),
        decision=review.latest.get(number),
        notes=review.notes.get(number, ()),
        earlier=[d for d in history if d.action is not Action.NOTE][:-1],
        scoring=opened.hypnogram_id,
        seen=history[-1].id if history else 0,
        may_decide=visitor.person.decides,
        proposes=visitor.person.proposes,
        csrf=visitor.csrf,
        draft=draft,
        person=visitor.person,
    )
