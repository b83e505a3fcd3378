"""The connection to the hospital's EHR, as the settings have it."""

from __future__ import annotations

import httpx

from connector.ehr_settings import EhrSettings
from connector.fhir import FhirClient
from connector.fhir.wire import Hooks
from connector.smart_backend import BearerToken, SmartBackend


def connect(settings: EhrSettings, hooks: Hooks | None = None) -> FhirClient:
    """A client of the EHR; nothing is asked of it yet.

    Args:
        settings: where the EHR is, and how it knows us.
        hooks: see each request and each answer.

    Raises:
        UsageError: the EHR's address is none.
    """
    return FhirClient(
        settings.fhir_url,
        _auth(settings),
        settings.foreign_hosts,
        settings.largest_attachment_mb << 20,
        hooks,
    )


def _auth(settings: EhrSettings) -> httpx.Auth | None:
    if settings.fhir_client_id is not None:
        return SmartBackend(
            settings.fhir_url,
            settings.fhir_client_id,
            settings.signing_keys[0],
            settings.fhir_scopes,
            settings.fhir_token_url,
        )
    if settings.fhir_token is not None:
        return BearerToken(settings.fhir_token.get_secret_value())
    return None
