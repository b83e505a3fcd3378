"""The audit trail: an append-only chain of entries, each bound by its hash to all before it.

An entry's hash is SHA-256 of the hash before it and of its own content's SHA-256. Whoever
alters, deletes, inserts or reorders an entry breaks the chain at that place, and whoever
rewrites the chain from there on changes its head, which is also kept outside the database: in
the anchors beside the data, and in the EHR with each report.

Entries hold references and hashes, no names: what a study's documents say is bound by their
hashes, and :func:`verify` computes these again.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from auditor.errors import InputRefused, UsageError, os_reason
from connector.tables import AuditRow, EvidenceRow, HypnogramRow, TrailHeadRow, TrailRow

Details: TypeAlias = Mapping[str, Any]

GENESIS = "0" * 64
"""The hash before the first entry."""

_AT_ONCE = 500  # entries that a check holds in memory


class Action(StrEnum):
    """What an entry of the trail is about."""

    STUDY = "study"
    """A study has come to another state; ``details.state`` says which."""
    TAKEN_OVER = "study.taken-over"
    """The worker that had a study is gone; it is queued again."""
    PURGED = "study.purged"
    """The recording of a study that ended without a report was deleted."""
    PULLED = "study.pulled"
    """A recording has come here, by its hash."""
    EHR_READ = "ehr.read"
    EHR_WRITTEN = "ehr.written"
    AUDIT_EVENTS_REFUSED = "ehr.audit-events-refused"
    SCORED = "model.scored"
    """A stager's replies, by the hash of the hypnogram that holds them."""
    MEASURED = "evidence.measured"
    AUDITED = "rules.applied"
    """The verdicts, by the hash of the audit that holds them."""
    VIEWED = "page.viewed"
    """A person has seen a study's page."""
    DECIDED = "physician.decided"
    """A person has decided on an epoch, or taken a decision back."""
    SIGNED = "physician.signed"
    SIGNATURE_WRITTEN = "ehr.signature-written"
    """The EHR has the report that a person signed."""
    EXPORTED = "trail.exported"
    TRAINING_EXPORTED = "training.exported"
    """Decided epochs were written out as training data."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; attributes as in :class:`connector.tables.TrailRow`."""

    seq: int
    at: str
    actor: str
    action: str
    study_id: str | None
    details: str
    previous: str
    hash: str

    @classmethod
    def following(
        cls,
        seq: int,
        previous: str,
        now: datetime,
        actor: str,
        action: Action,
        study_id: str | None,
        details: Details,
    ) -> Self:
        """The entry that comes after the one whose hash is ``previous``."""
        at = now.astimezone(UTC).isoformat(timespec="microseconds")
        text = canonical(details)
        content = content_hash(seq, at, actor, action.value, study_id, text)
        return cls(
            seq, at, actor, action.value, study_id, text, previous, chained(previous, content)
        )

    @classmethod
    def of_row(cls, row: TrailRow) -> Self:
        return cls(
            row.seq,
            row.at,
            row.actor,
            row.action,
            row.study_id,
            row.details,
            row.previous,
            row.hash,
        )

    @property
    def content_sha256(self) -> str:
        """Of all but the chain's own two hashes."""
        return content_hash(self.seq, self.at, self.actor, self.action, self.study_id, self.details)

    @property
    def is_whole(self) -> bool:
        """Whether it still says what was hashed."""
        return chained(self.previous, self.content_sha256) == self.hash


def canonical(value: object) -> str:
    """JSON of one form: keys in order, no space; what is hashed and signed."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )


def content_hash(
    seq: int, at: str, actor: str, action: str, study_id: str | None, details: str
) -> str:
    return sha256(canonical([seq, at, actor, action, study_id, details]))


def chained(previous: str, content_sha256: str) -> str:
    return sha256(previous + content_sha256)


def sha256(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()


def append(
    session: Session,
    now: datetime,
    actor: str,
    action: Action,
    study_id: str | None,
    details: Details,
) -> Entry:
    """Adds an entry within a transaction, and holds the chain until that ends."""
    head = session.scalars(select(TrailHeadRow).with_for_update()).one()
    entry = Entry.following(head.seq + 1, head.hash, now, actor, action, study_id, details)
    session.add(
        TrailRow(
            seq=entry.seq,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            study_id=entry.study_id,
            details=entry.details,
            previous=entry.previous,
            hash=entry.hash,
        )
    )
    session.execute(update(TrailHeadRow).values(seq=entry.seq, hash=entry.hash))
    return entry


# ── anchors ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Anchor:
    """A hash of the chain that was noted outside it: whatever it binds was there by then.

    Attributes:
        seq: of the entry.
        hash: of the entry.
        place: where it was noted.
    """

    seq: int
    hash: str
    place: str


def anchor_of(value: str) -> Anchor:
    """An anchor as a report's Provenance has it: ``trail:SEQ:HASH``.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"(?:trail:)?(\d{1,18}):([0-9a-f]{64})", value)
    if found is None:
        raise UsageError(f"--anchor {value}: give SEQ:HASH as a report's Provenance has it")
    return Anchor(int(found[1]), found[2], "the anchor given")


class AnchorFile:
    """Anchors in a file of JSON Lines that is only ever added to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, seq: int, chain_hash: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="ascii") as file:
            file.write(canonical({"seq": seq, "hash": chain_hash}) + "\n")

    def anchors(self) -> Iterator[Anchor]:
        """Every anchor of the file; a line that was cut short by a crash is left out.

        Raises:
            InputRefused: the file cannot be read, or holds something else.
        """
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return
        except OSError as error:
            problem = f"cannot be read ({os_reason(error)})"
            raise InputRefused(self._path, problem, "check the permissions") from None
        lines = text.splitlines(keepends=True)
        for number, line in enumerate(lines, start=1):
            if not line.endswith("\n"):
                continue
            try:
                noted = _ANCHOR.validate_json(line)
            except ValidationError:
                raise InputRefused(
                    self._path, f"line {number} is no anchor", "restore the file from a backup"
                ) from None
            yield Anchor(noted.seq, noted.hash, self._path.name)


@dataclass(frozen=True, slots=True)
class _Noted:
    seq: int
    hash: str


_ANCHOR: TypeAdapter[_Noted] = TypeAdapter(_Noted)


# ── checking ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the trail is not as it was written.

    Attributes:
        seq: the entry, or the first of those that are concerned.
        problem: what is wrong there, in words.
    """

    seq: int
    problem: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What :func:`verify` found.

    Attributes:
        entries: how many entries there are.
        head: the hash of the last.
        breaks: in the order of the chain; empty where all holds.
    """

    entries: int
    head: str
    breaks: tuple[Break, ...]


def verify(session: Session, anchors: Iterable[Anchor] = ()) -> Checked:
    """Checks chain, anchors, and every document that the chain binds.

    Args:
        session: on the store's database, in one transaction.
        anchors: hashes noted outside.
    """
    noted: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        noted.setdefault(anchor.seq, []).append(anchor)
    # The head is read first: what is appended in the meantime lies behind it.
    head = session.scalars(select(TrailHeadRow)).one_or_none()
    breaks = [] if head else [Break(0, "the chain's head is missing")]
    last_seq, last_hash, count = 0, GENESIS, 0
    rows = session.scalars(
        select(TrailRow).order_by(TrailRow.seq).execution_options(yield_per=_AT_ONCE)
    )
    for row in rows:
        entry = Entry.of_row(row)
        session.expunge(row)
        breaks += _breaks_of_entry(entry, last_seq, last_hash)
        breaks += _breaks_of_anchors(entry, noted.pop(entry.seq, ()))
        breaks += _breaks_of_document(session, entry)
        last_seq, last_hash, count = entry.seq, entry.hash, count + 1
    ends = [Anchor(head.seq, head.hash, "the database's own head")] if head else []
    missing = [anchor for at_seq in noted.values() for anchor in at_seq]
    cut_off = [anchor for anchor in (*ends, *missing) if anchor.seq > last_seq]
    if cut_off:
        last = max(cut_off, key=lambda anchor: anchor.seq)
        breaks.append(
            Break(last_seq + 1, f"{_entries(last_seq + 1, last.seq)} missing, by {last.place}")
        )
    elif head and (head.seq, head.hash) != (last_seq, last_hash):
        breaks.append(Break(head.seq, f"entry {head.seq} is not the one that was written last"))
    return Checked(count, last_hash, tuple(sorted(breaks, key=lambda found: found.seq)))


def _breaks_of_entry(entry: Entry, last_seq: int, last_hash: str) -> Iterator[Break]:
    if not entry.is_whole:
        yield Break(entry.seq, f"entry {entry.seq} was altered")
    if entry.seq != last_seq + 1:
        missing = _entries(last_seq + 1, entry.seq - 1)
        yield Break(last_seq + 1, f"{missing} missing")
    elif entry.previous != last_hash:
        before = f"entry {last_seq}" if last_seq else "the beginning"
        yield Break(
            entry.seq, f"entry {entry.seq} does not follow {before}: one of them was replaced"
        )


def _breaks_of_anchors(entry: Entry, anchors: Iterable[Anchor]) -> Iterator[Break]:
    for anchor in anchors:
        if anchor.hash != entry.hash:
            problem = f"the chain up to entry {entry.seq} was rewritten, by {anchor.place}"
            yield Break(entry.seq, problem)


def _entries(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"


@dataclass(frozen=True, slots=True)
class Bound:
    """A stored document that an entry binds."""

    kind: Literal["hypnogram", "evidence", "audit"]
    id: int
    sha256: str


_BOUND: TypeAdapter[Bound] = TypeAdapter(Bound)
_COLUMNS: Mapping[str, tuple[Any, Any]] = {
    "hypnogram": (HypnogramRow.id, HypnogramRow.document),
    "evidence": (EvidenceRow.id, EvidenceRow.document),
    "audit": (AuditRow.id, AuditRow.document),
}


def bind(kind: str, key: int, content: str | bytes) -> dict[str, Any]:
    """The details by which an entry binds a stored document."""
    return {"document": {"kind": kind, "id": key, "sha256": sha256(content)}}


def bound_by(entry: Entry) -> Bound | None:
    """The document that a whole entry binds, if any."""
    document = json.loads(entry.details).get("document")
    return None if document is None else _BOUND.validate_python(document)


def content_of(session: Session, bound: Bound) -> str | bytes | None:
    """The document as it is stored now; None where it is not there or not readable."""
    key, column = _COLUMNS[bound.kind]
    try:
        content: str | bytes | None = session.scalar(select(column).where(key == bound.id))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):  # what was compressed is damaged
        return None
    return content


def _breaks_of_document(session: Session, entry: Entry) -> Iterator[Break]:
    if not entry.is_whole:  # said already, and what it names may be anything
        return
    bound = bound_by(entry)
    if bound is None:
        return
    content = content_of(session, bound)
    if content is None:
        yield Break(entry.seq, f"the {bound.kind} that entry {entry.seq} binds is missing")
    elif sha256(content) != bound.sha256:
        yield Break(entry.seq, f"the {bound.kind} that entry {entry.seq} binds was altered")
