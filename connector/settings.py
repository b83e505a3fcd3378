"""The settings of the service: environment variables that begin with ``SOMNOAUDIT_``."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from auditor.errors import SettingsRefused
from connector.desk_settings import DeskSettings
from connector.ehr_settings import EhrSettings, HttpUrl
from connector.log_settings import LogSettings
from connector.trigger_settings import TriggerSettings
from connector.work_settings import WorkSettings
from staging.environment import (
    HOME_FOLDER,
    PREFIX,
    DataFolder,
    Environment,
    HeaderSecret,
    problems_of,
)
from staging.stager import stager_names
from staging.vlm_settings import VlmSettings

_S = TypeVar("_S", bound="StoreSettings")


_DATABASES = "give an address that begins with sqlite:/// or postgresql://"


class StoreSettings(Environment):
    """Where studies are kept.

    Each field is the environment variable ``SOMNOAUDIT_`` and its name in capitals.
    """

    data: DataFolder = Field(
        default=HOME_FOLDER,
        description="Folder for the database and for the recordings.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="SQLAlchemy address of the database, sqlite:///… or postgresql://…; "
        "an SQLite file in the data folder by default.",
    )
    trail_key: Path | None = Field(
        default=None,
        description="PEM file of the Ed25519 key that signs what is exported of the audit trail; "
        "made at the first export and kept in the data folder by default.",
    )

    @field_validator("database_url")
    @classmethod
    def _supported_database(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        try:
            address = make_url(url.get_secret_value())
        except (ArgumentError, ValueError):  # the latter quotes what may be a part of a password
            raise ValueError(_DATABASES) from None
        if address.drivername not in ("sqlite", "postgresql", "postgresql+psycopg"):
            raise ValueError(_DATABASES)
        if address.drivername == "sqlite" and address.database in (None, "", ":memory:"):
            raise ValueError("give a file, which several connections can share: sqlite:///FILE")
        return url

    @property
    def anchors(self) -> Path:
        """The file in which the head of the audit trail is noted."""
        return self.data / "trail-anchors.jsonl"

    @property
    def signing_key_path(self) -> Path:
        """The file of the key that signs what is exported of the audit trail."""
        return self.trail_key or self.data / "trail-key.pem"

    @property
    def training_key_path(self) -> Path:
        """The file of the key by which subjects are named in exported training data."""
        return self.data / "training-key"

    def check_there_is_a_store(self) -> None:
        """For commands that look at what a service keeps, and must not find an empty one instead.

        Raises:
            SettingsRefused: no service has kept anything there.
        """
        address = make_url(self.store_url)
        if address.get_backend_name() == "sqlite" and not Path(address.database or "").exists():
            raise SettingsRefused(
                f"{PREFIX}DATA",
                "there is no database in this folder",
                f"name the service's folder, or its database by {PREFIX}DATABASE_URL",
            )

    @property
    def store_url(self) -> str:
        """The database's address, with its password where it has one."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        url = URL.create("sqlite", database=str(self.data / "somnoaudit.db"))
        return url.render_as_string(hide_password=False)


class Settings(
    StoreSettings,
    EhrSettings,
    VlmSettings,
    WorkSettings,
    TriggerSettings,
    LogSettings,
    DeskSettings,
):
    """All that the service needs."""

    stager: str = Field(default="yasa", description="Who stages; see somnoaudit score --help.")
    model: str | None = Field(default=None, description="The model that the stager uses.")
    second_opinion: str | None = Field(
        default=None, description="Another stager, whose disagreement is flagged."
    )
    channels: Path | None = Field(
        default=None, description="A YAML file of the hospital's own channel names."
    )
    host: str = Field(default="127.0.0.1", description="Address that the service listens on.")
    port: int = Field(
        default=8350, ge=0, le=65535, description="Port that the service listens on; 0 is any."
    )
    public_url: HttpUrl | None = Field(
        default=None,
        description="Address under which the EHR and physicians reach the service; "
        "http://HOST:PORT by default.",
    )
    webhook_secret: HeaderSecret | None = Field(
        default=None,
        description="Secret that the EHR sends with each notification, 16 characters or more; "
        "made at the first start and kept in the data folder by default.",
    )

    @field_validator("webhook_secret")
    @classmethod
    def _hard_to_guess(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < 16:
            raise ValueError("give 16 characters or more")
        return secret

    @field_validator("stager", "second_opinion")
    @classmethod
    def _installed(cls, name: str | None) -> str | None:
        if name is not None and name not in stager_names():
            raise ValueError(f"no such stager is installed; there are {', '.join(stager_names())}")
        return name


def default_settings() -> dict[str, Any]:
    """Each setting that has a default, whatever the environment says."""
    return {
        name: field.get_default(call_default_factory=True)
        for name, field in Settings.model_fields.items()
        if not field.is_required()
    }


def load_settings(**given: Any) -> Settings:
    """The settings of this process; those given by name go before the environment.

    Raises:
        SettingsRefused: names every setting that is missing, unknown or wrong, and never the
            value that a setting has.
    """
    return _loaded(Settings, given)


def load_store_settings() -> StoreSettings:
    """Where this process finds studies that were kept.

    Raises:
        SettingsRefused: as :func:`load_settings` does.
    """
    return _loaded(StoreSettings, {})


def _loaded(kind: type[_S], given: dict[str, Any]) -> _S:
    problems = _unknown()
    try:
        settings = kind(**given)
    except ValidationError as error:
        problems += problems_of(error)
        raise _refused(problems) from None
    if problems:
        raise _refused(problems)
    return settings


def _refused(problems: list[str]) -> SettingsRefused:
    return SettingsRefused("environment", "; ".join(problems), "correct it and start again")


def _unknown() -> list[str]:
    """Variables that look like settings and are none: a misspelt one would be ignored."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    problems = []
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f", did you mean {near[0]}" if near else ""
            problems.append(f"{name} is not a setting{hint}")
    return problems
