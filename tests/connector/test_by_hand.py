"""Studies that a person names at a terminal."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hospital import Laboratory

from auditor.errors import InputRefused, UsageError
from connector.by_hand import queue_by_hand
from connector.demo_ehr import DemoEhr
from connector.fhir import FhirClient
from connector.settings import Settings, load_settings
from connector.store import Store
from connector.study import find_studies


@pytest.fixture
def settings(ehr: DemoEhr, tmp_path: Path) -> Settings:
    return load_settings(fhir_url=ehr.base_url, data=tmp_path)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = Store.open(settings.store_url)
    yield opened
    opened.close()


def test_a_study_is_queued_once_by_its_document_or_its_order(
    fhir: FhirClient, settings: Settings, store: Store
) -> None:
    placed = Laboratory(order={"priority": "urgent"}).place(fhir)
    (order,) = find_studies(fhir, placed.document)
    said = list(queue_by_hand(settings, store, [placed.document, placed.order]))
    assert said == [
        f"study {order.id} is queued",
        f"study {order.id} is known already: queued",
    ]
    (queued,) = store.studies()
    assert (queued.id, queued.source, queued.priority) == (order.id, placed.document, 3)


def test_what_leads_to_no_study_is_refused(settings: Settings, store: Store) -> None:
    with pytest.raises(InputRefused, match="DocumentReference/no-such: leads to no current"):
        list(queue_by_hand(settings, store, ["DocumentReference/no-such"]))
    assert store.studies() == ()


@pytest.mark.parametrize("reference", ["Patient/1", "12", "DocumentReference/", "a,b"])
def test_what_is_no_reference_is_said(settings: Settings, store: Store, reference: str) -> None:
    with pytest.raises(UsageError, match="give one like DocumentReference/12"):
        list(queue_by_hand(settings, store, [reference]))
