"""The settings of the vision-language stagers."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from auditor.errors import SettingsRefused
from staging.environment import HOME_FOLDER, DataFolder, Environment, HeaderSecret, problems_of


class VlmSettings(Environment):
    """How a vision-language model is asked."""

    data: DataFolder = Field(
        default=HOME_FOLDER,
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
