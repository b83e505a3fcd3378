"""Who may come to the desk, and how: environment variables ``SOMNOAUDIT_…``."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import yaml
from pydantic import Field, SecretStr, model_validator

from auditor.errors import SettingsRefused
from connector.desk.people import DeskRole
from connector.desk.smart_login import SmartApp
from connector.ehr_settings import HttpUrl
from staging.environment import PREFIX, Environment


class DeskSettings(Environment):
    """The desk's logins: through the EHR, or locally for development."""

    smart_app_client_id: str | None = Field(
        default=None,
        description="The desk's client id at the EHR, for SMART App Launch; without it nobody "
        "logs in through the EHR.",
    )
    smart_app_client_secret: SecretStr | None = Field(
        default=None, description="Its secret, where the EHR registered a confidential client."
    )
    people: Path | None = Field(
        default=None,
        description="A YAML file of what each person may do, 'Practitioner/3: physician'; roles "
        "are physician, technologist, auditor, admin. Who is not in it may propose.",
    )
    local_login: bool = Field(
        default=False,
        description="Lets whoever sits at this machine say who they are, for development; "
        "refused unless the service listens on loopback.",
    )

    host: str
    public_url: HttpUrl | None
    fhir_url: str

    @model_validator(mode="after")
    def _local_on_loopback_alone(self) -> DeskSettings:
        if self.local_login and not _is_loopback(self.host):
            raise ValueError(
                f"{PREFIX}LOCAL_LOGIN works only where {PREFIX}HOST is a loopback address"
            )
        if self.smart_app_client_id and self.public_url is None:
            raise ValueError(
                f"{PREFIX}SMART_APP_CLIENT_ID needs {PREFIX}PUBLIC_URL, to come back to"
            )
        return self

    @property
    def smart_app(self) -> SmartApp | None:
        """The desk as the EHR knows it.

        Raises:
            SettingsRefused: the file of people cannot be read.
        """
        if self.smart_app_client_id is None:
            return None
        secret = self.smart_app_client_secret
        return SmartApp(
            issuer=self.fhir_url,
            client_id=self.smart_app_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            redirect_uri=f"{self.public_url}/login/done",
            roles=_roles(self.people) if self.people else {},
        )


def _roles(path: Path) -> dict[str, DeskRole]:
    remedy = "write a line for each person, such as 'Practitioner/3: physician'"
    try:
        listed = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        raise SettingsRefused(path, "cannot be read as YAML", remedy) from None
    try:
        return {str(who): DeskRole(role) for who, role in dict(listed).items()}
    except (TypeError, ValueError):
        raise SettingsRefused(path, "names a role that there is not", remedy) from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
