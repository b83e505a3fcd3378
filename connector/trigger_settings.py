"""How the service hears of new studies: environment variables ``SOMNOAUDIT_…``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, model_validator

from connector.cds_callers import read_callers
from connector.ehr_settings import HttpUrl
from connector.subscriptions import Topic
from staging.environment import PREFIX, Environment


class TriggerSettings(Environment):
    """The Subscription, the sweep, and the CDS services."""

    sweep_seconds: float = Field(
        default=300.0,
        ge=1.0,
        le=86_400.0,
        description="How often the EHR is asked for what is new, whether or not it notifies.",
    )
    subscription_topic: str | None = Field(
        default=None,
        pattern=r"^\S+$",
        description="Canonical address of the EHR's topic for recordings, where it has one; "
        "by default the Subscription is R4's own, with criteria.",
    )
    subscription_filter: str | None = Field(
        default=None,
        pattern=r"^\S+$",
        description="A filter that this topic allows, as DocumentReference?type=….",
    )
    cds_clients: Path | None = Field(
        default=None,
        description="A YAML file of who may call our CDS Hooks services, a line for each issuer "
        "with its JWK set's address or file; without it there are none.",
    )

    public_url: HttpUrl | None

    @model_validator(mode="after")
    def _callers_know_our_address(self) -> TriggerSettings:
        if self.cds_clients is not None and self.public_url is None:
            raise ValueError(
                f"{PREFIX}CDS_CLIENTS needs {PREFIX}PUBLIC_URL, which callers' tokens must name"
            )
        if self.subscription_filter is not None and self.subscription_topic is None:
            raise ValueError(
                f"{PREFIX}SUBSCRIPTION_FILTER is of a topic: set {PREFIX}SUBSCRIPTION_TOPIC too"
            )
        return self

    @property
    def topic(self) -> Topic | None:
        """What is subscribed to; None for R4's own criteria."""
        if self.subscription_topic is None:
            return None
        return Topic(self.subscription_topic, self.subscription_filter)

    @property
    def caller_keys(self) -> Mapping[str, str] | None:
        """Who may call our CDS services, each with the place of their keys.

        Raises:
            SettingsRefused: the file that lists them cannot be read.
        """
        return read_callers(self.cds_clients) if self.cds_clients else None
