"""A real FHIR server for the connector's tests, and a scripted one for what goes wrong."""

import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import stamina
from databases import database_url, postgresql  # noqa: F401 fixtures for the tests here
from scripted import ScriptedServer, make_server
from sqlalchemy.orm import Session, sessionmaker

from connector.demo_ehr import DemoEhr
from connector.fhir import FhirClient
from connector.store import Store


@pytest.fixture(scope="session")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoEhr]:
    """sekmet-fhir in a process of its own; each test brings its own patient."""
    with DemoEhr(tmp_path_factory.mktemp("ehr")) as running:
        yield running


@pytest.fixture
def fhir(ehr: DemoEhr) -> Iterator[FhirClient]:
    with FhirClient(ehr.base_url) as client:
        yield client


@pytest.fixture
def scripted_server() -> Iterator[Callable[[], ScriptedServer]]:
    """Starts servers on loopback that answer as a test scripts them."""
    running: list[ThreadingHTTPServer] = []

    def start() -> ScriptedServer:
        scripted, server = make_server()
        running.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        return scripted

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[sessionmaker[Session]]:
    """Of an empty store."""
    store = Store.open(f"sqlite:///{tmp_path / 'store' / 'somnoaudit.db'}")
    yield store.sessions
    store.close()


@pytest.fixture
def no_backoff() -> Iterator[None]:
    """Retries happen, at once."""
    with stamina.set_testing(True, attempts=3):
        yield
