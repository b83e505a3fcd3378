"""Settings of the workers and of what they leave behind."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from staging.environment import Environment


class WorkSettings(Environment):
    """How studies are worked on, by however many workers."""

    lease_seconds: float = Field(
        default=30.0,
        ge=1.0,
        le=50.0,
        description="A worker that is not heard of for so long is given up, and its study goes "
        "to another.",
    )
    retention_days: float = Field(
        default=30.0,
        ge=0.0,
        le=3650.0,
        description="How many days the recording of a study that has ended is kept, for "
        "reviewers to see; then it is deleted here, and the EHR has it.",
    )
    audit_events: bool = Field(
        default=True,
        description="Whether FHIR AuditEvents of reads and writes go to the EHR.",
    )

    @property
    def retention(self) -> timedelta:
        """How long recordings are kept."""
        return timedelta(days=self.retention_days)
