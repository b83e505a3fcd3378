"""What the service says of itself: environment variables ``SOMNOAUDIT_…``."""

from __future__ import annotations

from pydantic import Field

from connector.logs import LogFormat
from staging.environment import Environment


class LogSettings(Environment):
    """How log lines are written."""

    log_format: LogFormat = Field(
        default=LogFormat.PLAIN,
        description="Log lines as text for people, or as one JSON object each: plain, json.",
    )
