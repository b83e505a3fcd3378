"""The form by which somebody decides about an epoch."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from auditor.vocabulary import SCORED_STAGES, Stage
from connector.desk.people import Person
from connector.desk.review import SETTLING, Action, Reason
from connector.desk.review_store import NewDecision


class DecisionForm(BaseModel):
    """What the page of an epoch sends.

    Attributes:
        csrf: see :class:`connector.desk.sessions.Visitor`.
        scoring: number of the hypnogram that was shown.
        seen: the last that was decided or noted of the epoch when it was shown; 0 for nothing.
        action: what the button says that was pressed; None for one that overrides, or for none,
            which accepts.
        override: the stage on the button that overrides.
        reason: chosen for an override, and sent with everything else too.
        comment: free text.
    """

    csrf: str
    scoring: int
    seen: int
    action: Action | None = None
    override: Stage | None = None
    reason: Reason | None = None
    comment: Annotated[str, Field(max_length=2000), AfterValidator(str.strip)] = ""

    def decision(self, epoch: int, scored: Stage, person: Person) -> NewDecision:
        """What it says of an epoch that was scored so."""
        overrides = self.override is not None
        action = Action.OVERRIDE if overrides else self.action or Action.ACCEPT
        return NewDecision(
            epoch=epoch,
            action=action,
            stage=self.override or scored,
            reviewer=person,
            reason=self.reason if action is Action.OVERRIDE else None,
            comment=self.comment,
            seen=self.seen,
        )


def lacking(new: NewDecision) -> str:
    """What a decision lacks, as a clause; nothing where it can be taken."""
    if new.action is Action.NOTE:
        return "" if new.comment else "a note wants words"
    if new.action in SETTLING and new.stage not in SCORED_STAGES:
        return "an epoch that is not scored has no stage to accept"
    if new.reason is Reason.OTHER and not new.comment:
        return "another reason wants a comment that says which"
    return ""
