"""How the service reaches the EHR: settings, environment variables ``SOMNOAUDIT_…``."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import NoDecode

from connector.client_keys import SigningKey, read_keys
from connector.fhir.foreign import ForeignHosts, Network
from staging.environment import Environment, HeaderSecret

# What each interaction with the EHR needs, and no more, as SMART scopes v2: create, read, update,
# delete, search. Some servers let nobody read who may not search. What is deleted was written a
# moment before, and turned out to be a second one or a part of what could not be finished.
SCOPES = " ".join(
    f"system/{resource_type}.{interactions}"
    for resource_type, interactions in {
        "Patient": "rs",
        "ServiceRequest": "rs",
        "DocumentReference": "rs",
        "Binary": "rs",
        "Device": "crs",
        "Observation": "cruds",
        "DiagnosticReport": "cruds",
        "Provenance": "crds",
        "Task": "cruds",
        "Subscription": "crus",
        "AuditEvent": "c",
    }.items()
)

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def _http_url(value: str) -> str:
    """Checked as a URL and kept as written, less a slash at its end."""
    try:
        TypeAdapter(AnyHttpUrl).validate_python(value)
    except ValidationError:
        raise ValueError("give an address that begins with http:// or https://") from None
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [item.strip() for item in value.split(",") if item.strip()]


def _host_names(names: list[str]) -> list[str]:
    found = [name.lower() for name in names]
    if not all(_HOST.fullmatch(name) for name in found):
        raise ValueError("give names of hosts with commas between, as files.example.org")
    return found


def _networks(texts: list[str]) -> list[str]:
    try:
        return [str(ip_network(text)) for text in texts]
    except ValueError:
        raise ValueError("give networks with commas between, as 10.20.0.0/16") from None


class EhrSettings(Environment):
    """Where the EHR is, and by what right somnoaudit speaks to it.

    Each field is the environment variable ``SOMNOAUDIT_`` and its name in capitals.
    """

    fhir_url: HttpUrl = Field(description="Base address of the EHR's FHIR R4 server.")
    fhir_token: HeaderSecret | None = Field(
        default=None, description="Bearer token for the EHR, where it gives out lasting ones."
    )
    fhir_key: SecretStr | None = Field(
        default=None,
        description="Private key for SMART backend services, as PEM or JSON Web Key; "
        "RSA is used as RS384, P-384 as ES384.",
    )
    fhir_key_file: Path | None = Field(
        default=None,
        description="A file with the private key, or with several: the first signs, all are "
        "published.",
    )
    fhir_client_id: str | None = Field(
        default=None,
        validate_default=True,
        description="By which the EHR knows somnoaudit; with it, SMART backend services is used.",
    )
    fhir_scopes: str = Field(
        default=SCOPES, pattern=r"^\S+( \S+)*$", description="Scopes that are asked for."
    )
    fhir_token_url: HttpUrl | None = Field(
        default=None,
        description="The EHR's token endpoint; by default what its SMART configuration names.",
    )
    attachment_hosts: Annotated[
        list[str], NoDecode, BeforeValidator(_listed), AfterValidator(_host_names)
    ] = Field(
        default=[],
        description="Hosts beside the EHR from which recordings are taken, with commas between; "
        "*.example.org is all names beneath.",
    )
    private_networks: Annotated[
        list[str], NoDecode, BeforeValidator(_listed), AfterValidator(_networks)
    ] = Field(
        default=[],
        description="Private networks in which those hosts may be, as 10.20.0.0/16.",
    )
    largest_attachment_mb: int = Field(
        default=4096, ge=1, description="Most that is taken of a recording of unknown size."
    )

    @field_validator("fhir_key")
    @classmethod
    def _usable_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            read_keys(key.get_secret_value())
        return key

    @field_validator("fhir_key_file")
    @classmethod
    def _usable_key_file(cls, path: Path | None) -> Path | None:
        if path is not None:
            read_keys(_text_of(path))
        return path

    @field_validator("fhir_client_id")
    @classmethod
    def _goes_together(cls, client_id: str | None, info: ValidationInfo) -> str | None:
        # A field that is wrong itself is missing here, and is told of on its own.
        has_key = [info.data.get(name, "") is not None for name in ("fhir_key", "fhir_key_file")]
        if all(has_key) and {"fhir_key", "fhir_key_file"} <= info.data.keys():
            raise ValueError("give the private key once, as SOMNOAUDIT_FHIR_KEY or as its file")
        if client_id is not None and not any(has_key):
            raise ValueError("give the private key too, by SOMNOAUDIT_FHIR_KEY_FILE")
        if client_id is None and any(has_key):
            raise ValueError("give the client's id that belongs to the private key")
        if client_id is not None and info.data.get("fhir_token") is not None:
            raise ValueError("give this or SOMNOAUDIT_FHIR_TOKEN, not both")
        return client_id

    @property
    def signing_keys(self) -> tuple[SigningKey, ...]:
        """Our private keys, the one that signs first; none where none is set."""
        if self.fhir_key is not None:
            return read_keys(self.fhir_key.get_secret_value())
        return read_keys(_text_of(self.fhir_key_file)) if self.fhir_key_file else ()

    @property
    def foreign_hosts(self) -> ForeignHosts:
        networks: tuple[Network, ...] = tuple(map(ip_network, self.private_networks))
        return ForeignHosts(frozenset(self.attachment_hosts), networks)


def _text_of(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except (OSError, RuntimeError, UnicodeDecodeError):
        raise ValueError("give a file of text that can be read") from None
