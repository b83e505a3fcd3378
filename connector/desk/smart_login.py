"""Login through the EHR: SMART App Launch 2.2, from within the EHR or standing alone.

A launch begins with a redirect to the EHR's authorization endpoint that carries a random state
and a PKCE challenge (S256), and ends with a code that is exchanged for an identity token. Who
somebody is comes from the token's ``fhirUser``; what they may do is this hospital's own list.
The access token is not kept: the desk shows what the service stored, and asks the EHR nothing
in a reader's name.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import jwt
from pydantic import BaseModel, ValidationError

from auditor.errors import SomnoauditError
from connector.desk.people import DeskRole, Person
from connector.fhir.wire import tls

_M = TypeVar("_M", bound=BaseModel)

_WITHIN_S = 10.0
_ALGORITHMS = ["RS256", "RS384", "ES256", "ES384"]
_CLOCKS_DIFFER_BY_S = 60


class LoginRefused(SomnoauditError):
    """The EHR, or what came back from it, does not let this person in."""


@dataclass(frozen=True, slots=True)
class SmartApp:
    """The desk as the EHR knows it.

    Attributes:
        issuer: base address of the EHR's FHIR server.
        client_id: as registered with the EHR.
        client_secret: of a confidential client; None for a public one.
        redirect_uri: where the EHR sends people back to.
        roles: what each Practitioner may do ("Practitioner/3" → role).
        default_role: of a practitioner who is not listed.
    """

    issuer: str
    client_id: str
    client_secret: str | None
    redirect_uri: str
    roles: Mapping[str, DeskRole]
    default_role: DeskRole = DeskRole.TECHNOLOGIST


@dataclass(frozen=True, slots=True)
class Pending:
    """A login that has begun; the browser holds it until it comes back.

    Attributes:
        state: what the EHR must give back.
        verifier: whose hash the EHR was shown.
        nonce: what the identity token must hold.
    """

    state: str
    verifier: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody whom the EHR sent.

    Attributes:
        person: who it is.
        study_id: the study that our card named when it was clicked, as the EHR passed it on; not
            checked yet. None where there is none.
    """

    person: Person
    study_id: str | None


class _Discovered(BaseModel):
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    issuer: str


class _Answer(BaseModel):
    id_token: str
    patient: str | None = None
    appContext: str | None = None  # noqa: N815 - as CDS Hooks 2.0 names it, section Link


class _Context(BaseModel):
    """What our cards have the EHR pass on; see :mod:`connector.cds_cards`."""

    study: str


def begin(app: SmartApp, launch: str | None) -> tuple[str, Pending]:
    """Where to send the browser, and what it must come back with.

    Args:
        app: the desk.
        launch: the EHR's launch context; None for a login that stands alone.

    Raises:
        LoginRefused: the EHR does not say how people log in.
    """
    pending = Pending(*(secrets.token_urlsafe(32) for _ in range(3)))
    challenge = hashlib.sha256(pending.verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": app.redirect_uri,
        "scope": "openid fhirUser launch" if launch else "openid fhirUser",
        "state": pending.state,
        "aud": app.issuer,
        "nonce": pending.nonce,
        "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **({"launch": launch} if launch else {}),
    }
    return f"{_discover(app).authorization_endpoint}?{urlencode(query)}", pending


def finish(app: SmartApp, pending: Pending, state: str, code: str) -> Arrival:
    """Who came back, and what for.

    Raises:
        LoginRefused: this login was not begun by the same browser, or the EHR's answer is not
            an identity that it signed for us.
    """
    if not secrets.compare_digest(state.encode(), pending.state.encode()):
        raise LoginRefused("the login was begun in another window; begin again")
    found = _discover(app)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": app.redirect_uri,
        "code_verifier": pending.verifier,
    }
    basic = None
    if app.client_secret is None:
        form["client_id"] = app.client_id
    else:
        basic = httpx.BasicAuth(app.client_id, app.client_secret)
    answer = _ask("POST", found.token_endpoint, _Answer, data=form, auth=basic)
    claims = _verified(app, found, answer.id_token, pending.nonce)
    reference = _practitioner(app, claims)
    patient = f"Patient/{answer.patient}" if answer.patient else None
    name = claims.get("name") or claims.get("preferred_username") or reference
    role = app.roles.get(reference, app.default_role)
    return Arrival(Person(str(name), role, patient, reference), _study_in(answer.appContext))


def _study_in(context: str | None) -> str | None:
    """The study that a context names; other contexts are other cards' business."""
    try:
        return None if context is None else _Context.model_validate_json(context).study
    except ValidationError:
        return None


def _discover(app: SmartApp) -> _Discovered:
    return _ask("GET", f"{app.issuer}/.well-known/smart-configuration", _Discovered)


def _verified(app: SmartApp, found: _Discovered, token: str, nonce: str) -> Mapping[str, Any]:
    keys = _ask("GET", found.jwks_uri, _Keys)
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        key = next((k for k in keys.keys if k.get("kid") == key_id or key_id is None), None)
        if key is None:
            raise LoginRefused(
                "the EHR's identity token is signed by a key that it does not publish"
            )
        claims: Mapping[str, Any] = jwt.decode(
            token,
            jwt.PyJWK(dict(key)),
            algorithms=_ALGORITHMS,
            audience=app.client_id,
            issuer=found.issuer,
            leeway=_CLOCKS_DIFFER_BY_S,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError:
        raise LoginRefused("the EHR's identity token does not hold") from None
    if claims.get("nonce") != nonce:
        raise LoginRefused("the EHR's identity token is of another login")
    return claims


class _Keys(BaseModel):
    keys: list[dict[str, Any]]


def _practitioner(app: SmartApp, claims: Mapping[str, Any]) -> str:
    said = str(claims.get("fhirUser") or claims.get("profile") or "")
    reference = said.removeprefix(f"{app.issuer}/")
    if not reference.startswith(("Practitioner/", "PractitionerRole/")):
        raise LoginRefused("the desk is for practitioners of this hospital")
    return reference


def _ask(method: str, url: str, model: type[_M], **request: Any) -> _M:
    try:
        answer = httpx.request(method, url, timeout=_WITHIN_S, verify=tls(), **request)
        answer.raise_for_status()
        return model.model_validate_json(answer.content)
    except (httpx.HTTPError, ValidationError):
        raise LoginRefused("the EHR did not answer the login as SMART App Launch has it") from None
