"""What all settings have in common: environment variables, ``SOMNOAUDIT_…``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "SOMNOAUDIT_"


def _header_safe(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]+", secret.get_secret_value()):
        raise ValueError("give letters, digits and signs of ASCII, and no space")
    return secret


HeaderSecret = Annotated[SecretStr, AfterValidator(_header_safe)]
"""What goes over the wire in an Authorization header."""


def _reachable(folder: Path) -> Path:
    try:
        folder = folder.expanduser().absolute()
        is_other = folder.exists() and not folder.is_dir()
    except (OSError, RuntimeError):  # a name too long, a home of nobody
        raise ValueError("give a folder that can be reached") from None
    if is_other:
        raise ValueError("give a folder, not a file")
    return folder


DataFolder = Annotated[Path, AfterValidator(_reachable), Field(validate_default=True)]
"""A folder that is there or can be made, as an absolute path."""

HOME_FOLDER = Path("~/.somnoaudit")
"""The data folder where none is set; not every user has a home, so it is checked as any other."""


class Environment(BaseSettings):
    """Settings; each field is the environment variable ``SOMNOAUDIT_`` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )


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
