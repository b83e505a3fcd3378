"""The ways by which studies come to the service, put together: hook, CDS services, sweep."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter

from connector.cds_callers import Callers
from connector.cds_cards import Desk
from connector.cds_hooks import cds_routes
from connector.event_numbers import EventNumbers
from connector.fhir import FhirClient, ServerBroken, ServerDown, Throttled
from connector.hooks import HOOK
from connector.rounds import Rounds
from connector.settings import Settings
from connector.store import Store
from connector.stored import utc_now
from connector.subscriptions import OurSubscription
from connector.trigger import Sweep
from connector.used_tokens import UsedTokens
from connector.workflow import Worker

log = logging.getLogger("somnoaudit")


class Entrances:
    """What leads to studies. All of it may name the same one: it is worked on once.

    Args:
        settings: which ways there are.
        store: of the studies.
        ehr: where they come from.
        worker: who looks into hints and takes studies.
    """

    def __init__(self, settings: Settings, store: Store, ehr: FhirClient, worker: Worker) -> None:
        self._settings = settings
        self._store = store
        self._ehr = ehr
        self._worker = worker
        self._rounds = Rounds(settings.sweep_seconds)
        self._sweep = Sweep(ehr, store.sessions, utc_now)

    def take_hint(self, hint: str | None) -> None:
        """Remembers to look into a hint, and returns at once; None is "something new".

        Raises:
            NotRunning: the worker has not started yet, or is stopping.
        """
        if hint is None:
            self._rounds.ask()
        else:
            self._worker.take_hint(hint)

    def cds_routes(self) -> tuple[APIRouter, ...]:
        """The CDS services, where someone may call them.

        Raises:
            SettingsRefused: the file that lists callers cannot be read.
        """
        keys = self._settings.caller_keys
        if keys is None or self._settings.public_url is None:
            return ()
        callers = Callers(keys, UsedTokens(self._store.sessions))
        desk = Desk(self._settings.public_url, self._settings.smart_app is not None)
        url = self._settings.fhir_url
        return (cds_routes(self._store, callers, desk, url, self._worker.take_hint),)

    @contextmanager
    def open(self, address: str, secret: str) -> Iterator[None]:
        """Subscribes, and looks for what is new now and ever again while the context lasts.

        Args:
            address: of our hook, as the EHR reaches it, without its path.
            secret: that notifications are to bring.

        Raises:
            FhirError: the EHR does not let us in, or is none.
        """
        ours = OurSubscription(
            self._ehr,
            address + HOOK,
            secret,
            self._settings.topic,
            EventNumbers(self._store.sessions),
            self._worker.take_hint,
        )
        try:
            ours.ensure()
        except (ServerDown, ServerBroken, Throttled) as error:
            log.warning("%s; it is asked again with each sweep", error)
        with self._rounds.going(self._look_for_new, ours.check):
            yield

    def _look_for_new(self) -> None:
        for study in self._sweep():
            self._worker.submit(study)
