"""What can come of a request to a FHIR server, as one tree.

    ServerFailed
    └── FhirError
        ├── Unauthorized          401, and a token that is not given
        ├── Forbidden             403
        ├── NotFound              404, 410
        ├── Conflict              409
        ├── PreconditionFailed    412
        │   ├── VersionConflict       of an If-Match: another version is stored
        │   └── SeveralMatch          of a condition: several resources match
        ├── Unprocessable         every other 4xx: the server does not take what was sent
        │   └── NotSupported          405, 501: the server does not know this interaction
        ├── Throttled             429
        ├── ServerDown            408, 502, 503, 504, and connections that fail or break off
        ├── ServerBroken          every other 5xx
        └── BadAnswer             an answer that is not what FHIR says it must be
            ├── NoTransaction         a transaction that was not carried out as one
            ├── WrongAttachment       an attachment that is not what its resource says
            └── AddressRefused        an address to which somnoaudit does not go

A message names the server, the verb and the resource type. It leaves out the query and the
OperationOutcome's free text, for both may name a patient; of the outcome it quotes the issue
codes and element paths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import httpx
from pydantic import ValidationError

from auditor.errors import ServerFailed
from connector.fhir.bundles import OperationOutcome, Resource
from connector.fhir.waits import rest_asked_for_s


class FhirError(ServerFailed):
    """The FHIR server did not do what it was asked.

    Attributes:
        server: host and port.
        request: verb and resource type, as "POST Observation".
        problem: what came of it.
        retry_after_s: how long the server asks to be left alone; None where it does not say.
    """

    remedy = "look into the server's log"

    def __init__(
        self, server: str, request: str, problem: str, retry_after_s: float | None = None
    ) -> None:
        self.server = server
        self.request = request
        self.problem = problem
        self.retry_after_s = retry_after_s
        super().__init__(f"FHIR server {server}: {request}: {problem}; {self.remedy}")

    def __reduce__(self) -> tuple[type[FhirError], tuple[str, str, str, float | None]]:
        return type(self), (self.server, self.request, self.problem, self.retry_after_s)


class Unauthorized(FhirError):
    remedy = "check the credentials that somnoaudit was given for this server"


class Forbidden(FhirError):
    remedy = "let the server's administrator grant somnoaudit this interaction"


class NotFound(FhirError):
    remedy = "check that the server has it and that somnoaudit may see it"


class Conflict(FhirError):
    remedy = "read the resource again and repeat the change"


class PreconditionFailed(FhirError):
    remedy = "read the resource again and repeat, or remove duplicates of its identifier"


class VersionConflict(PreconditionFailed):
    remedy = "someone else changed it: read the resource again and repeat the change"


class SeveralMatch(PreconditionFailed):
    remedy = "several resources match: remove duplicates of its identifier"


class Unprocessable(FhirError):
    remedy = "compare with the server's CapabilityStatement and profiles"


class NotSupported(Unprocessable):
    pass


class Throttled(FhirError):
    remedy = "try again later, or let the server's administrator raise its limit"


class ServerDown(FhirError):
    remedy = "check that the server runs and can be reached, then try again"


class ServerBroken(FhirError):
    pass


class BadAnswer(FhirError):
    remedy = "check that the address is a FHIR R4 server's base, and look into its log"


class NoTransaction(BadAnswer):
    """
    Attributes:
        results: the entries of its answer all the same, where there is one for each that was
            sent; otherwise none.
    """

    results: Sequence[Resource] = ()
    remedy = "let the server's administrator look into how it treats transactions"


class WrongAttachment(BadAnswer):
    remedy = "store the file again, with its right size and hash"


class AddressRefused(BadAnswer):
    remedy = (
        "if that is right, allow the host by SOMNOAUDIT_ATTACHMENT_HOSTS, and a private network "
        "by SOMNOAUDIT_PRIVATE_NETWORKS"
    )


_ERROR_OF_STATUS: Mapping[int, type[FhirError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: NotSupported,
    408: ServerDown,
    409: Conflict,
    410: NotFound,
    412: PreconditionFailed,
    429: Throttled,
    501: NotSupported,
    502: ServerDown,
    503: ServerDown,
    504: ServerDown,
}


def error_of(server: str, request: str, response: httpx.Response) -> FhirError:
    """The error that an answer is; of a 412 by what the request had asked to hold."""
    status = response.status_code
    kind = _ERROR_OF_STATUS.get(status)
    if kind is None:
        kind = Unprocessable if 400 <= status < 500 else BadAnswer
        kind = ServerBroken if status >= 500 else kind
    if kind is PreconditionFailed:
        asked = response.request
        if "If-Match" in asked.headers:
            kind = VersionConflict
        elif "If-None-Exist" in asked.headers or (asked.method == "PUT" and asked.url.query):
            kind = SeveralMatch
    phrase = httpx.codes.get_reason_phrase(status)
    problem = f"answered {status} {phrase}".rstrip() + _issues(response)
    return kind(server, request, problem, rest_asked_for_s(status, response.headers))


def _issues(response: httpx.Response) -> str:
    """Codes and element paths of the errors in an OperationOutcome, in brackets."""
    try:
        said = OperationOutcome.model_validate_json(response.content).errors()
    except ValidationError:
        return ""
    return f" ({', '.join(said)})" if said else ""
