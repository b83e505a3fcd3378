"""A FHIR server of a hundred lines, for faults that no real one can be asked for.

It keeps resources in memory and holds every condition that it is given. What goes wrong, and
when, a test says by ``fault``.
"""

import base64
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from scripted import Answer, Request, ScriptedServer

Resource = dict[str, Any]


def as_json(resource: object, status: int = 200, **headers: str) -> Answer:
    body = json.dumps(resource).encode()
    return Answer(status, body, {"Content-Type": "application/fhir+json", **headers})


@dataclass(frozen=True)
class Fault:
    """What is sent in place of the right answer; with ``done``, after the work was done."""

    answer: Answer
    done: bool = False


@dataclass
class TinyEhr:
    """Runs on a scripted server.

    Attributes:
        fault: asked at each request, by its name, as "POST Observation", and how many there
            have been of that name before.
        transactions: "whole", "batch" (carried out, but not as one) or "none".
    """

    server: ScriptedServer
    fault: Callable[[str, int], Fault | None] = lambda _name, _before: None
    transactions: str = "whole"
    stored: dict[str, Resource] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.server.script = self.answer

    def answer(self, request: Request) -> Answer:
        url = urlsplit(request.path)
        path = url.path.removeprefix("/fhir").strip("/").split("/")
        name = f"{request.method} {path[0] or 'transaction'}"
        with self.lock:
            fault = self.fault(name, self.asked[name])
            self.asked[name] += 1
            if fault is None or fault.done:
                body = json.loads(request.body) if request.body else None
                right = self.carried_out(request, path, dict(parse_qsl(url.query)), body)
            return fault.answer if fault else right

    def carried_out(
        self, request: Request, path: list[str], query: dict[str, str], body: Any
    ) -> Answer:
        match request.method, path:
            case "GET", ["metadata"]:
                code = "batch" if self.transactions == "none" else "transaction"
                rest = [{"mode": "server", "interaction": [{"code": code}]}]
                return as_json({"resourceType": "CapabilityStatement", "rest": rest})
            case "GET", [kind]:
                return self.searched(kind, query)
            case "GET", ["Binary", id_]:
                content = base64.b64decode(self.stored[f"Binary/{id_}"]["data"])
                return Answer(200, content, {"Content-Type": "application/edf"})
            case "GET", [kind, id_]:
                found = self.stored.get(f"{kind}/{id_}")
                return as_json(found) if found else Answer(404)
            case "POST", [""]:
                return self.bundle(body)
            case "POST", [_]:
                status, resource = self.created(body, request.headers.get("If-None-Exist"))
                return as_json(resource, status) if resource else Answer(status)
            case "DELETE", [kind, id_]:
                return Answer(204 if self.stored.pop(f"{kind}/{id_}", None) else 404)
            case (("PUT" | "PATCH"), [kind, id_]):
                return self.changed(f"{kind}/{id_}", request, body)
        return Answer(405)

    def searched(self, kind: str, query: dict[str, str]) -> Answer:
        entry = [{"resource": found} for found in self.matching(kind, query)]
        return as_json({"resourceType": "Bundle", "type": "searchset", "entry": entry})

    def matching(self, kind: str, query: dict[str, str]) -> list[Resource]:
        found = [r for name, r in self.stored.items() if name.startswith(f"{kind}/")]
        for parameter, value in query.items():
            found = [r for r in found if self.matches(r, parameter, value)]
        return found

    def matches(self, resource: Resource, parameter: str, value: str) -> bool:
        if parameter == "_id":
            return bool(resource["id"] == value)
        if parameter == "identifier":
            own = [f"{i['system']}|{i['value']}" for i in resource.get("identifier", [])]
            return any(each in own for each in value.split(","))
        if parameter == "status":
            return bool(resource.get("status") == value)
        return f'"reference": "{value}"' in json.dumps(resource)

    def created(self, resource: Resource, condition: str | None) -> tuple[int, Resource | None]:
        kind = resource["resourceType"]
        if condition is not None:
            found = self.matching(kind, dict(parse_qsl(condition)))
            if found:
                return (200, found[0]) if len(found) == 1 else (412, None)
        number = len(self.stored) + 1 + sum(self.asked.values())
        meta = {"versionId": "1", "lastUpdated": f"2026-01-02T00:00:00.{number:06d}Z"}
        stored = {**resource, "id": str(number), "meta": meta}
        self.stored[f"{kind}/{number}"] = stored
        return 201, stored

    def changed(self, name: str, request: Request, body: Any) -> Answer:
        found = self.stored.get(name)
        if found is None:
            return Answer(404)
        version = found["meta"]["versionId"]
        if request.headers.get("If-Match", f'W/"{version}"') != f'W/"{version}"':
            return Answer(412)
        if request.method == "PATCH":
            body = found | {each["path"].removeprefix("/"): each["value"] for each in body}
        meta = {**found["meta"], "versionId": str(int(version) + 1)}
        self.stored[name] = {**body, "id": found["id"], "meta": meta}
        return as_json(self.stored[name])

    def bundle(self, bundle: Resource) -> Answer:
        if self.transactions == "none":
            return Answer(400)
        results, ids = [], {}
        for entry in bundle["entry"]:
            text = json.dumps(entry["resource"])
            if self.transactions == "whole":
                for full_url, reference in ids.items():
                    text = text.replace(full_url, reference)
            condition = entry["request"].get("ifNoneExist")
            status, resource = self.created(json.loads(text), condition)
            assert resource is not None
            reference = f"{resource['resourceType']}/{resource['id']}"
            ids[entry["fullUrl"]] = reference
            results.append({"response": {"status": f"{status}", "location": reference}})
        kind = "transaction-response" if self.transactions == "whole" else "batch-response"
        return as_json({"resourceType": "Bundle", "type": kind, "entry": results})
