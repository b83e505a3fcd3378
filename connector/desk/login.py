"""The ways in: from within the EHR, through the EHR, and on a developer's own machine."""

# Without annotations as text: FastAPI reads those of routes, which name what is local here.

import base64
import json
from collections.abc import Callable
from dataclasses import asdict
from ipaddress import ip_address
from math import ceil
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from connector.desk import smart_login
from connector.desk.login_limit import LoginLimit
from connector.desk.people import DeskRole, Person
from connector.desk.sessions import Sessions, Visitor
from connector.desk.smart_login import Arrival, LoginRefused, Pending, SmartApp
from connector.html import render
from connector.store import Store

COOKIE = "somnoaudit"
_PENDING = "somnoaudit-login"
_PENDING_S = 600


class LoginNeeded(Exception):
    """Nobody is logged in; the answer is the way to the login page."""


def visitor_of(sessions: Sessions) -> Callable[[Request], Visitor]:
    """Tells who asks, by the cookie; raises :class:`LoginNeeded` where nobody does."""

    def visitor(request: Request) -> Visitor:
        token = request.cookies.get(COOKIE)
        # A page that renews itself is nobody at the screen.
        unattended = "X-Unattended" in request.headers
        found = sessions.visitor(token, not unattended) if token else None
        if found is None:
            raise LoginNeeded
        return found

    return visitor


def login_routes(
    sessions: Sessions, store: Store, smart: SmartApp | None, local: bool
) -> APIRouter:
    """The routes of login and logout.

    Args:
        sessions: where logins are kept.
        store: knows the studies.
        smart: the desk as the EHR knows it; None where the EHR is not asked.
        local: whether anybody at this very machine may choose who they are.
    """
    routes = APIRouter()
    limit = LoginLimit()

    def limited(request: Request) -> None:
        wait_s = limit.wait_s(request.client.host if request.client else "")
        if wait_s:
            headers = {"Retry-After": str(ceil(wait_s))}
            raise HTTPException(429, "Too many logins from here; wait a minute.", headers)

    @routes.get("/login", response_class=HTMLResponse)
    def login_page(request: Request) -> str:
        """The ways in."""
        return render(
            "login.html",
            smart=smart is not None,
            local=local and _from_this_machine(request),
            roles=tuple(DeskRole),
        )

    @routes.post("/login/local", response_model=None, dependencies=[Depends(limited)])
    def local_login(
        request: Request,
        name: Annotated[str, Form(min_length=1, max_length=80)],
        role: Annotated[DeskRole, Form()],
    ) -> Response:
        """For development: whoever sits at this machine is who they say."""
        if not local or not _from_this_machine(request) or not _from_own_page(request):
            raise HTTPException(403, "The local login is for this machine alone.")
        return _entered(request, sessions.begin(Person(name.strip(), role)))

    @routes.get("/launch", response_model=None, dependencies=[Depends(limited)])
    def launch(request: Request, iss: str, launch: str) -> Response:
        """The EHR opens the desk for one patient."""
        if smart is None or iss.rstrip("/") != smart.issuer:
            raise HTTPException(403, "This desk does not belong to that EHR.")
        return _sent_to_ehr(request, smart, launch)

    @routes.get("/login/ehr", response_model=None, dependencies=[Depends(limited)])
    def ehr_login(request: Request) -> Response:
        """Login through the EHR, standing alone."""
        if smart is None:
            raise HTTPException(404, "No EHR is set up for logging in.")
        return _sent_to_ehr(request, smart, None)

    @routes.get("/login/done", response_model=None, dependencies=[Depends(limited)])
    def done(request: Request, state: str = "", code: str = "", error: str = "") -> Response:
        """The EHR sends the browser back."""
        pending = _pending(request)
        if smart is None or pending is None or error or not code:
            raise HTTPException(403, "The EHR did not let you in; begin again.")
        try:
            arrival = smart_login.finish(smart, pending, state, code)
        except LoginRefused as refusal:
            raise HTTPException(403, f"Not logged in: {refusal}.") from None
        response = _entered(request, sessions.begin(arrival.person), _place_of(store, arrival))
        response.delete_cookie(_PENDING, path="/login/done")
        return response

    @routes.post("/logout", response_model=None)
    def logout(request: Request) -> Response:
        """Ends this login."""
        if not _from_own_page(request):
            raise HTTPException(403, "The form is from elsewhere.")
        sessions.end(request.cookies.get(COOKIE, ""))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE)
        return response

    return routes


def _sent_to_ehr(request: Request, smart: SmartApp, launch: str | None) -> Response:
    try:
        address, pending = smart_login.begin(smart, launch)
    except LoginRefused as refusal:
        raise HTTPException(502, f"{refusal}.") from None
    response = RedirectResponse(address, 303)
    held = base64.urlsafe_b64encode(json.dumps(asdict(pending)).encode()).decode()
    # Lax: the EHR's redirect, from another site, must bring it back.
    response.set_cookie(
        _PENDING,
        held,
        max_age=_PENDING_S,
        path="/login/done",
        httponly=True,
        samesite="lax",
        secure=_secure(request),
    )
    return response


def _pending(request: Request) -> Pending | None:
    try:
        return Pending(**json.loads(base64.urlsafe_b64decode(request.cookies[_PENDING])))
    except (KeyError, ValueError, TypeError):
        return None


def _place_of(store: Store, arrival: Arrival) -> str:
    """The page of the study that somebody came for, where they may see it; else the list."""
    study = None if arrival.study_id is None else store.study(arrival.study_id)
    if study is None or not arrival.person.may_see(study.patient):
        return "/"
    return f"/studies/{quote(study.id)}"


def _entered(request: Request, token: str, place: str = "/") -> Response:
    response = RedirectResponse(place, 303)
    response.set_cookie(COOKIE, token, httponly=True, samesite="lax", secure=_secure(request))
    return response


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _from_this_machine(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _from_own_page(request: Request) -> bool:
    """By what browsers say of where a form comes from (Fetch Metadata)."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
