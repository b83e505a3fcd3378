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
from auditor.vocabulary import SCORED_STAGES, Epoch, Stage
from connector.desk.night_pages import Draft, epoch_page, night_page
from connector.desk.opened import OpenedStudy, OpenStudies
from connector.desk.report_document import report_html, report_pdf
from connector.desk.review import SETTLING, Reason, Review, ReviewConflict
from connector.desk.review import Action as Choice
from connector.desk.review_store import NewDecision, ReviewStore
from connector.desk.sessions import Visitor
from connector.desk.visible import audited, visible_study
from connector.desk.waveforms import CHOICES, MEDIA_TYPE, waveform
from connector.desk.work_list import Shown, listed
from connector.html import render
from connector.store import State, Store, StoredStudy, utc_now
from connector.trail import Action
from staging.render import png

STEPS = (
    (State.QUEUED, "queued"),
    (State.PULLING, "pulled from the EHR"),
    (State.SCORING, "staged and audited"),
    (State.REPORTING, "reported to the EHR"),
)
"""The way of a study until there is a night to review."""


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

    def viewed(study_id: str, visitor: Visitor, page: str) -> None:
        store.tell(Action.VIEWED, study_id, {"page": page}, visitor.person.actor)

    @routes.get("/", response_class=HTMLResponse)
    def work_list(visitor: Visiting, shown: Shown = Shown.ALL) -> str:
        """The studies, newest first, with what is left to do about each."""
        seen = tuple(s for s in store.studies() if visitor.person.may_see(s.patient))
        items = listed(store.sessions, seen, visitor.person.name, utc_now())
        parts = {name: [item for item in items if item.is_in(name)] for name in Shown}
        return render(
            "studies.html",
            studies=parts[shown],
            counts=[(name, len(part)) for name, part in parts.items()],
            shown=shown,
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
        return night_page(study, opened, review_of(opened), visitor)

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
        _allowed(visitor, csrf, visitor.person.signs)
        review = review_of(opened)
        try:
            signature = reviews.sign(review, visitor.person, seen)
        except ReviewConflict as conflict:
            page = night_page(study, opened, review_of(opened), visitor, f"Not signed: {conflict}.")
            return HTMLResponse(page, 409)
        store.tell(
            Action.SIGNED,
            study.id,
            {
                "signature": signature.number,
                "meaning": signature.meaning.value,
                "content_sha256": signature.content_sha256,
            },
            visitor.person.actor,
        )
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
        seen: Annotated[int, Form()],
        csrf: Annotated[str, Form()],
        action: Annotated[Choice | None, Form()] = None,
        override: Annotated[Stage | None, Form()] = None,
        reason: Annotated[Reason | None, Form()] = None,
        comment: Annotated[str, Form(max_length=2000)] = "",
    ) -> Response:
        """Takes a decision, and goes on to the next epoch that waits for this reviewer."""
        _existing(opened, number)
        _allowed(visitor, csrf, visitor.person.decides)
        review = review_of(opened)

        def again(problem: str, status: int) -> Response:
            draft = Draft(comment, reason, f"Not taken: {problem}.")
            page = epoch_page(study_id, number, opened, review_of(opened), visitor, draft)
            return HTMLResponse(page, status)

        if override is not None:
            action, stage = Choice.OVERRIDE, override
        else:
            action, stage = action or Choice.ACCEPT, review.scored[number]
        if problem := _unfounded(action, stage, reason, comment.strip()):
            return again(problem, 422)
        new = NewDecision(
            epoch=number,
            action=action,
            stage=stage,
            reviewer=visitor.person.name,
            role=visitor.person.role.value,
            proposed=visitor.person.proposes,
            reason=reason if action is Choice.OVERRIDE else None,
            comment=comment.strip(),
            seen=seen,
        )
        try:
            decision = reviews.decide(review, new)
        except ReviewConflict as conflict:
            return again(f"{conflict}; this is how it stands now", 409)
        store.tell(
            Action.DECIDED,
            study_id,
            {
                "decision": decision.id,
                "epoch": number,
                "action": decision.action.value,
                "scored": decision.scored.value,
                "stage": decision.stage.value,
                "proposed": decision.proposed,
            },
            visitor.person.actor,
        )
        place = f"/studies/{study_id}"
        if decision.action is Choice.NOTE:
            return RedirectResponse(f"{place}/epochs/{number}", 303)
        following = review_of(opened).next_open(visitor.person.name, number)
        return RedirectResponse(
            place if following is None else f"{place}/epochs/{following}", status_code=303
        )

    @routes.get("/studies/{study_id}/epochs/{number}/waveform")
    def epoch_waveform(number: int, opened: Opened, filters: str = "standard") -> Response:
        """The epoch's signals as :mod:`connector.desk.waveforms` writes them."""
        _existing(opened, number)
        if opened.montage is None:
            raise HTTPException(410, "The recording is no longer on this machine.")
        if filters not in CHOICES:
            raise HTTPException(422, "There is no filter of this name.")
        body = waveform(opened.montage, Epoch(number), CHOICES[filters])
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


def _allowed(visitor: Visitor, csrf: str, allowed: bool) -> None:
    if csrf != visitor.csrf:
        raise HTTPException(403, "The form is from another login; open the page again.")
    if not allowed:
        raise HTTPException(403, "Your role does not decide about epochs.")


def _unfounded(action: Choice, stage: Stage, reason: Reason | None, comment: str) -> str:
    """What a decision lacks; nothing where it can be taken."""
    if action is Choice.NOTE:
        return "" if comment else "a note wants words"
    if action in SETTLING and stage not in SCORED_STAGES:
        return "an epoch that is not scored has no stage to accept"
    if action is Choice.OVERRIDE and reason is Reason.OTHER and not comment:
        return "another reason wants a comment that says which"
    return ""
