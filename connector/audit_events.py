"""Brings AuditEvents into the EHR, as long as it takes them."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable

from connector.audit_event import audit_events
from connector.exchange import Exchange
from connector.fhir import FhirClient, FhirError, ServerDown, Throttled
from connector.store import Store
from connector.trail import Action

log = logging.getLogger("somnoaudit")


class AuditEventWriter:
    """Writes AuditEvents until the EHR refuses one: that is noted, and stops no study.

    Args:
        client: of the EHR.
        store: whose trail notes a refusal.
    """

    def __init__(self, client: FhirClient, store: Store) -> None:
        self._client = client
        self._store = store
        self._machine = socket.gethostname()
        self._refused = False

    def write(self, study_id: str, exchanges: Iterable[Exchange], patient: str | None) -> None:
        """Writes the events of what a study's step has done; what fails is left to the trail."""
        try:
            for exchange in tuple(exchanges):
                server = self._client.base_url
                for event in audit_events(exchange, server, self._machine, patient):
                    if self._refused:
                        return
                    self._client.post(event)
        except FhirError as error:
            # One that is away now may take the next study's.
            self._refused = not isinstance(error, ServerDown | Throttled)
            log.warning("AuditEvents of study %s were not written: %s", study_id, error)
            self._store.tell(
                Action.AUDIT_EVENTS_REFUSED, study_id, {"reason": type(error).__name__}
            )
