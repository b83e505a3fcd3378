"""What the store's audits and the trail add up to, for a monitor: what drift shows first.

Each tally goes on from where it was, so that asking often costs little.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from connector.stored import Clock
from connector.tables import AuditRow, TrailRow
from connector.trail import Action

WEEKS = 5
"""This week and so many before it are told of, less one."""

NO_RULE = "none"

# Measured: an audit of a night takes 0.05 s to read; a monitor waits some seconds.
_AUDITS_AT_ONCE = 20


class AuditTally:
    """Flags and stages of the audits that studies were reported with, by ISO week.

    Attributes:
        flags: by week ("2026-W47"), code, and the rule cited where it was raised.
        stages: epochs by week and stage.
        behind: audits that are yet to be counted; each update takes some.
    """

    def __init__(self, sessions: sessionmaker[Session], clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._last_id = 0
        self.flags: Counter[tuple[str, str, str]] = Counter()
        self.stages: Counter[tuple[str, str]] = Counter()
        self.behind = 0

    def update(self) -> None:
        """Counts what is new, and forgets weeks that are past."""
        since = self._clock() - timedelta(weeks=WEEKS - 1)
        uncounted = (AuditRow.id > self._last_id, AuditRow.created_at >= since)
        some = select(AuditRow).where(*uncounted).order_by(AuditRow.id).limit(_AUDITS_AT_ONCE)
        with self._sessions() as session:
            for row in session.scalars(some):
                self._last_id = row.id
                if row.report != "[]":  # else an audit made again, of what is counted already
                    self._count(_week(row.created_at), json.loads(row.document))
            left = select(func.count()).where(AuditRow.id > self._last_id, *uncounted[1:])
            self.behind = session.scalar(left) or 0
        first = _week(since)
        for counter in (self.flags, self.stages):
            for key in [key for key in counter if key[0] < first]:
                del counter[key]

    def _count(self, week: str, document: Mapping[str, Any]) -> None:
        for epoch in document["epochs"]:
            self.stages[week, epoch["stage"]] += 1
            for flag in epoch["flags"]:
                self.flags[week, flag["code"], _rule_of(epoch)] += 1


def _rule_of(epoch: Mapping[str, Any]) -> str:
    """The cited rule that does not hold, or else the first that is cited."""
    cited = [rule for rule in epoch["rules"] if rule["cited"]]
    failed = [rule for rule in cited if rule["verdict"] == "contradicted"]
    return next((str(rule["id"]) for rule in (*failed, *cited)), NO_RULE)


def _week(moment: Any) -> str:
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02}"


def ehr_answers(sessions: sessionmaker[Session], after_seq: int) -> Iterator[tuple[int, int]]:
    """The EHR's answers that the trail tells of after an entry: its number, and the status."""
    told = (
        select(TrailRow.seq, TrailRow.details)
        .where(
            TrailRow.seq > after_seq,
            TrailRow.action.in_((Action.EHR_READ.value, Action.EHR_WRITTEN.value)),
        )
        .order_by(TrailRow.seq)
    )
    with sessions() as session:
        for seq, details in session.execute(told):
            yield seq, int(json.loads(details)["status"])
