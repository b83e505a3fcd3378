"""Our public keys, where the EHR's authorization server looks for them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from connector.client_keys import SigningKey, public_jwk_set

JWKS = "/.well-known/jwks.json"


def jwks_router(keys: tuple[SigningKey, ...]) -> APIRouter:
    """The JWKS endpoint, to be registered with the EHR; empty where somnoaudit has no keys."""
    router = APIRouter()

    @router.get(JWKS)
    def published() -> dict[str, Any]:
        """The public keys that this service signs with."""
        return public_jwk_set(keys)

    return router
