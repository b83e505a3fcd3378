"""The auditor: measures the signal, reads what was claimed of it, and says what holds.

The pure core of somnoaudit. It knows no network, no clock, no FHIR and no model, and it
imports neither of the other two packages, so that it cannot depend on what it audits.
"""
