"""Who uses the desk, and what each may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DeskRole(StrEnum):
    """What somebody is here for.

    A physician decides and signs; a technologist proposes; an auditor reads all and changes
    nothing; an administrator sees studies and settings, and decides nothing about patients.
    """

    PHYSICIAN = "physician"
    TECHNOLOGIST = "technologist"
    AUDITOR = "auditor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is logged in.

    Attributes:
        name: as printed beside decisions and signatures.
        role: what they may do.
        patient: "Patient/7" where the EHR opened the desk for one patient, whose studies alone
            may then be seen; None for all.
        reference: "Practitioner/3" where the EHR says who it is; None otherwise.
    """

    name: str
    role: DeskRole
    patient: str | None = None
    reference: str | None = None

    @property
    def actor(self) -> str:
        """As the audit trail names them."""
        return self.reference or f"{self.role.value}:{self.name}"

    @property
    def decides(self) -> bool:
        """Whether decisions can be made, proposals included."""
        return self.role in (DeskRole.PHYSICIAN, DeskRole.TECHNOLOGIST)

    @property
    def proposes(self) -> bool:
        """Whether decisions wait for a physician."""
        return self.role is DeskRole.TECHNOLOGIST

    @property
    def signs(self) -> bool:
        return self.role is DeskRole.PHYSICIAN

    @property
    def looks_back(self) -> bool:
        """Whether what colleagues decided may be looked into, step by step and summed up."""
        return self.role is not DeskRole.TECHNOLOGIST

    def may_see(self, patient: str | None) -> bool:
        """Whether the studies of this patient are theirs to see.

        A study whose patient is not known yet belongs to nobody's launch.
        """
        return self.patient is None or self.patient == patient
