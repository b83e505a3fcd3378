"""The service put together: here its parts are chosen, and nowhere else."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from fastapi import APIRouter
from sqlalchemy import make_url

from auditor.errors import ServerFailed, SettingsRefused
from connector.app import create_app, serve
from connector.desk.opened import OpenStudies, RecordingOf
from connector.desk.outbox import Outbox
from connector.desk.review import Signature
from connector.desk.review_store import ReviewStore
from connector.ehr import connect
from connector.entrances import Entrances
from connector.exchange import EhrWatch
from connector.fhir import FhirClient
from connector.jwks import jwks_router
from connector.kept_secret import kept_secret
from connector.metrics import Metrics, metrics_routes
from connector.mount import Desk
from connector.probes import Readiness, database_answers, ehr_answers, probe_routes
from connector.second_opinion import with_second_opinion
from connector.settings import Settings
from connector.steps import EhrSteps
from connector.store import Store
from connector.stored import utc_now
from connector.trail import Action, AnchorFile
from connector.trail_key import signing_key
from connector.workflow import Watch, Worker
from staging.environment import PREFIX
from staging.montage import load_channel_names
from staging.stager import make_stager

_LOOK_EACH_S = 0.5


@dataclass(frozen=True, slots=True)
class Service:
    """A running service.

    Attributes:
        address: of its pages, as this machine reaches them.
        store: what it remembers.
        worker: runs its studies.
    """

    address: str
    store: Store
    worker: Worker


@contextmanager
def service(settings: Settings, watch: Watch = lambda _moment: None) -> Iterator[Service]:
    """Runs the service while the context lasts: triggered, worked, reported, shown.

    Args:
        settings: where the EHR is, and all else.
        watch: told of each moment of each study, on other threads.

    Raises:
        SettingsRefused: the data folder, the database, the trail's key or the file of channel
            names cannot be used.
        UsageError: the stager cannot be made.
        ServerFailed: the EHR cannot be asked, or the port is taken.
    """
    secret = _webhook_secret(settings)
    if settings.trail_key is not None:
        signing_key(settings.trail_key, make=False)  # told now, and not at the first export
    with ExitStack() as stack:
        ehr, store, worker = stack.enter_context(_workshop(settings, watch))
        listening = stack.enter_context(ExitStack())
        entrances = Entrances(settings, store, ehr, worker)
        desk = stack.enter_context(_desk(settings, store, ehr))
        app = create_app(
            desk,
            entrances.take_hint,
            secret,
            *entrances.cds_routes(),
            *_operations(settings, store, worker),
            jwks_router(settings.signing_keys),
        )
        # It listens before it works, for the EHR checks our first request's signature with the
        # keys that it fetches here; and for no longer, so that nobody meets a stopped worker.
        address = listening.enter_context(serve(app, settings.host, settings.port))
        stack.enter_context(worker)
        stack.callback(listening.close)
        stack.enter_context(entrances.open(settings.public_url or address, secret))
        yield Service(address, store, worker)


@contextmanager
def lone_worker(settings: Settings) -> Iterator[Worker]:
    """Runs studies, and nothing else, while the context lasts.

    Raises:
        SettingsRefused: as :func:`service` does; also where the database is a file, whose only
            worker is in the service.
        UsageError: as :func:`service` does.
    """
    if make_url(settings.store_url).get_backend_name() == "sqlite":
        raise SettingsRefused(
            f"{PREFIX}DATABASE_URL",
            "an SQLite database has one worker, which is in the service",
            "name a PostgreSQL here and there, or use somnoaudit serve",
        )
    with _workshop(settings, lambda _moment: None) as (_, _, worker), worker:
        yield worker


@contextmanager
def _workshop(settings: Settings, watch: Watch) -> Iterator[tuple[FhirClient, Store, Worker]]:
    """What service and worker have in common: the EHR, the store, and who is to work on both."""
    stager = with_second_opinion(
        make_stager(settings.stager, settings.model), settings.stager, settings.second_opinion
    )
    names = load_channel_names(settings.channels) if settings.channels else None
    store = Store.open(settings.store_url)
    ehr_watch = EhrWatch(store, settings.fhir_url)
    try:
        with connect(settings, ehr_watch.hooks) as ehr:
            steps = EhrSteps(
                ehr,
                store,
                stager,
                settings.data / "studies",
                utc_now,
                names,
                watch=ehr_watch,
                anchors=AnchorFile(settings.anchors),
                audit_events=settings.audit_events,
            )
            worker = Worker(
                store,
                settings.store_url,
                steps,
                watch,
                lease_s=settings.lease_seconds,
                sweep=lambda: steps.purge(settings.retention),
            )
            yield ehr, store, worker
    finally:
        store.close()


def until_told_to_stop(worker: Worker | None = None) -> None:
    """Returns when this process is interrupted or told to end; the contexts around it close.

    Raises:
        ServerFailed: the worker was given up by the others, and is to be started again.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(_LOOK_EACH_S):
        if worker is not None and worker.gone.is_set():
            raise ServerFailed(
                "the database did not hear of this worker for longer than its lease, and its "
                "work went to others; start it again"
            )


def end_process() -> NoReturn:
    """Ends this process now, once all its contexts are closed.

    A step that waits for the EHR would keep it for minutes, and it goes on with the next worker
    anyway. What is in memory would all be looked through once more before Python ends: a second,
    and ten on a busy machine.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@contextmanager
def _desk(settings: Settings, store: Store, ehr: FhirClient) -> Iterator[Desk]:
    names = load_channel_names(settings.channels) if settings.channels else None
    studies = OpenStudies(store, _recordings(settings.data / "studies"), names)
    reviews = ReviewStore(store.sessions)

    def written(study_id: str, signature: Signature) -> None:
        lacks = {"problem": signature.problem} if signature.problem else {}
        details = {"signature": signature.number, **lacks}
        store.tell(Action.SIGNATURE_WRITTEN, study_id, details)

    with Outbox(store, reviews, studies, ehr, written) as outbox:
        yield Desk(
            store,
            studies,
            reviews,
            outbox.wake,
            settings.smart_app,
            settings.local_login,
            lambda: signing_key(settings.signing_key_path, make=settings.trail_key is None),
        )


def _operations(settings: Settings, store: Store, worker: Worker) -> tuple[APIRouter, ...]:
    readiness = Readiness(
        {
            "database": database_answers(store.sessions),
            "ehr": ehr_answers(settings.fhir_url),
            "worker": lambda: worker.is_running,
        }
    )
    return probe_routes(readiness), metrics_routes(Metrics(store, readiness))


def _recordings(folder: Path) -> RecordingOf:
    def recording_of(study_id: str) -> Path | None:
        return next(folder.joinpath(study_id).glob("recording.?df"), None)

    return recording_of


def _webhook_secret(settings: Settings) -> str:
    """The secret as set; otherwise one of our own making, the same at each start."""
    if settings.webhook_secret is not None:
        return settings.webhook_secret.get_secret_value()
    return kept_secret(settings.data / "webhook-secret")
