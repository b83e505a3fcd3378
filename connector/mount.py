"""The desk and the shelf as parts of the web application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse

from connector.desk.login import LoginNeeded, login_routes, visitor_of
from connector.desk.opened import OpenStudies
from connector.desk.review_store import ReviewStore
from connector.desk.routes import desk_routes
from connector.desk.sessions import Sessions
from connector.desk.smart_login import SmartApp
from connector.html import PAGES
from connector.pages import problem_page
from connector.shelf.routes import shelf_routes
from connector.store import Store

_STATIC = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Desk:
    """What the desk is made of.

    Attributes:
        store: where studies are kept.
        studies: opens them.
        reviews: keeps what is decided.
        signed: told that there is a new signature; must return at once.
        smart: the desk as the EHR knows it; None where nobody logs in through the EHR.
        local_login: whether anybody at this very machine may choose who they are.
        signing_key: signs what is exported of the audit trail, and raises SettingsRefused where
            it cannot; None where nothing is exported.
    """

    store: Store
    studies: OpenStudies
    reviews: ReviewStore
    signed: Callable[[], None]
    smart: SmartApp | None = None
    local_login: bool = False
    signing_key: Callable[[], Ed25519PrivateKey] | None = None


def mount_desk(app: FastAPI, desk: Desk) -> None:
    """Adds the desk's routes to the application."""
    sessions = Sessions(desk.store.sessions)
    app.include_router(login_routes(sessions, desk.store, desk.smart, desk.local_login))
    visitor = visitor_of(sessions)
    app.include_router(desk_routes(desk.store, desk.studies, desk.reviews, visitor, desk.signed))
    app.include_router(
        shelf_routes(desk.store, desk.studies, desk.reviews, visitor, desk.signing_key)
    )

    @app.exception_handler(LoginNeeded)
    def show_login(_request: Request, _needed: LoginNeeded) -> Response:
        return RedirectResponse("/login", 303)

    @app.exception_handler(RequestValidationError)
    def show_misfit(_request: Request, _problem: RequestValidationError) -> Response:
        # What was sent is not repeated: it may be about a patient.
        sentence = "The address or the form is not one of this page's; go back and try again."
        return HTMLResponse(problem_page(422, sentence), 422)

    for path in PAGES.iterdir():
        suffix = path.name[path.name.rfind(".") :]
        if suffix in _STATIC:
            _serve_static(app, path.name, path.read_text(encoding="utf-8"), _STATIC[suffix])


def _serve_static(app: FastAPI, name: str, text: str, media_type: str) -> None:
    @app.get(f"/static/{name}", include_in_schema=False)
    def static() -> Response:
        return Response(text, media_type=media_type)
