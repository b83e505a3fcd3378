"""Puts sleep studies into an EHR, as a hospital's sleep laboratory would."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from connector.fhir import FhirClient, reference_to

POLYSOMNOGRAPHY = {"coding": [{"system": "http://loinc.org", "code": "28633-6"}]}
CONTENT = b"0       " + bytes(range(256)) * 40


@dataclass(frozen=True)
class PlacedStudy:
    patient: str
    order: str
    document: str


@dataclass
class Laboratory:
    """Each field replaces elements of a resource that is otherwise in order.

    An element of None is left out.
    """

    order: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    attachment: dict[str, Any] = field(default_factory=dict)

    def place(self, fhir: FhirClient) -> PlacedStudy:
        patient = reference_to(fhir.create({"resourceType": "Patient"}))
        order = reference_to(
            fhir.create(
                _with(
                    {
                        "resourceType": "ServiceRequest",
                        "status": "active",
                        "intent": "order",
                        "code": POLYSOMNOGRAPHY,
                        "subject": {"reference": patient},
                    },
                    self.order,
                )
            )
        )
        document = _with(
            {
                "resourceType": "DocumentReference",
                "status": "current",
                "masterIdentifier": {"system": "urn:example:recordings", "value": str(uuid4())},
                "subject": {"reference": patient},
                "content": [{"attachment": _with(self._attachment(fhir), self.attachment)}],
                "context": {
                    "related": [{"reference": patient}, {"reference": order}],
                    "period": {
                        "start": "2026-01-01T22:30:00+01:00",
                        "end": "2026-01-02T06:30:00+01:00",
                    },
                },
            },
            self.document,
        )
        return PlacedStudy(patient, order, reference_to(fhir.create(document)))

    def _attachment(self, fhir: FhirClient) -> dict[str, Any]:
        binary = {
            "resourceType": "Binary",
            "contentType": "application/edf",
            "data": base64.b64encode(CONTENT).decode(),
        }
        return {
            "contentType": "application/edf",
            "url": reference_to(fhir.create(binary)),
            "size": len(CONTENT),
            "hash": base64.b64encode(hashlib.sha1(CONTENT).digest()).decode(),
        }


def _with(resource: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (resource | changes).items() if value is not None}
