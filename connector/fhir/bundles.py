"""What is read of Bundles and OperationOutcomes; the rest of them is passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel

Resource: TypeAlias = dict[str, Any]

_CODE = re.compile(r"[a-z][a-z-]{0,40}")
_ELEMENT_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]]{0,120}")
_MOST_ISSUES_TOLD = 5


class Link(BaseModel):
    relation: str
    url: str


class Search(BaseModel):
    mode: str = "match"


class Found(BaseModel):
    resource: Resource
    search: Search = Search()


class Page(BaseModel):
    """One page of a search's answer."""

    type: str
    link: list[Link] = []
    entry: list[Found] = []

    @property
    def matches(self) -> Iterator[Resource]:
        return (found.resource for found in self.entry if found.search.mode == "match")

    @property
    def next_url(self) -> str | None:
        return next((link.url for link in self.link if link.relation == "next"), None)


class Issue(BaseModel):
    severity: str
    code: str
    expression: list[str] = []


class OperationOutcome(BaseModel):
    resourceType: Literal["OperationOutcome"]  # noqa: N815 FHIR's name
    issue: list[Issue]

    def errors(self) -> list[str]:
        """Codes and element paths of what is wrong, and nothing that a person wrote."""
        said = []
        for issue in self.issue:
            if issue.severity in ("fatal", "error") and _CODE.fullmatch(issue.code):
                paths = [path for path in issue.expression if _ELEMENT_PATH.fullmatch(path)]
                said.append(f"{issue.code} at {paths[0]}" if paths else issue.code)
        return list(dict.fromkeys(said[:_MOST_ISSUES_TOLD]))


class _Interaction(BaseModel):
    code: str = ""


class _Rest(BaseModel):
    mode: str = ""
    interaction: list[_Interaction] = []


class CapabilityStatement(BaseModel):
    rest: list[_Rest] = []

    @property
    def offers_transactions(self) -> bool:
        return any(
            interaction.code == "transaction"
            for rest in self.rest
            if rest.mode == "server"
            for interaction in rest.interaction
        )


_TYPE = re.compile(r"[A-Za-z]{1,64}")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def is_identified(resource: Resource) -> bool:
    """Whether a resource can be referred to: others' code relies on that of every answer."""
    return all(
        isinstance(value := resource.get(element), str) and pattern.fullmatch(value)
        for element, pattern in (("resourceType", _TYPE), ("id", _ID))
    )


def reference_to(resource: Resource) -> str:
    """The relative reference to a stored resource: ``Patient/12``."""
    return f"{resource['resourceType']}/{resource['id']}"


def reference_in(location: str, resource_type: str) -> str | None:
    """The reference that a Location names, as "Patient/12"; None where it names none."""
    found = re.search(rf"{resource_type}/([A-Za-z0-9.\-]{{1,64}})(?:/_history/|$)", location)
    return found and f"{resource_type}/{found[1]}"
