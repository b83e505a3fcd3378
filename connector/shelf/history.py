"""How one epoch came to the stage that it has, put together from the audit trail.

Every entry and every stored document is held against its hash again while this is done: what
does not fit is said beside it, and not left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from connector import trail
from connector.desk.review import Decision
from connector.documents import Json
from connector.tables import AuditRow, State
from connector.trail import Action, Entry

_Details: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the trail that has to do with the epoch.

    Attributes:
        seq: its place in the trail.
        at: when, in UTC, to the second.
        actor: who.
        words: what was done.
        facts: hashes, versions and references, by name.
        problem: what does not hold of it; empty where all does.
    """

    seq: int
    at: str
    actor: str
    words: str
    facts: tuple[tuple[str, str], ...]
    problem: str


@dataclass(frozen=True, slots=True)
class PastAudit:
    """What one audit of the study said of the epoch.

    Attributes:
        seq: of the trail's entry.
        at: when, in UTC, to the second.
        rulebook_version, rulebook_sha256: by which rules.
        epoch: the epoch in the audit document; None where that is missing or was altered.
    """

    seq: int
    at: str
    rulebook_version: str
    rulebook_sha256: str
    epoch: Json | None


@dataclass(frozen=True, slots=True)
class EpochHistory:
    """All of it.

    Attributes:
        steps: in the order of the trail.
        audits: likewise, the latest last.
        n_reads: how often the EHR was read for the study; these entries are not among the steps.
        n_audit_events: likewise, how many AuditEvents of those reads and writes it was given.
    """

    steps: tuple[Step, ...]
    audits: tuple[PastAudit, ...]
    n_reads: int
    n_audit_events: int

    @property
    def holds(self) -> bool:
        """Whether every entry and document still is as it was written."""
        return not any(step.problem for step in self.steps)

    def fact(self, name: str) -> str | None:
        """The fact of this name that was noted last."""
        found = [value for step in self.steps for known, value in step.facts if known == name]
        return found[-1] if found else None


def epoch_history(
    sessions: sessionmaker[Session],
    entries: tuple[Entry, ...],
    epoch: int,
    decisions: Mapping[int, Decision],
) -> EpochHistory:
    """The history of an epoch.

    Args:
        sessions: of the store's database.
        entries: the study's, of the trail.
        epoch: its number, from 0.
        decisions: those of the study, by their number.
    """
    steps, audits, reads, audit_events = [], [], 0, 0
    with sessions() as session:
        for entry in entries:
            if not entry.is_whole:  # what it says may be anything
                altered = "this entry was altered after it was written"
                at = _second(entry.at)
                steps.append(Step(entry.seq, at, entry.actor, entry.action, (), altered))
                continue
            if entry.action == Action.EHR_READ.value:
                reads += 1
                continue
            details: _Details = json.loads(entry.details)
            if _is_of_audit_event(entry.action, details):
                audit_events += 1
                continue
            if not _concerns(entry.action, details, epoch):
                continue
            problem = _problem(session, entry) or _other_decision(entry, details, decisions)
            steps.append(_step(entry, details, problem, decisions))
            if entry.action == Action.AUDITED.value:
                audits.append(_past_audit(session, entry, details, epoch, bool(problem)))
    return EpochHistory(tuple(steps), tuple(audits), reads, audit_events)


def _is_of_audit_event(action: str, details: _Details) -> bool:
    """Whether the EHR was told of something that stands in the trail as well."""
    return action == Action.EHR_WRITTEN.value and all(
        reference.startswith("AuditEvent") for reference in details["references"]
    )


def _concerns(action: str, details: _Details, epoch: int) -> bool:
    if action == Action.DECIDED.value:
        return bool(details["epoch"] == epoch)
    if action == Action.VIEWED.value:
        return details["page"] in (f"epoch {epoch}", f"history of epoch {epoch}")
    return action != Action.AUDIT_EVENTS_REFUSED.value


def _problem(session: Session, entry: Entry) -> str:
    bound = trail.bound_by(entry)
    if bound is None:
        return ""
    content = trail.content_of(session, bound)
    if content is None:
        return f"the {bound.kind} that it binds is missing"
    return "" if trail.sha256(content) == bound.sha256 else f"the {bound.kind} was altered"


def _other_decision(entry: Entry, details: _Details, decisions: Mapping[int, Decision]) -> str:
    """What the table of decisions says otherwise than the trail."""
    if entry.action != Action.DECIDED.value:
        return ""
    kept = decisions.get(details["decision"])
    if kept is None:
        return "the decision is missing from its table"
    noted = {
        "epoch": kept.epoch,
        "action": kept.action.value,
        "scored": kept.scored.value,
        "stage": kept.stage.value,
        "proposed": kept.proposed,
    }
    fits = all(details[name] == value for name, value in noted.items())
    return "" if fits else "the table of decisions says something else"


def _past_audit(
    session: Session, entry: Entry, details: _Details, epoch: int, is_broken: bool
) -> PastAudit:
    document = None
    if not is_broken:
        audit_id = details["document"]["id"]
        document = session.scalar(select(AuditRow.document).where(AuditRow.id == audit_id))
    found = json.loads(document)["epochs"] if document else ()
    return PastAudit(
        entry.seq,
        _second(entry.at),
        details["rulebook"]["version"],
        details["rulebook"]["sha256"],
        next((each for each in found if each["epoch"] == epoch), None),
    )


# ── in words ──────────────────────────────────────────────────────────────────────────────


def _step(entry: Entry, details: _Details, problem: str, decisions: Mapping[int, Decision]) -> Step:
    in_words = _WORDS.get(entry.action)
    words = in_words(details) if in_words else entry.action
    if entry.action == Action.DECIDED.value:
        words += _reasons(decisions.get(details["decision"]))
    facts = tuple(_facts(details))
    return Step(entry.seq, _second(entry.at), entry.actor, words, facts, problem)


def _second(at: str) -> str:
    return at[:19].replace("T", " ")


_UNDER_WAY = {
    State.PULLING: "being pulled from the EHR",
    State.SCORING: "being staged and audited",
    State.REPORTING: "being reported to the EHR",
}


def _state(details: _Details) -> str:
    state = State(details["state"])
    return f"the study is {_UNDER_WAY.get(state, state.value)}"


def _scored(details: _Details) -> str:
    return f"the model {details['stager']} {details['version']} scored the night"


def _audited(details: _Details) -> str:
    return f"rulebook {details['rulebook']['version']} was applied to the whole night"


def _written(details: _Details) -> str:
    references = ", ".join(details["references"])
    return f"EHR, {details['interaction']}: {references} (status {details['status']})"


def _decision(details: _Details) -> str:
    if details["action"] == "second-reader":
        return f"a second reader was asked for {details['scored']}"
    if details["action"] == "note":
        return "a note was left"
    if details["action"] == "accept":
        done = "proposed, as scored" if details["proposed"] else "accepted"
        return f"{details['stage']} was {done}"
    verb = "proposed" if details["proposed"] else "decided"
    return f"{details['stage']} was {verb} in place of {details['scored']}"


def _reasons(kept: Decision | None) -> str:
    if kept is None:
        return ""
    reason = f", because {kept.reason.value}" if kept.reason else ""
    return f"{reason}: “{kept.comment}”" if kept.comment else reason


def _signed(details: _Details) -> str:
    return f"signature {details['signature']} under the night: {details['meaning']}"


_WORDS: Mapping[str, Callable[[_Details], str]] = {
    Action.STUDY.value: _state,
    Action.TAKEN_OVER.value: lambda _: "its worker was gone, and it was queued again",
    Action.PURGED.value: lambda _: "the recording was deleted here",
    Action.PULLED.value: lambda _: "the recording came from the EHR",
    Action.EHR_WRITTEN.value: _written,
    Action.SCORED.value: _scored,
    Action.MEASURED.value: lambda _: "the signal was measured",
    Action.AUDITED.value: _audited,
    Action.VIEWED.value: lambda details: f"the page was seen: {details['page']}",
    Action.DECIDED.value: _decision,
    Action.SIGNED.value: _signed,
    Action.SIGNATURE_WRITTEN.value: lambda details: "; ".join(
        [
            f"the EHR has the report under signature {details['signature']}",
            *([details["problem"]] if "problem" in details else []),
        ]
    ),
    Action.TRAINING_EXPORTED.value: lambda _: "decided epochs were written out to train with",
    Action.EXPORTED.value: lambda _: "this study’s part of the trail was exported",
}


def _facts(details: _Details) -> Iterator[tuple[str, str]]:
    if document := details.get("document"):
        yield f"{document['kind']} SHA-256", document["sha256"]
    if recording := details.get("recording"):
        yield "recording SHA-256", recording["sha256"]
    if weights := details.get("weights_sha256"):
        yield "weights SHA-256", weights
    if rulebook := details.get("rulebook"):
        yield "rulebook SHA-256", rulebook["sha256"]
    if signed := details.get("content_sha256"):
        yield "signed SHA-256", signed
    for name in ("source", "report", "reason", "key"):
        if value := details.get(name):
            yield name, str(value)
