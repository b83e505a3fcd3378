"""What reviewers decide about a night, and what the night becomes by it.

A decision is about one epoch: the stage stands, or it is another one, or a colleague is asked.
Decisions are never changed; a later one of the same epoch follows the earlier one and counts in
its place. A technologist's decision is a proposal until a physician decides the same epoch. A
note stands beside the decisions and decides nothing. A signature binds the whole night as it was
on the signer's screen, by its hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from statistics import median

from auditor.errors import SomnoauditError
from auditor.vocabulary import Hypnogram, Stage

_USUAL_S = 12.0
"""Expected of a flagged epoch while nobody has been timed: two 30-s pages at a technologist's
usual pace, an assumption that the reviewers' own median replaces."""

_PAUSE_S = 180.0
"""A longer time between two decisions is a pause, not a review."""

_ENOUGH_TIMES = 5


class ReviewConflict(SomnoauditError):
    """Somebody else decided or signed in the meantime; nothing was written."""


class Action(StrEnum):
    """What a reviewer does with an epoch."""

    ACCEPT = "accept"
    OVERRIDE = "override"
    SECOND_READER = "second-reader"
    NOTE = "note"


SETTLING = (Action.ACCEPT, Action.OVERRIDE)
"""What gives an epoch its stage, where it is no proposal."""


class Reason(StrEnum):
    """Why a stage is overridden."""

    SIGNAL = "the signal shows another stage"
    CLAIM = "what was claimed is not there"
    ARTEFACT = "artefact was taken for sleep"
    SEQUENCE = "the epochs before or after decide"
    OTHER = "another reason, in the comment"


class Meaning(StrEnum):
    """What a signature says, as 21 CFR 11.50 wants it shown."""

    AUTHORSHIP = "reviewed and approved"
    AMENDMENT = "amended after review"


@dataclass(frozen=True, slots=True)
class Decision:
    """One reviewer's word on one epoch.

    Attributes:
        id: counts up over all studies; 0 before it is stored.
        epoch: number from 0.
        action: what was decided.
        scored: the stage that was decided about.
        stage: the stage by this decision; that which was scored where it stands.
        reason: of an override; None otherwise.
        comment: free text, for people in this hospital; never written to a log.
        reviewer: name and role as they were then.
        proposed: whether it waits for a physician.
        at: when.
    """

    id: int
    epoch: int
    action: Action
    scored: Stage
    stage: Stage
    reason: Reason | None
    comment: str
    reviewer: str
    role: str
    proposed: bool
    at: datetime

    @property
    def settles(self) -> bool:
        """Whether the epoch's stage rests on it."""
        return not self.proposed and self.action in SETTLING


@dataclass(frozen=True, slots=True)
class Signature:
    """A signed state of the night.

    Attributes:
        number: 1 for the first, which makes the report final; each later one amends it.
        signer: name as printed.
        meaning: what the signature says.
        content_sha256: of what was signed, see :attr:`Review.content_sha256`.
        last_decision: the last that it covers; 0 where nothing was decided.
        changed: epochs that differ from the signature before.
        at: when.
        written: whether the EHR has it.
        reference: "Practitioner/3" where the EHR says who the signer is; None otherwise.
        problem: why the EHR does not have it, or what it did not keep of it, as a sentence;
            empty otherwise.
    """

    number: int
    signer: str
    meaning: Meaning
    content_sha256: str
    last_decision: int
    changed: tuple[int, ...]
    at: datetime
    written: bool
    reference: str | None = None
    problem: str = ""


@dataclass(frozen=True)
class Review:
    """A night as its reviewers left it.

    Attributes:
        hypnogram_id: of the scoring under review; it stays the same when that is audited again.
        scored: the stages as the stager scored them.
        flagged: the flagged epochs in review order.
        decisions: all that were made, oldest first.
        signatures: all that were given, oldest first.
    """

    hypnogram_id: int
    scored: tuple[Stage, ...]
    flagged: tuple[int, ...]
    decisions: tuple[Decision, ...]
    signatures: tuple[Signature, ...]

    @cached_property
    def latest(self) -> Mapping[int, Decision]:
        """The decision that counts, by epoch; notes decide nothing."""
        return {d.epoch: d for d in self.decisions if d.action is not Action.NOTE}

    @cached_property
    def settled(self) -> Mapping[int, Decision]:
        """The decision that an epoch's stage rests on, whatever was asked or proposed since."""
        return {decision.epoch: decision for decision in self.decisions if decision.settles}

    @cached_property
    def notes(self) -> Mapping[int, Sequence[Decision]]:
        """What was noted, by epoch, oldest first."""
        found: dict[int, list[Decision]] = {}
        for decision in self.decisions:
            if decision.action is Action.NOTE:
                found.setdefault(decision.epoch, []).append(decision)
        return found

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The night's stages with what physicians overrode; proposals are left out."""
        stages = list(self.scored)
        for epoch, decision in self.settled.items():
            stages[epoch] = decision.stage
        return tuple(stages)

    @property
    def overridden(self) -> tuple[int, ...]:
        """Epochs whose stage is another than scored."""
        return changed_epochs(self.scored, self.stages)

    @property
    def open(self) -> tuple[int, ...]:
        """Flagged epochs that no physician has settled, in order; then others about which
        somebody asks or proposes something."""
        return tuple(epoch for epoch in self.flagged if not self._settled(epoch)) + tuple(
            epoch
            for epoch in sorted(self.latest)
            if epoch not in self.flagged and not self._settled(epoch)
        )

    def _settled(self, epoch: int) -> bool:
        decision = self.latest.get(epoch)
        return decision is not None and decision.settles

    def waiting_for(self, reviewer: str) -> tuple[int, ...]:
        """The open epochs that this reviewer can settle, in order.

        Where the last word is their own, a proposal or a question, it is somebody else's turn.
        """
        return tuple(
            epoch
            for epoch in self.open
            if epoch not in self.latest or self.latest[epoch].reviewer != reviewer
        )

    @property
    def signed(self) -> Signature | None:
        """The signature that counts."""
        return self.signatures[-1] if self.signatures else None

    @property
    def is_on_its_way(self) -> bool:
        """Whether the EHR is about to have the last signature."""
        return self.signed is not None and not (self.signed.written or self.signed.problem)

    @property
    def changed_since_signed(self) -> bool:
        """Whether something was decided that no signature covers."""
        return self.signed is not None and self.signed.content_sha256 != self.content_sha256

    @property
    def content_sha256(self) -> str:
        """Of the scoring's number, the stages, and every decision that counts."""
        content = {
            "hypnogram": self.hypnogram_id,
            "stages": "".join(f"{stage.value} " for stage in self.stages),
            "decisions": [self.latest[epoch].id for epoch in sorted(self.latest)],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def as_signed(self, number: int) -> Review:
        """The night as it stood under the signature of this number."""
        signature = self.signatures[number - 1]
        return replace(
            self,
            decisions=tuple(d for d in self.decisions if d.id <= signature.last_decision),
            signatures=self.signatures[:number],
        )

    def next_open(self, reviewer: str, after: int | None = None) -> int | None:
        """What waits for this reviewer after an epoch in review order; then the first of all."""
        waiting = self.waiting_for(reviewer)
        order = [*self.flagged, *(epoch for epoch in waiting if epoch not in self.flagged)]
        later = order[order.index(after) + 1 :] if after in order else ()
        return next((e for e in (*later, *waiting) if e in waiting and e != after), None)

    def reviewed(self, hypnogram: Hypnogram) -> Hypnogram:
        """The stager's hypnogram with the physician's stages in it."""
        return restaged(hypnogram, self.stages)


def restaged(hypnogram: Hypnogram, stages: Sequence[Stage]) -> Hypnogram:
    """A hypnogram with these stages in place of its own."""
    epochs = tuple(
        scored if scored.stage == stage else replace(scored, stage=stage)
        for scored, stage in zip(hypnogram.epochs, stages, strict=True)
    )
    return replace(hypnogram, epochs=epochs)


def seconds_per_epoch(decided: Iterable[tuple[str, datetime]]) -> float | None:
    """The median time between one reviewer's decisions, pauses left out; None of too few.

    Args:
        decided: who decided and when, in order of time.
    """
    last: dict[str, datetime] = {}
    times = []
    for reviewer, at in decided:
        before = last.get(reviewer)
        if before is not None and (took := (at - before).total_seconds()) <= _PAUSE_S:
            times.append(took)
        last[reviewer] = at
    return median(times) if len(times) >= _ENOUGH_TIMES else None


def expected_minutes(n_epochs: int, pace_s: float | None) -> float:
    """How long so many epochs take, at the reviewers' own pace once that is known."""
    return n_epochs * (_USUAL_S if pace_s is None else pace_s) / 60


def changed_epochs(before: Iterable[Stage], after: Iterable[Stage]) -> tuple[int, ...]:
    """Where two scorings of one night differ."""
    pairs = enumerate(zip(before, after, strict=True))
    return tuple(i for i, (was, now) in pairs if was != now)
