"""The desk's pages and forms over HTTP.

A form that is taken is answered with the way to the next page (303), so that going back or
reloading sends nothing twice.
"""

# Without annotations as text: FastAPI reads those of routes, which name what is local here.
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from auditor.errors import ServerFailed
from auditor.vocabulary import Epoch
from connector.desk.decision_form import DecisionForm, lacking
from connector.desk.night_pages import Draft, epoch_page, night_page
from connector.desk.opened import OpenedStudy, OpenStudies
from connector.desk.report_document import report_html, report_pdf
from connector.desk.review import Action as Choice
from connector.desk.review import Review, ReviewConflict
from connector.desk.review_store import ReviewStore
from connector.desk.sessions import Visitor
from connector.desk.visible import audited, visible_study
from connector.desk.waveforms import MEDIA_TYPE, PASSBANDS, waveform
from connector.desk.work_list import Shown, listed
from connector.html import render
from connector.store import Store
from connector.stored import StoredStudy, utc_now
from connector.tables import State
from connector.trail import Action
from staging.render import png

STEPS = (
    (State.QUEUED, "queued"),
    (State.PULLING, "pulled from the EHR"),
    (State.SCORING, "staged and audited"),
    (State.REPORTING, "reported to the EHR"),
)
"""The way of a study until there is a night to review."""

MOST_LISTED = 500
"""Studies on the work list: of a laboratory with eight beds, the last two months."""


def desk_routes(
    store: Store,
    studies: OpenStudies,
    reviews: ReviewStore,
    visitor_of: Callable[[Request], Visitor],
    signed: Callable[[], None],
) -> APIRouter:
    """The routes of the desk.

    Args:
        store: knows the studies, audited or not.
        studies: opens those that are shown.
        reviews: keeps what is decided.
        visitor_of: who asks; raises an HTTPException where nobody is logged in.
        signed: told that there is a new signature; must return at once.
    """
    routes = APIRouter()
    Visiting = Annotated[Visitor, Depends(visitor_of)]  # noqa: N806 - a type

    def stored_study(study_id: str, visitor: Visiting) -> StoredStudy:
        return visible_study(store, study_id, visitor.person)

    Stored = Annotated[StoredStudy, Depends(stored_study)]  # noqa: N806 - a type

    def opened_study(study: Stored) -> OpenedStudy:
        return audited(studies, study)

    Opened = Annotated[OpenedStudy, Depends(opened_study)]  # noqa: N806 - a type

    def review_of(opened: OpenedStudy) -> Review:
        return reviews.review(opened.hypnogram_id, opened.hypnogram.stages, opened.flagged)

    def night(study: StoredStudy, opened: OpenedStudy, visitor: Visitor, conflict: str = "") -> str:
        pace_s = reviews.paces().get(opened.hypnogram.stager.name)
        return night_page(study, opened, review_of(opened), visitor, pace_s, conflict)

    def viewed(study_id: str, visitor: Visitor, page: str) -> None:
        store.tell(Action.VIEWED, study_id, {"page": page}, visitor.person.actor)

    @routes.get("/", response_class=HTMLResponse)
    def work_list(visitor: Visiting, shown: Shown = Shown.ALL) -> str:
        """The studies, newest first, with what is left to do about each."""
        newest = store.studies(MOST_LISTED, visitor.person.patient)
        items = listed(store.sessions, newest, visitor.person.name, utc_now(), reviews.paces())
        parts = {name: [item for item in items if item.is_in(name)] for name in Shown}
        return render(
            "studies.html",
            studies=parts[shown],
            counts=[(name, len(part)) for name, part in parts.items()],
            shown=shown,
            most=MOST_LISTED if len(newest) == MOST_LISTED else None,
            unfinished=bool(parts[Shown.UNDER_WAY]),
            person=visitor.person,
        )

    @routes.get("/studies/{study_id}", response_class=HTMLResponse)
    def study(study: Stored, visitor: Visiting) -> str:
        """One study: its night once it is audited, and how far it is until then."""
        opened = studies.open(study.id)
        if opened is None:
            return render(
                "waiting.html",
                study=study,
                unfinished=not study.state.is_end,
                steps=STEPS,
                person=visitor.person,
            )
        viewed(study.id, visitor, "night")
        return night(study, opened, visitor)

    @routes.get("/studies/{study_id}/spectrogram.png")
    def spectrogram(opened: Opened) -> Response:
        """The night's EEG as a picture of its power."""
        if opened.spectrogram is None:
            raise HTTPException(410, "The recording is no longer on this machine.")
        return Response(opened.spectrogram, media_type="image/png")

    @routes.get("/studies/{study_id}/report", response_class=HTMLResponse)
    def report(opened: Opened, visitor: Visiting) -> str:
        """The report as it stands, signed or not."""
        viewed(opened.study.id, visitor, "report")
        return report_html(opened, review_of(opened))

    @routes.get("/studies/{study_id}/report.pdf")
    def report_as_pdf(opened: Opened, visitor: Visiting) -> Response:
        """The same as a tagged PDF."""
        viewed(opened.study.id, visitor, "report.pdf")
        try:
            pdf = report_pdf(opened, review_of(opened))
        except ServerFailed as problem:
            raise HTTPException(503, f"{problem}.") from None
        name = f"sleep-report-{opened.study.id[:8]}.pdf"
        return Response(
            pdf,
            media_type="application/pdf",
            headers={"Content-Disposition": f'inline; filename="{name}"'},
        )

    @routes.post("/studies/{study_id}/signature", response_model=None)
    def sign(
        study: Stored,
        opened: Opened,
        visitor: Visiting,
        seen: Annotated[str, Form()],
        csrf: Annotated[str, Form()],
    ) -> Response:
        """Signs the night as it was shown; the report follows into the EHR."""
        _check_form(visitor, csrf, "sign nights", visitor.person.signs)
        review = review_of(opened)
        try:
            reviews.sign(review, visitor.person, seen)
        except ReviewConflict as conflict:
            page = night(study, opened, visitor, f"Not signed: {conflict}.")
            return HTMLResponse(page, 409)
        signed()
        return RedirectResponse(f"/studies/{study.id}", status_code=303)

    @routes.get("/studies/{study_id}/epochs/{number}", response_class=HTMLResponse)
    def epoch(study_id: str, number: int, opened: Opened, visitor: Visiting) -> str:
        """One epoch: its signals, what was said of it, and the decision."""
        _existing(opened, number)
        viewed(study_id, visitor, f"epoch {number}")
        return epoch_page(study_id, number, opened, review_of(opened), visitor)

    @routes.post("/studies/{study_id}/epochs/{number}/decision", response_model=None)
    def decide(
        study_id: str,
        number: int,
        opened: Opened,
        visitor: Visiting,
        form: Annotated[DecisionForm, Form()],
    ) -> Response:
        """Takes a decision, and goes on to the next epoch that waits for this reviewer."""
        _existing(opened, number)
        _check_form(visitor, form.csrf, "decide about epochs", visitor.person.decides)
        review = review_of(opened)

        def again(problem: str, status: int) -> Response:
            draft = Draft(form.comment, form.reason, f"Not taken: {problem}.")
            page = epoch_page(study_id, number, opened, review_of(opened), visitor, draft)
            return HTMLResponse(page, status)

        if form.scoring != opened.hypnogram_id:
            return again("the night was scored anew meanwhile; this is how it is scored now", 409)
        new = form.decision(number, review.scored[number], visitor.person)
        if problem := lacking(new):
            return again(problem, 422)
        try:
            decision = reviews.decide(review, new)
        except ReviewConflict as conflict:
            return again(f"{conflict}; this is how it stands now", 409)
        if decision.action is Choice.NOTE:
            following: int | None = number
        else:
            following = review_of(opened).next_open(visitor.person.name, number)
        place = f"/studies/{study_id}"
        return RedirectResponse(place if following is None else f"{place}/epochs/{following}", 303)

    @routes.get("/studies/{study_id}/epochs/{number}/waveform")
    def epoch_waveform(number: int, opened: Opened, filters: str = "standard") -> Response:
        """The epoch's signals as :mod:`connector.desk.waveforms` writes them."""
        _existing(opened, number)
        if opened.montage is None:
            raise HTTPException(410, "The recording is no longer on this machine.")
        if filters not in PASSBANDS:
            raise HTTPException(422, "There is no filter of this name.")
        body = waveform(opened.montage, Epoch(number), PASSBANDS[filters])
        return Response(body, media_type=MEDIA_TYPE)

    @routes.get("/studies/{study_id}/epochs/{number}/image.png")
    def epoch_image(number: int, opened: Opened) -> Response:
        """The image of the epoch that a vision-language model is shown."""
        _existing(opened, number)
        image = opened.image(Epoch(number))
        if image is None:
            raise HTTPException(410, "The recording is no longer on this machine.")
        return Response(png(image), media_type="image/png")

    @routes.get("/studies/{study_id}/epochs/{number}/events", response_class=HTMLResponse)
    def epoch_events(study_id: str, number: int, opened: Opened, visitor: Visiting) -> str:
        """The epoch's events as a list, for eyes that do not read drawings."""
        _existing(opened, number)
        return render(
            "events.html",
            study_id=study_id,
            number=number,
            events=opened.events(Epoch(number)),
            person=visitor.person,
            start_s=Epoch(number).start_s,
        )

    return routes


def _existing(opened: OpenedStudy, number: int) -> None:
    if number not in opened.epochs:
        raise HTTPException(404, "The night has no such epoch.")


def _check_form(visitor: Visitor, csrf: str, does: str, allowed: bool) -> None:
    if csrf != visitor.csrf:
        raise HTTPException(403, "The form is from another login; open the page again.")
    if not allowed:
        raise HTTPException(403, f"Your role does not {does}.")
