"""The whole application against requests made up from its own OpenAPI: no answer is a 500."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error

from connector.app import create_app
from connector.cds_callers import Callers
from connector.cds_cards import Desk as CardDesk
from connector.cds_hooks import cds_routes
from connector.desk.login import COOKIE
from connector.desk.opened import OpenStudies
from connector.desk.people import DeskRole, Person
from connector.desk.review_store import ReviewStore
from connector.desk.sessions import Sessions
from connector.hooks import HOOK
from connector.jwks import jwks_router
from connector.metrics import Metrics, metrics_routes
from connector.mount import Desk
from connector.probes import Readiness, probe_routes
from connector.store import Store
from connector.used_tokens import UsedTokens

SECRET = "a-secret-of-the-tests"
URL = "http://testserver"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder: Path = tmp_path_factory.mktemp("openapi")
    opened = Store.open(f"sqlite:///{folder / 'somnoaudit.db'}")
    opened.add_study("0", "DocumentReference/12")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def token(store: Store) -> str:
    return Sessions(store.sessions).begin(Person("Dr. Example", DeskRole.ADMIN))


@pytest.fixture(scope="module")
def application(store: Store) -> schemathesis.BaseSchema:
    studies = OpenStudies(store, lambda _study: None)
    desk = Desk(store, studies, ReviewStore(store.sessions), signed=lambda: None, local_login=True)
    readiness = Readiness({"worker": lambda: True})
    app = create_app(
        desk,
        lambda _hint: None,
        SECRET,
        cds_routes(
            store,
            Callers({}, UsedTokens(store.sessions)),
            CardDesk(URL, False),
            URL,
            lambda _hint: None,
        ),
        probe_routes(readiness),
        metrics_routes(Metrics(store, readiness)),
        jwks_router(()),
    )
    return schemathesis.openapi.from_asgi("/openapi.json", app)


def test_no_request_breaks_the_application(
    application: schemathesis.BaseSchema, token: str
) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    operations = [each.ok() for each in application.get_all_operations()]
    assert {operation.path for operation in operations} >= {HOOK, "/", "/readyz", "/metrics"}
    for operation in operations:

        @given(operation.as_strategy())
        @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
        def holds(case: schemathesis.Case) -> None:
            response = case.call(headers=headers, cookies={COOKIE: token})
            case.validate_response(response, checks=[not_a_server_error])

        holds()
