"""Codes, as data: what somnoaudit writes into an EHR is coded by these tables.

Where a standard has a code for a thing it stands beside ours; a code whose meaning is near but
not the same is left out. Codes carry no display text of others' terminologies, whose wording
changes by release: the words for a reader are our own, in ``text``.

Our own code system is published beside this module as ``codesystem.json``, a FHIR CodeSystem.
Only what it defines can be written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from auditor.vocabulary import SCORED_STAGES, Stage

LOINC = "http://loinc.org"
SNOMED_CT = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
_HL7 = "http://terminology.hl7.org/CodeSystem"

Coding = dict[str, Any]
Concept = dict[str, Any]


def coding(system: str, code: str) -> Coding:
    return {"system": system, "code": code}


# ── standards ─────────────────────────────────────────────────────────────────────────────

POLYSOMNOGRAPHY = coding(LOINC, "28633-6")
POLYSOMNOGRAPHY_ORDER = ((LOINC, "28633-6"), (SNOMED_CT, "60554003"))
ELECTRONEURO = coding(f"{_HL7}/v2-0074", "EN")
"""Diagnostic service section: EEG, EMG, evoked potentials and polysomnography."""
PROCEDURE = coding(f"{_HL7}/observation-category", "procedure")
AI_ASSERTED = coding(f"{_HL7}/v3-ObservationValue", "AIAST")
"""Security label: asserted by an artificial intelligence (HL7 AI Transparency on FHIR)."""
AUTHOR = coding(f"{_HL7}/provenance-participant-type", "author")
VERIFIER = coding(f"{_HL7}/provenance-participant-type", "verifier")
CREATED = coding(f"{_HL7}/v3-DataOperation", "CREATE")
UPDATED = coding(f"{_HL7}/v3-DataOperation", "UPDATE")
VERIFICATION_SIGNATURE = coding("urn:iso-astm:E1762-95:2013", "1.2.840.10065.1.12.1.5")
REVIEW_SIGNATURE = coding("urn:iso-astm:E1762-95:2013", "1.2.840.10065.1.12.1.13")
NOT_APPLICABLE = coding(f"{_HL7}/data-absent-reason", "not-applicable")

# LOINC 2.82. 103213-5 is named a duration and filed as a rate; the unit sent is minutes.
_LOINC_OF_OURS: Mapping[str, str] = MappingProxyType(
    {
        "total-sleep-time": "93832-4",
        "sleep-latency": "103212-7",
        "wake-after-sleep-onset": "103215-0",
        "time-in-bed": "103213-5",
        "awakenings": "103211-9",
        "n3-time": "93831-6",
        "r-time": "93829-0",
    }
)

# ── ours ──────────────────────────────────────────────────────────────────────────────────

IDENTIFIERS = "urn:uuid:c587820f-0cf5-4bfb-8ba2-408519ae1aa7"
"""System of the identifiers that somnoaudit gives to what it writes."""


@cache
def code_system() -> Mapping[str, Any]:
    """Our CodeSystem, as FHIR JSON."""
    text = files("connector").joinpath("codesystem.json").read_text(encoding="utf-8")
    return MappingProxyType(json.loads(text))


@cache
def _concepts() -> Mapping[str, Mapping[str, Any]]:
    return {concept["code"]: concept for concept in code_system()["concept"]}


def concept(code: str, text: str | None = None) -> Concept:
    """A CodeableConcept of our code and the standard one that means the same, if any.

    Args:
        code: of our code system; a KeyError is a defect.
        text: words for a reader; the concept's own name by default.
    """
    display = _concepts()[code]["display"]
    codings = [{**coding(code_system()["url"], code), "display": display}]
    if code in _LOINC_OF_OURS:
        codings.insert(0, coding(LOINC, _LOINC_OF_OURS[code]))
    return {"coding": codings, "text": text or display}


@cache
def hypnogram_values() -> Mapping[Stage, str]:
    """What stands for each stage in a hypnogram's SampledData: numbers, and E for not scored."""
    values = {Stage.UNSCORED: "E"}
    for stage in SCORED_STAGES:
        properties = _concepts()[f"stage-{stage.value.lower()}"]["property"]
        values[stage] = str(next(p["valueInteger"] for p in properties if "valueInteger" in p))
    return MappingProxyType(values)
