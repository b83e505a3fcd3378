"""The settings of the vision-language stagers: environment variables, ``SOMNOAUDIT_…``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from auditor.errors import SettingsRefused

PREFIX = "SOMNOAUDIT_"


def _header_safe(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]+", secret.get_secret_value()):
        raise ValueError("give letters, digits and signs of ASCII, and no space")
    return secret


HeaderSecret = Annotated[SecretStr, AfterValidator(_header_safe)]
"""What goes over the wire in an Authorization header."""


class Environment(BaseSettings):
    """What all settings have in common.

    Each field is the environment variable ``SOMNOAUDIT_`` and its name in capitals.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )


class VlmSettings(Environment):
    """How a vision-language model is asked."""

    data: Path = Field(
        default_factory=lambda: Path.home() / ".somnoaudit",
        description="Folder for replies to nights that are not done.",
    )
    mains_hz: float = Field(
        default=50.0,
        ge=40,
        le=70,
        description="Frequency of the mains, taken out of what the model sees.",
    )
    vlm_prompt: Path | None = Field(
        default=None,
        description="A file with the prompt that the model was trained on; our own by default.",
    )
    vlm_token: HeaderSecret | None = Field(
        default=None, description="Bearer token for the model's server; none is sent without it."
    )
    vlm_requests: int = Field(
        default=16, ge=1, le=512, description="Requests under way at a model's server at a time."
    )
    vlm_timeout_s: float = Field(
        default=120.0, gt=0, description="How long a model's server may take over one epoch."
    )


def load_vlm_settings() -> VlmSettings:
    """The settings of this process.

    Raises:
        SettingsRefused: names each that is wrong, and never its value.
    """
    try:
        return VlmSettings()
    except ValidationError as error:
        said = "; ".join(problems_of(error))
        raise SettingsRefused("environment", said, "correct it and start again") from None


def problems_of(error: ValidationError) -> list[str]:
    """Each variable that is wrong, and how, without the value that it has."""
    return [
        _problem(detail["loc"], detail["type"], detail["msg"])
        for detail in error.errors(include_input=False, include_context=False, include_url=False)
    ]


def _problem(place: tuple[int | str, ...], kind: str, message: str) -> str:
    said = message.removeprefix("Value error, ")
    if not place:  # of several together, which the message names itself
        return said
    name = PREFIX + str(place[0]).upper()
    if kind == "missing":
        return f"{name} is not set"
    return f"{name}: {said[0].lower()}{said[1:]}"
