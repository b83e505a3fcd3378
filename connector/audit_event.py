"""FHIR AuditEvents of what somnoaudit reads and writes, by IHE Basic Audit Log Patterns.

The profiles are those of BALP 1.1.3 (https://profiles.ihe.net/ITI/BALP): Read, Query, Create and
Update, each with and without a known patient. They are for successful interactions, and each
names one resource; a query names its criteria.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from fhir.resources.R4B.auditevent import AuditEvent

from connector import codes
from connector.exchange import Exchange, Interaction
from connector.fhir import Resource

_PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_SENDER, _RECEIVER = "110153", "110152"  # Source Role ID, Destination Role ID
_MACHINE, _URI = "1", "5"  # http://hl7.org/fhir/R4/valueset-network-type.html
_ENTITY_TYPES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLES = "http://terminology.hl7.org/CodeSystem/object-role"

# BALP's pattern of each interaction, its restful-interaction code, and the action's letter
# (http://hl7.org/fhir/R4/valueset-audit-event-action.html).
_PATTERNS = {
    Interaction.READ: ("Read", "read", "R"),
    Interaction.SEARCH: ("Query", "search-type", "E"),
    Interaction.CREATE: ("Create", "create", "C"),
    Interaction.UPDATE: ("Update", "update", "U"),
    Interaction.PATCH: ("Update", "patch", "U"),
    Interaction.TRANSACTION: ("Create", "create", "C"),
}


def audit_events(
    exchange: Exchange, server: str, machine: str, patient: str | None
) -> Iterator[Resource]:
    """One AuditEvent for each resource of a successful exchange; none of what has no pattern.

    Args:
        exchange: what was done.
        server: the EHR's base address.
        machine: the name of this machine.
        patient: "Patient/7", whose data it was; None where that is not known.
    """
    if not exchange.succeeded or exchange.interaction not in _PATTERNS:
        return
    if exchange.interaction is Interaction.SEARCH:
        searched = exchange.references[0].partition("/")[0]
        yield _built(exchange, server, machine, patient, _query(searched, exchange.query))
        return
    for reference in exchange.references:
        yield _built(exchange, server, machine, patient, _data(reference))


def _built(
    exchange: Exchange, server: str, machine: str, patient: str | None, entity: Resource
) -> Resource:
    pattern, interaction, action = _PATTERNS[exchange.interaction]
    profile = f"{_PROFILES}.{'Patient' if patient else ''}{pattern}"
    # Data flow to the client in a read alone; a query flows to the server, as BALP has it.
    roles = (_RECEIVER, _SENDER) if pattern == "Read" else (_SENDER, _RECEIVER)
    elements = {
        "meta": {"profile": [profile]},
        "type": codes.coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest"),
        "subtype": [codes.coding("http://hl7.org/fhir/restful-interaction", interaction)],
        "action": action,
        "recorded": exchange.at.isoformat(timespec="milliseconds"),
        "outcome": "0",
        "agent": [
            _agent(roles[0], machine, machine, _MACHINE),
            _agent(roles[1], server, server, _URI),
        ],
        "source": {"observer": {"display": f"somnoaudit on {machine}"}},
        "entity": [entity, *([_patient(patient)] if patient else [])],
    }
    resource: Resource = json.loads(AuditEvent.model_validate(elements).model_dump_json())
    return resource


def _agent(role: str, name: str, address: str, kind: str) -> dict[str, Any]:
    return {
        "type": {"coding": [codes.coding(_DICOM, role)]},
        "who": {"display": name},
        "requestor": False,
        "network": {"address": address, "type": kind},
    }


def _data(reference: str) -> Resource:
    return {
        "type": codes.coding(_ENTITY_TYPES, "2"),
        "role": codes.coding(_ROLES, "4"),
        "what": {"reference": reference},
    }


def _query(resource_type: str, criteria: str) -> Resource:
    sent = f"{resource_type}?{criteria}"
    return {
        "type": codes.coding(_ENTITY_TYPES, "2"),
        "role": codes.coding(_ROLES, "24"),
        "query": base64.b64encode(sent.encode()).decode(),
    }


def _patient(reference: str) -> Resource:
    return {
        "type": codes.coding(_ENTITY_TYPES, "1"),
        "role": codes.coding(_ROLES, "1"),
        "what": {"reference": reference},
    }
