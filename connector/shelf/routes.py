"""The auditor's shelf over HTTP. Its pages read, and change nothing but the trail."""

# Without annotations as text: FastAPI reads those of routes, which name what is local here.
import json
from collections.abc import Callable
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from auditor.errors import SettingsRefused
from auditor.vocabulary import Epoch, Verdict
from connector.desk.epoch_view import view_epoch
from connector.desk.opened import OpenedStudy, OpenStudies
from connector.desk.review_store import ReviewStore
from connector.desk.sessions import Visitor
from connector.desk.visible import audited, visible_study
from connector.html import render
from connector.shelf.agreement_figures import FEW_NIGHTS, agreement_figures
from connector.shelf.book import ServiceBook, stylesheet, stylesheet_within
from connector.shelf.charts import kappa_chart, precision_chart, rate_chart, verdicts_chart
from connector.shelf.finding_index import FindingIndex
from connector.shelf.history import epoch_history
from connector.shelf.night_reader import NightReader
from connector.store import Store
from connector.stored import StoredStudy, utc_now
from connector.trail import Action, sha256
from connector.trail_bundle import export_bundle
from connector.trail_key import fingerprint
from staging.render import png

PAGE = 100
"""Findings on one page."""


def shelf_routes(
    store: Store,
    studies: OpenStudies,
    reviews: ReviewStore,
    visitor_of: Callable[[Request], Visitor],
    signing_key: Callable[[], Ed25519PrivateKey] | None,
) -> APIRouter:
    """The routes of the shelf.

    Args:
        store: knows the studies and their trail.
        studies: opens them.
        reviews: what was decided about them.
        visitor_of: who asks; raises where nobody is logged in.
        signing_key: signs what is exported; raises SettingsRefused where it cannot. None
            where nothing is exported.
    """
    routes = APIRouter()
    index = FindingIndex(store.sessions)
    nights = NightReader(store.sessions)
    service_book = ServiceBook()
    Visiting = Annotated[Visitor, Depends(visitor_of)]  # noqa: N806 - a type

    def auditing(visitor: Visiting) -> Visitor:
        if not visitor.person.looks_back:
            raise HTTPException(403, "Your role does not look into what others decided.")
        return visitor

    Auditing = Annotated[Visitor, Depends(auditing)]  # noqa: N806 - a type

    def stored_study(study_id: str, visitor: Auditing) -> StoredStudy:
        return visible_study(store, study_id, visitor.person)

    Stored = Annotated[StoredStudy, Depends(stored_study)]  # noqa: N806 - a type

    def opened_study(study: Stored) -> OpenedStudy:
        return audited(studies, study)

    Opened = Annotated[OpenedStudy, Depends(opened_study)]  # noqa: N806 - a type

    @routes.get("/static/book.css")
    def book_style() -> Response:
        return Response(stylesheet(), media_type="text/css")

    @routes.get("/static/book-part.css")
    def book_part_style() -> Response:
        return Response(stylesheet_within(), media_type="text/css")

    @routes.get("/rulebook", response_class=HTMLResponse)
    def rulebook(visitor: Visiting) -> str:
        """Every rule, with what it found and how its cases came out."""
        made = service_book.made()
        return render(
            "shelf_rulebook.html",
            made=made,
            unread=index.catch_up(),
            counts=index.counts(visitor.person.patient),
            person=visitor.person,
        )

    @routes.get("/rulebook/book", response_class=HTMLResponse)
    def whole_book(_visitor: Visiting) -> str:
        """The whole book, to read and to print."""
        return service_book.made().page

    @routes.get("/rulebook/{rule}", response_class=HTMLResponse)
    def rule_page(
        rule: str,
        visitor: Visiting,
        verdict: Verdict | None = None,
        cited: bool | None = None,
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    ) -> str:
        """One rule: its chapter, and every finding that it ever made."""
        made = service_book.made()
        if rule not in made.chapters:
            raise HTTPException(404, "There is no rule of this name.")
        patient = visitor.person.patient
        unread = index.catch_up()
        found = index.findings(rule, (page - 1) * PAGE, PAGE, patient, verdict, cited)
        return render(
            "shelf_rule.html",
            chapter=made.chapters[rule],
            chapter_html=made.chapter_html(rule),
            made=made,
            unread=unread,
            counts=index.counts(patient).get(rule),
            chart=verdicts_chart(index.over_time(rule, patient)),
            found=found,
            verdict=verdict,
            cited=cited,
            page=page,
            pages=-(-found.total // PAGE),
            verdicts=tuple(Verdict),
            person=visitor.person,
        )

    @routes.get("/shelf", response_class=HTMLResponse)
    def shelf(visitor: Auditing) -> str:
        """How far the AI, the audit and physicians agree."""
        unread = index.catch_up()
        figures = agreement_figures(nights.nights(visitor.person.patient))
        flags = {code.replace("-", " "): each for code, each in figures.flags.items()}
        return render(
            "shelf.html",
            figures=figures,
            few=FEW_NIGHTS,
            unread=unread,
            kappa=kappa_chart(figures.weeks),
            precision=precision_chart(figures.weeks),
            flags=rate_chart(
                {**flags, "no flag at all": figures.unflagged},
                "Share of the decided epochs that were overridden, by flag",
            ),
            supported=rate_chart(
                {
                    each.rule: each.where_supported
                    for each in figures.rules
                    if each.where_supported.n
                },
                "Share of the decided epochs that were overridden where the rule held",
            ),
            contradicted=rate_chart(
                {
                    each.rule: each.where_contradicted
                    for each in figures.rules
                    if each.where_contradicted.n
                },
                "Share of the decided epochs that were overridden where the rule did not hold",
            ),
            person=visitor.person,
        )

    @routes.get("/studies/{study_id}/epochs/{number}/history", response_class=HTMLResponse)
    def history(study: Stored, opened: Opened, number: int, visitor: Auditing) -> str:
        """How an epoch came to its stage, from the trail."""
        if number not in opened.epochs:
            raise HTTPException(404, "The night has no such epoch.")
        page = f"history of epoch {number}"
        store.tell(Action.VIEWED, study.id, {"page": page}, visitor.person.actor)
        review = reviews.review(opened.hypnogram_id, opened.hypnogram.stages, opened.flagged)
        image = opened.image(Epoch(number))
        return render(
            "shelf_history.html",
            study=study,
            view=view_epoch(opened, number),
            audit=opened.audit,
            now_stage=review.stages[number].value,
            signed=review.signed,
            asked_sha256=opened.hypnogram.epochs[number].asked_sha256,
            image_sha256=None if image is None else sha256(png(image)),
            history=epoch_history(
                store.sessions,
                store.trail_of(study.id),
                number,
                {decision.id: decision for decision in review.decisions},
            ),
            person=visitor.person,
        )

    @routes.get("/studies/{study_id}/bundle")
    def bundle(study: Stored, visitor: Auditing) -> Response:
        """The study's part of the trail with all it binds, signed, to be checked without us."""
        if signing_key is None:
            raise HTTPException(503, "This service has no key to sign with.")
        try:
            key = signing_key()
        except SettingsRefused as problem:
            raise HTTPException(503, f"{problem}.") from None
        exported = export_bundle(store, study.id, key, utc_now())
        signer = {"key": fingerprint(key.public_key())}
        store.tell(Action.EXPORTED, study.id, signer, visitor.person.actor)
        return Response(
            json.dumps(exported),
            media_type="application/json",
            headers={
                "Content-Disposition": f'attachment; filename="somnoaudit-{study.id[:8]}.json"'
            },
        )

    return routes
