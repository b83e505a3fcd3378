"""Who calls our CDS services: an EHR that signs each call (CDS Hooks 2.0, "Trusting CDS Clients").

A call brings a JSON Web Token. It counts where its issuer is in our list, its signature is of
the keys that the list names for it, it is meant for the very address that was called, it is not
older than some minutes, and it was not seen before.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import yaml
from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWTError

from auditor.errors import SettingsRefused
from connector.fhir.addresses import LOOPBACK
from connector.fhir.wire import tls
from connector.used_tokens import UsedTokens

# CDS Hooks 2.0 asks for these two; each with the one kind of key that belongs to it.
_KEY_TYPES = {"ES384": "EC", "RS384": "RSA"}
_CLAIMS = ("iss", "aud", "exp", "iat", "jti")

# CDS Hooks 2.0: a token's end lies five minutes ahead at most.
_LONGEST_LIFE_S = 300
_CLOCKS_DIFFER_S = 30

_KEYS_KEPT_S = 3600.0
# A key that we do not know may be new; who makes keys up costs its issuer a request a minute.
_ASKED_AGAIN_S = 60.0
_KEYS_WITHIN_S = 5.0


class CallerRefused(Exception):
    """A call that no EHR of ours has signed; the text says why, in a sentence."""


@dataclass(slots=True)
class _Issuer:
    keys_at: str
    keys: Mapping[str, PyJWK] = field(default_factory=dict)
    asked_s: float = float("-inf")


class Callers:
    """The EHRs that may call.

    Args:
        keys_at: of each issuer, the address of its keys (a JWK set) or a file that holds them.
        used: tokens, which count once.
    """

    def __init__(self, keys_at: Mapping[str, str], used: UsedTokens) -> None:
        self._issuers = {issuer: _Issuer(place) for issuer, place in keys_at.items()}
        self._lock = threading.Lock()
        self._used = used

    def check(self, authorization: str, audience: str) -> str:
        """The issuer of a call.

        Args:
            authorization: the header.
            audience: the address that was called.

        Raises:
            CallerRefused: it is nobody's who may call.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise CallerRefused("The call brings no token.")
        try:
            header = jwt.get_unverified_header(token)
            said = jwt.decode(token, options={"verify_signature": False})
        except (PyJWTError, ValueError, RecursionError):
            raise CallerRefused("The token is no JSON Web Token.") from None
        issuer = said.get("iss")
        known = self._issuers.get(issuer) if isinstance(issuer, str) else None
        if known is None or not isinstance(issuer, str):
            raise CallerRefused("The token's issuer is not known here.")
        self._verify(token, header, known, issuer, audience)
        return issuer

    def _verify(
        self, token: str, header: Mapping[str, Any], known: _Issuer, issuer: str, audience: str
    ) -> None:
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm not in _KEY_TYPES or not isinstance(key_id, str):
            raise CallerRefused("The token is not signed as ES384 or RS384 with a named key.")
        key = self._key(known, key_id)
        if key is None or key.key_type != _KEY_TYPES[algorithm]:
            raise CallerRefused("The token's key is not one of its issuer's.")
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=audience,
                issuer=issuer,
                leeway=_CLOCKS_DIFFER_S,
                options={"require": list(_CLAIMS)},
            )
        except (PyJWTError, TypeError, ValueError, OverflowError) as problem:
            raise CallerRefused(f"The token is refused ({type(problem).__name__}).") from None
        expires_s = int(claims["exp"])  # it may stand there as text
        if expires_s > time.time() + _LONGEST_LIFE_S + _CLOCKS_DIFFER_S:
            raise CallerRefused("The token lives for longer than five minutes.")
        # Until any process of the service refuses it as too old, by whatever clock.
        kept_until = datetime.fromtimestamp(expires_s + 2 * _CLOCKS_DIFFER_S, UTC)
        if not self._used.use(issuer, str(claims["jti"]), kept_until):
            raise CallerRefused("The token was used before.")

    def _key(self, issuer: _Issuer, key_id: str) -> PyJWK | None:
        with self._lock:
            age_s = time.monotonic() - issuer.asked_s
            is_due = age_s > (_KEYS_KEPT_S if key_id in issuer.keys else _ASKED_AGAIN_S)
            if is_due:
                issuer.asked_s = time.monotonic()
            if is_due and not issuer.keys:  # the others wait: without keys nobody comes in
                issuer.keys = _keys(issuer.keys_at)
                is_due = False
        if is_due:
            issuer.keys = _keys(issuer.keys_at) or issuer.keys
        return issuer.keys.get(key_id)


def _keys(place: str) -> Mapping[str, PyJWK]:
    """The keys by their names; none where they cannot be had."""
    try:
        if place.startswith(("https://", "http://")):
            answer = httpx.get(place, timeout=_KEYS_WITHIN_S, verify=tls())
            found = answer.raise_for_status().json()
        else:
            found = json.loads(Path(place).read_text(encoding="utf-8"))
        return {key.key_id: key for key in PyJWKSet.from_dict(found).keys if key.key_id}
    except (httpx.HTTPError, OSError, ValueError, AttributeError, TypeError, PyJWTError):
        return {}


def read_callers(path: Path) -> dict[str, str]:
    """The list of issuers: lines like ``https://ehr.example.org: https://ehr.example.org/jwks``.

    A file of keys is named from the list's own folder.

    Raises:
        SettingsRefused: it cannot be read, or says something else.
    """
    remedy = "write a line for each issuer, such as 'https://ehr.example.org: keys.json'"
    try:
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        raise SettingsRefused(path, "cannot be read as YAML", remedy) from None
    if not isinstance(listed, dict) or not listed:
        raise SettingsRefused(path, "lists no issuer", remedy)
    found = {}
    for issuer, place in listed.items():
        if not isinstance(issuer, str) or not isinstance(place, str):
            raise SettingsRefused(path, "has an issuer without its keys", remedy)
        is_address = place.startswith(("https://", "http://"))
        if place.startswith("http://") and httpx.URL(place).host not in LOOPBACK:
            raise SettingsRefused(path, f"names keys of {issuer} by http, not https", remedy)
        found[issuer] = place if is_address else str(path.absolute().parent / place)
        if not is_address and not Path(found[issuer]).is_file():
            raise SettingsRefused(path, f"names keys of {issuer} that are not there", remedy)
    return found
