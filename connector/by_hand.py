"""Studies that a person names at a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from auditor.errors import InputRefused, UsageError
from connector.ehr import connect
from connector.ehr_settings import EhrSettings
from connector.exchange import EhrWatch
from connector.store import Store
from connector.stored import ROUTINE, utc_now
from connector.trigger import find_studies

_REFERENCE = re.compile(r"(DocumentReference|ServiceRequest)/[A-Za-z0-9.\-]{1,64}")


def queue_by_hand(settings: EhrSettings, store: Store, references: Iterable[str]) -> Iterator[str]:
    """Queues the studies that references lead to; says of each what came of it.

    Raises:
        UsageError: one is no reference.
        InputRefused: one leads to no study.
        FhirError: the EHR did not answer as it must.
    """
    chosen = tuple(references)
    for reference in chosen:
        if not _REFERENCE.fullmatch(reference):
            raise UsageError(f"{reference}: give one like DocumentReference/12")
    with connect(settings, EhrWatch(store, settings.fhir_url).hooks) as ehr:
        for reference in chosen:
            studies = find_studies(ehr, reference, utc_now())
            if not studies:
                raise InputRefused(
                    reference,
                    "leads to no current document of an order for polysomnography",
                    "check its status, its context.related and the order's code",
                )
            for study in studies:
                study_id = study["study_id"]
                is_new = store.add_study(study_id, study["source"], study.get("priority", ROUTINE))
                known = store.study(study_id)
                state = known.state.value if known else "gone"
                yield f"study {study_id} is {'queued' if is_new else f'known already: {state}'}"
