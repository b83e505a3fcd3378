"""A FHIR R4 client that is careful with credentials, with others' resources, and with failure.

| module | holds |
|---|---|
| `client` | the interactions: read, search, create, update, patch, transaction, download |
| `attachments`, `partial` | downloads: streamed, resumed, verified |
| `attachment_hash` | the hash of what is downloaded, and of what is written |
| `foreign` | which other hosts are asked for attachments, and at which addresses |
| `wire`, `retries`, `waits` | requests, and when they are repeated |
| `errors` | all that can come of a request |
| `addresses`, `bundles` | what is the server's own; what is read of its answers |
"""

from connector.fhir.bundles import Resource, reference_in, reference_to
from connector.fhir.client import Criteria, FhirClient, Operations, query_of
from connector.fhir.errors import (
    AddressRefused,
    BadAnswer,
    Conflict,
    FhirError,
    Forbidden,
    NotFound,
    NoTransaction,
    NotSupported,
    PreconditionFailed,
    ServerBroken,
    ServerDown,
    SeveralMatch,
    Throttled,
    Unauthorized,
    Unprocessable,
    VersionConflict,
    WrongAttachment,
)
from connector.fhir.foreign import NO_HOSTS, ForeignHosts
from connector.fhir.partial import difference, telling_of_a_full_disk

__all__ = [
    "NO_HOSTS",
    "AddressRefused",
    "BadAnswer",
    "Conflict",
    "Criteria",
    "FhirClient",
    "FhirError",
    "Forbidden",
    "ForeignHosts",
    "NoTransaction",
    "NotFound",
    "NotSupported",
    "Operations",
    "PreconditionFailed",
    "Resource",
    "ServerBroken",
    "ServerDown",
    "SeveralMatch",
    "Throttled",
    "Unauthorized",
    "Unprocessable",
    "VersionConflict",
    "WrongAttachment",
    "difference",
    "query_of",
    "reference_in",
    "reference_to",
    "telling_of_a_full_disk",
]
