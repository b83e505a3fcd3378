"""The settings of the vision-language stagers."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from auditor.errors import SettingsRefused
from staging.environment import HOME_FOLDER, DataFolder, Environment, HeaderSecret, problems_of

_S = TypeVar("_S", bound="ImageSettings")


class ImageSettings(Environment):
    """How the images are drawn that a vision-language model sees."""

    mains_hz: float = Field(
        default=50.0,
        ge=40,
        le=70,
        description="Frequency of the mains, taken out of what the model sees.",
    )


class VlmSettings(ImageSettings):
    """How a vision-language model is asked."""

    data: DataFolder = Field(
        default=HOME_FOLDER,
        description="Folder for replies to nights that are not done.",
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
        default=120.0,
        gt=0,
        allow_inf_nan=False,
        description="How long a model's server may take over one epoch.",
    )


def load_image_settings() -> ImageSettings:
    """The settings of this process for images alone, which need no data folder.

    Raises:
        SettingsRefused: as :func:`load_vlm_settings` does.
    """
    return _loaded(ImageSettings)


def load_vlm_settings() -> VlmSettings:
    """The settings of this process.

    Raises:
        SettingsRefused: names each that is wrong, and never its value.
    """
    return _loaded(VlmSettings)


def _loaded(kind: type[_S]) -> _S:
    try:
        return kind()
    except ValidationError as error:
        said = "; ".join(problems_of(error))
        raise SettingsRefused("environment", said, "correct it and start again") from None
