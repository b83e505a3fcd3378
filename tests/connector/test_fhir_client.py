"""The FHIR client, against a real server and against scripted faults on a real socket."""

import base64
import hashlib
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import Answer, Request, ScriptedServer

from auditor.errors import UsageError
from connector.binary_json import NotABinary, decode_binary
from connector.demo_ehr import DemoEhr
from connector.fhir import (
    AddressRefused,
    BadAnswer,
    Conflict,
    FhirClient,
    FhirError,
    Forbidden,
    NotFound,
    NotSupported,
    PreconditionFailed,
    ServerBroken,
    ServerDown,
    Throttled,
    Unauthorized,
    Unprocessable,
    reference_to,
)

StartServer = Callable[[], ScriptedServer]
SYSTEM = "urn:example:mrn"


def patient(mrn: str | None = None, **elements: Any) -> dict[str, Any]:
    identifier = [{"system": SYSTEM, "value": mrn or str(uuid4())}]
    return {"resourceType": "Patient", "identifier": identifier, **elements}


def by_mrn(mrn: str) -> dict[str, str]:
    return {"identifier": f"{SYSTEM}|{mrn}"}


def as_json(resource: object, status: int = 200, **headers: str) -> Answer:
    body = json.dumps(resource).encode()
    return Answer(status, body, {"Content-Type": "application/fhir+json", **headers})


def searchset(*resources: dict[str, Any], next_url: str | None = None) -> Answer:
    link = [{"relation": "next", "url": next_url}] if next_url else []
    entry = [{"resource": resource} for resource in resources]
    return as_json({"resourceType": "Bundle", "type": "searchset", "link": link, "entry": entry})


class Bearer(httpx.Auth):
    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:
        request.headers["Authorization"] = "Bearer secret"
        yield request


# ── against a real server ─────────────────────────────────────────────────────────────────


def test_what_is_created_can_be_read(fhir: FhirClient) -> None:
    created = fhir.create(patient(gender="female"))
    assert fhir.read("Patient", created["id"])["gender"] == "female"


def test_a_conditional_create_creates_once(fhir: FhirClient) -> None:
    mrn = str(uuid4())
    first = fhir.create(patient(mrn), if_none_exist=by_mrn(mrn))
    second = fhir.create(patient(mrn), if_none_exist=by_mrn(mrn))
    assert second["id"] == first["id"]
    assert len(list(fhir.search("Patient", by_mrn(mrn)))) == 1


def test_a_criterion_may_hold_any_character(fhir: FhirClient) -> None:
    mrn = f"a b&c=d+é/{uuid4()}"
    created = fhir.create(patient(mrn), if_none_exist=by_mrn(mrn))
    assert fhir.create(patient(mrn), if_none_exist=by_mrn(mrn))["id"] == created["id"]


def test_a_search_goes_over_all_pages(fhir: FhirClient) -> None:
    family = f"F{uuid4().hex}"
    created = {fhir.create(patient(name=[{"family": family}]))["id"] for _ in range(5)}
    found = [p["id"] for p in fhir.search("Patient", {"family": family, "_count": "2"})]
    assert len(found) == 5
    assert set(found) == created


def test_a_parameter_that_the_server_does_not_know_is_not_ignored(fhir: FhirClient) -> None:
    with pytest.raises(Unprocessable):
        list(fhir.search("Patient", {"shoe-size": "44"}))


def test_an_update_holds_only_for_the_version_that_was_read(fhir: FhirClient) -> None:
    read = fhir.create(patient())
    fhir.update({**read, "gender": "female"})
    with pytest.raises(PreconditionFailed):
        fhir.update({**read, "gender": "male"})
    assert fhir.read("Patient", read["id"])["gender"] == "female"


def test_a_patch_changes_only_what_it_names(fhir: FhirClient) -> None:
    read = fhir.create(patient(gender="female", birthDate="1970-01-01"))
    patched = fhir.patch(read, [{"op": "replace", "path": "/gender", "value": "other"}])
    assert (patched["gender"], patched["birthDate"]) == ("other", "1970-01-01")
    with pytest.raises(PreconditionFailed):
        fhir.patch(read, [{"op": "remove", "path": "/gender"}])


def test_a_transaction_does_all_or_nothing(fhir: FhirClient) -> None:
    mrn = str(uuid4())
    good = {"request": {"method": "POST", "url": "Patient"}, "resource": patient(mrn)}
    missing = {"request": {"method": "GET", "url": "Patient/none"}}
    with pytest.raises(NotFound):
        fhir.transaction([good, missing])
    assert list(fhir.search("Patient", by_mrn(mrn))) == []
    (result,) = fhir.transaction([good])
    assert result["response"]["status"].startswith("201")


def test_a_binary_is_downloaded_whole(fhir: FhirClient, tmp_path: Path) -> None:
    content = bytes(range(256)) * 9001
    binary = fhir.create(
        {
            "resourceType": "Binary",
            "contentType": "application/octet-stream",
            "data": base64.b64encode(content).decode(),
        }
    )
    target = tmp_path / "night.edf"
    sha1 = base64.b64encode(hashlib.sha1(content).digest()).decode()
    fhir.download(reference_to(binary), target, size=len(content), sha1_base64=sha1)
    assert target.read_bytes() == content
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_names_server_verb_type_and_element(fhir: FhirClient) -> None:
    with pytest.raises(Unprocessable) as caught:
        fhir.create({"resourceType": "Observation", "status": "final"})
    message = str(caught.value)
    assert fhir.server in message
    assert "POST Observation" in message
    assert "structure at Observation.code" in message
    assert "\n" not in message


# ── answers that are not as wished ────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, BadAnswer),
        (400, Unprocessable),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (405, NotSupported),
        (409, Conflict),
        (410, NotFound),
        (412, PreconditionFailed),
        (422, Unprocessable),
        (429, Throttled),
        (500, ServerBroken),
        (408, ServerDown),
        (501, NotSupported),
        (502, ServerDown),
        (503, ServerDown),
        (504, ServerDown),
        (599, ServerBroken),
    ],
)
@pytest.mark.usefixtures("no_backoff")
def test_every_status_has_its_error(
    scripted_server: StartServer, status: int, kind: type[FhirError]
) -> None:
    server = scripted_server()
    server.answers(Answer(status))
    with FhirClient(server.base_url) as client, pytest.raises(FhirError) as caught:
        client.read("Patient", "1")
    assert type(caught.value) is kind
    assert str(status) in str(caught.value)


def test_an_error_outlives_a_process_border() -> None:
    error = Throttled("ehr:443", "GET Patient", "answered 429", 7.0)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.retry_after_s) == (str(error), 7.0)


def test_what_an_outcome_says_in_free_text_is_not_passed_on(scripted_server: StartServer) -> None:
    server = scripted_server()
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "duplicate",
                "diagnostics": "Jane Doe, 1970-01-01",
                "details": {"text": "Jane Doe"},
                "expression": ["Patient.where(name = 'Jane Doe')", "Patient.name[0]"],
            },
            {"severity": "warning", "code": "informational"},
        ],
    }
    server.answers(as_json(outcome, 422))
    with FhirClient(server.base_url) as client, pytest.raises(Unprocessable) as caught:
        list(client.search("Patient", {"family": "Doe"}))
    assert "Doe" not in str(caught.value)
    assert "(duplicate at Patient.name[0])" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"[]", b'{"resourceType": "Bundle"}'),
        b'{"resourceType": "OperationOutcome"}',
        b'{"resourceType": "Patient"}',
        b'{"resourceType": "Patient", "id": 7}',
        b'{"resourceType": "Patient", "id": "../Doe"}',
        b'{"resourceType": "Patient", "id": "\\ud800"}',
        b'{"resourceType": "Patient", "id": "1", "x": ' + b"[" * 50_000,
    ],
    ids=lambda body: body[:50],
)
def test_an_answer_that_is_no_resource_is_refused(
    scripted_server: StartServer, body: bytes
) -> None:
    server = scripted_server()
    server.answers(Answer(body=body))
    with FhirClient(server.base_url) as client, pytest.raises(BadAnswer) as caught:
        client.read("Patient", "1")
    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize(
    "bundle",
    [
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "type": "history"},
        {"resourceType": "Bundle", "type": "searchset", "entry": "none"},
        {"resourceType": "Bundle", "type": "searchset", "entry": [{"fullUrl": "x"}]},
        {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": {"id": "1"}}]},
        {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": patient()}]},
    ],
)
def test_a_broken_searchset_is_refused(
    scripted_server: StartServer, bundle: dict[str, Any]
) -> None:
    server = scripted_server()
    server.answers(as_json(bundle))
    with FhirClient(server.base_url) as client, pytest.raises(BadAnswer):
        list(client.search("Patient", {}))


def test_only_matches_are_yielded(scripted_server: StartServer) -> None:
    server = scripted_server()
    entries = [
        {"resource": patient(id="1"), "search": {"mode": "match"}},
        {"resource": patient(id="2"), "search": {"mode": "include"}},
        {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}},
        {"resource": patient(id="4")},
    ]
    server.answers(as_json({"resourceType": "Bundle", "type": "searchset", "entry": entries}))
    with FhirClient(server.base_url) as client:
        assert [found["id"] for found in client.search("Patient", {})] == ["1", "4"]


def test_a_batch_in_place_of_a_transaction_is_told(scripted_server: StartServer) -> None:
    server = scripted_server()
    server.answers(as_json({"resourceType": "Bundle", "type": "batch-response", "entry": [{}]}))
    entry = {"request": {"method": "POST", "url": "Patient"}, "resource": patient()}
    with FhirClient(server.base_url) as client, pytest.raises(BadAnswer, match="transaction"):
        client.transaction([entry])


def test_a_created_resource_is_found_by_its_location(scripted_server: StartServer) -> None:
    server = scripted_server()

    def script(request: Request) -> Answer:
        if request.method == "POST":
            return Answer(201, headers={"Location": f"{server.base_url}/Patient/7/_history/1"})
        assert request.path == "/fhir/Patient/7"
        return as_json({"resourceType": "Patient", "id": "7"})

    server.script = script
    with FhirClient(server.base_url) as client:
        assert client.create(patient())["id"] == "7"


def test_a_match_without_body_or_location_is_searched_for(scripted_server: StartServer) -> None:
    server = scripted_server()

    def script(request: Request) -> Answer:
        if request.method == "POST":
            assert request.headers["If-None-Exist"] == "identifier=urn%3Aexample%3Amrn%7C9"
            return Answer(200)
        return searchset({"resourceType": "Patient", "id": "7"})

    server.script = script
    with FhirClient(server.base_url) as client:
        assert client.create(patient("9"), if_none_exist=by_mrn("9"))["id"] == "7"


# ── the credentials stay at home ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "leads_to",
    ["{thief}/fhir/Patient?page=2", "http://user:word@{home}/fhir/Patient?page=2", "//[x"],
)
def test_a_next_link_of_another_origin_is_refused(
    scripted_server: StartServer, leads_to: str
) -> None:
    home, thief = scripted_server(), scripted_server()
    url = leads_to.format(thief=thief.origin, home=home.origin.removeprefix("http://"))
    home.answers(searchset({"id": "1"}, next_url=url))
    with FhirClient(home.base_url, Bearer()) as client, pytest.raises(BadAnswer):
        list(client.search("Patient", {}))
    assert home.requests[0].headers["Authorization"] == "Bearer secret"
    assert len(home.requests) == 1
    assert thief.requests == []


@pytest.mark.parametrize("path", ["{thief}/night.edf", "//{thief_host}/night.edf", "file:///etc"])
def test_an_attachment_of_another_origin_is_refused(
    scripted_server: StartServer, tmp_path: Path, path: str
) -> None:
    home, thief = scripted_server(), scripted_server()
    url = path.format(thief=thief.origin, thief_host=thief.origin.removeprefix("http://"))
    with FhirClient(home.base_url, Bearer()) as client, pytest.raises(BadAnswer, match="another"):
        client.download(url, tmp_path / "night.edf")
    assert home.requests == thief.requests == []


def test_a_redirect_of_a_resource_is_not_followed(scripted_server: StartServer) -> None:
    home, thief = scripted_server(), scripted_server()
    home.answers(Answer(302, headers={"Location": f"{thief.origin}/fhir/Patient/1"}))
    with FhirClient(home.base_url, Bearer()) as client, pytest.raises(BadAnswer, match="302"):
        client.read("Patient", "1")
    assert thief.requests == []


def test_a_redirect_of_an_attachment_to_another_host_is_refused(
    scripted_server: StartServer, tmp_path: Path
) -> None:
    home, thief = scripted_server(), scripted_server()
    home.answers(Answer(302, headers={"Location": f"{thief.origin}/night.edf"}))
    with FhirClient(home.base_url, Bearer()) as client, pytest.raises(AddressRefused):
        client.download("Binary/1", tmp_path / "night.edf")
    assert thief.requests == []


def test_pages_in_a_circle_end(scripted_server: StartServer) -> None:
    server = scripted_server()
    server.script = lambda request: searchset(
        patient(id="1"), next_url=f"Patient?page={'2' if 'page=1' in request.path else '1'}"
    )
    with FhirClient(server.base_url) as client, pytest.raises(BadAnswer, match="circle"):
        list(client.search("Patient", {}))
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "base_url", ["", "ehr.example.org/fhir", "ftp://ehr/fhir", "http://", "http://u:p@ehr/fhir"]
)
def test_a_base_that_is_no_address_is_a_wrong_call(base_url: str) -> None:
    with pytest.raises(UsageError) as caught:
        FhirClient(base_url)
    assert "u:p" not in str(caught.value)


# ── retries ───────────────────────────────────────────────────────────────────────────────

FOUND = as_json({"resourceType": "Patient", "id": "1"})


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize(
    "fault", [Answer(429), Answer(502), Answer(503), Answer(504), Answer(body=b"{}", cut_after=1)]
)
def test_a_read_is_repeated(scripted_server: StartServer, fault: Answer) -> None:
    server = scripted_server()
    server.answers(fault, fault, FOUND)
    with FhirClient(server.base_url) as client:
        assert client.read("Patient", "1")["id"] == "1"
    assert len(server.requests) == 3


@pytest.mark.usefixtures("no_backoff")
def test_a_repetition_is_told_and_names_no_patient(
    scripted_server: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = scripted_server()
    server.answers(Answer(503), FOUND)
    with FhirClient(server.base_url) as client:
        client.read("Patient", "mrn-4711")
    (told,) = caplog.messages
    assert "GET Patient: " in told
    assert "trying again in 0.0 s" in told
    assert "mrn-4711" not in told


@pytest.mark.usefixtures("no_backoff")
def test_what_was_refused_is_not_asked_again(scripted_server: StartServer) -> None:
    server = scripted_server()
    server.answers(Answer(403))
    with FhirClient(server.base_url) as client, pytest.raises(Forbidden):
        client.read("Patient", "1")
    assert len(server.requests) == 1


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize(
    ("fault", "condition", "times"),
    [
        (Answer(503), None, 1),
        (Answer(body=b"{}", cut_after=1), None, 1),
        (Answer(503), {"identifier": "1"}, 3),
        # A throttled request was not carried out.
        (Answer(429), None, 3),
    ],
)
def test_a_create_is_repeated_only_where_it_cannot_create_twice(
    scripted_server: StartServer, fault: Answer, condition: dict[str, str] | None, times: int
) -> None:
    server = scripted_server()
    server.answers(fault)
    with FhirClient(server.base_url) as client, pytest.raises(FhirError):
        client.create(patient(), if_none_exist=condition)
    assert len(server.requests) == times


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize(
    ("request_of_entry", "times"),
    [
        ({"method": "POST", "url": "Patient"}, 1),
        ({"method": "POST", "url": "Patient", "ifNoneExist": "identifier=1"}, 3),
        ({"method": "PUT", "url": "Patient/1"}, 3),
        ({"method": "PATCH", "url": "Patient/1"}, 1),
        ({"method": "PATCH", "url": "Patient/1", "ifMatch": 'W/"1"'}, 3),
    ],
)
def test_a_transaction_is_repeated_only_where_all_of_it_can_be(
    scripted_server: StartServer, request_of_entry: dict[str, str], times: int
) -> None:
    server = scripted_server()
    server.answers(Answer(503))
    with FhirClient(server.base_url) as client, pytest.raises(ServerDown):
        client.transaction([{"request": request_of_entry}])
    assert len(server.requests) == times


def test_retry_after_is_honoured(scripted_server: StartServer) -> None:
    server = scripted_server()
    server.answers(Answer(503, headers={"Retry-After": "0"}), FOUND)
    with FhirClient(server.base_url) as client:
        assert client.read("Patient", "1")["id"] == "1"


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("value", ["", "²", "-5", "soon", "Fri, 99 Foo 99999"])
def test_a_retry_after_that_says_nothing_is_passed_over(
    scripted_server: StartServer, value: str
) -> None:
    server = scripted_server()
    server.answers(Answer(503, headers={"Retry-After": value}), FOUND)
    with FhirClient(server.base_url) as client:
        assert client.read("Patient", "1")["id"] == "1"


@pytest.mark.parametrize("value", ["3600", "Fri, 31 Dec 2999 23:59:59 GMT"])
def test_a_server_that_wants_an_hour_of_rest_is_left_to_the_caller(
    scripted_server: StartServer, value: str
) -> None:
    server = scripted_server()
    server.answers(Answer(429, headers={"Retry-After": value}))
    with FhirClient(server.base_url) as client, pytest.raises(Throttled) as caught:
        client.read("Patient", "1")
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s >= 3600
    assert len(server.requests) == 1


@pytest.mark.usefixtures("no_backoff")
def test_a_server_that_is_away_is_named() -> None:
    with FhirClient("http://127.0.0.1:9/fhir") as client, pytest.raises(ServerDown) as caught:
        client.read("Patient", "1")
    assert "127.0.0.1:9: GET Patient: no connection" in str(caught.value)


def test_this_machine_is_not_asked_for_through_a_proxy(
    ehr: DemoEhr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with FhirClient(ehr.base_url) as client:
        assert client.create(patient())["id"]


# ── downloads ─────────────────────────────────────────────────────────────────────────────

CONTENT = b"EDF" * 1000
SHA1 = base64.b64encode(hashlib.sha1(CONTENT).digest()).decode()


def raw(content: bytes = CONTENT, **changes: Any) -> Answer:
    return Answer(body=content, headers={"Content-Type": "application/edf"}, **changes)


@pytest.mark.parametrize("url", ["Binary/1", "/fhir/Binary/1", "{origin}/files/night.edf?sig=1"])
def test_raw_bytes_are_taken_from_any_address_of_the_server(
    scripted_server: StartServer, tmp_path: Path, url: str
) -> None:
    server = scripted_server()
    server.answers(raw())
    target = tmp_path / "night.edf"
    with FhirClient(server.base_url) as client:
        client.download(url.format(origin=server.origin), target, size=3000, sha1_base64=SHA1)
    assert target.read_bytes() == CONTENT
    assert server.requests[0].path in ("/fhir/Binary/1", "/files/night.edf?sig=1")


@pytest.mark.parametrize(
    ("size", "sha1", "said"),
    [
        (2999, None, "more than the 2999 bytes that the attachment says"),
        (3000, SHA1.swapcase(), "SHA-1"),
        (None, "not base64!", "not base64"),
        (None, "größer", "not base64"),
        (3001, None, "3000 bytes where the attachment says 3001"),
    ],
)
def test_a_wrong_file_is_refused_and_leaves_the_old_one(
    scripted_server: StartServer, tmp_path: Path, size: int | None, sha1: str | None, said: str
) -> None:
    server = scripted_server()
    server.answers(raw())
    target = tmp_path / "night.edf"
    target.write_bytes(b"old")
    with FhirClient(server.base_url) as client, pytest.raises(BadAnswer, match=said):
        client.download("Binary/1", target, size=size, sha1_base64=sha1)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("no_backoff")
def test_a_download_that_breaks_off_starts_again(
    scripted_server: StartServer, tmp_path: Path
) -> None:
    server = scripted_server()
    server.answers(raw(cut_after=1500), raw(), raw())
    with FhirClient(server.base_url) as client:
        client.download("Binary/1", tmp_path / "night.edf")
    assert (tmp_path / "night.edf").read_bytes() == CONTENT


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"resourceType": "Binary"}'])
def test_json_that_is_no_binary_is_refused(
    scripted_server: StartServer, tmp_path: Path, body: bytes
) -> None:
    server = scripted_server()
    server.answers(Answer(body=body, headers={"Content-Type": "application/fhir+json"}))
    with FhirClient(server.base_url) as client, pytest.raises(BadAnswer, match="no attachment"):
        client.download("Binary/1", tmp_path / "night.edf")
    assert list(tmp_path.iterdir()) == []


# ── Binary in JSON ────────────────────────────────────────────────────────────────────────


def pieces_of(content: bytes, size: int) -> Iterator[bytes]:
    return (content[i : i + size] for i in range(0, len(content), size))


def escaped(text: str) -> str:
    """As writers do that escape what JSON lets them escape, with lines of 76."""
    lines = "\\r\\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    return lines.replace("/", "\\/").replace("+", "\\u002B")


@given(st.binary(max_size=400), st.integers(1, 50), st.booleans(), st.booleans())
def test_a_binary_is_decoded_however_it_is_cut_and_written(
    content: bytes, piece_size: int, escape: bool, data_first: bool
) -> None:
    text = base64.b64encode(content).decode()
    data = f'"data" : "{escaped(text) if escape else text}"'
    kind = '"resourceType":"Binary","contentType":"a\\"data\\":\\"b"'
    document = "{" + ",".join([data, kind] if data_first else [kind, data]) + "}"
    assert b"".join(decode_binary(pieces_of(document.encode(), piece_size))) == content


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"resourceType":"Binary","data":"QUJ', "ends within"),
        ('{"resourceType":"Binary","data":"QUJ"}', "cut off"),
        ('{"resourceType":"Binary","data":"QU*D"}', "not base64"),
        ('{"resourceType":"Binary","data":"QUJD"', "not JSON"),
        ('{"resourceType":"Media","data":"QUJD"}', "not a Binary"),
        ('{"resourceType":"Binary","extension":[{"data":"QUJD"}]}', "not where"),
        ('{"resourceType":"Binary","data":"QU\\xJD"}', "not a JSON string"),
        ('{"resourceType":"OperationOutcome"}', "no data"),
    ],
)
def test_what_is_no_binary_is_told(document: str, said: str) -> None:
    with pytest.raises(NotABinary, match=said):
        list(decode_binary(pieces_of(document.encode(), 7)))
