"""How the queue stands and how long the work takes: what a monitor shows.

Durations come out of the audit trail, which notes each change of a study's state, so that they
outlive a restart and are the same whichever process is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from connector.store import Store
from connector.stored import StateChange, utc_now
from connector.tables import State


@dataclass(frozen=True, slots=True)
class Spell:
    """A time that a study has spent in one state, and left.

    Attributes:
        study_id: the study.
        state: the state that it was in; time in ``queued`` is waiting.
        seconds: how long.
        seq: of the trail's entry that ended it; later spells have greater ones.
    """

    study_id: str
    state: State
    seconds: float
    seq: int


@dataclass(frozen=True, slots=True)
class Operations:
    """The state of the work at one moment.

    Attributes:
        studies: how many studies are in each state; every state is there.
        oldest_queued_s: how long the study that waits longest has waited; 0 where none does.
        workers: how many workers hold a lease.
        spells: that ended after the entry asked for, in their order.
        last_seq: to ask for what comes after, next time.
    """

    studies: Mapping[State, int]
    oldest_queued_s: float
    workers: int
    spells: tuple[Spell, ...]
    last_seq: int


def operations(store: Store, after_seq: int = 0, now: datetime | None = None) -> Operations:
    """How the work stands.

    Args:
        store: of the studies.
        after_seq: of the durations only those that ended after this entry of the trail; a
            monitor that adds them up gives the last one's ``last_seq``.
        now: by which waiting is measured; the present by default.
    """
    counts, oldest = store.counts()
    changes = store.state_changes(after_seq)
    waited = ((now or utc_now()) - oldest).total_seconds() if oldest else 0.0
    return Operations(
        studies={state: counts.get(state, 0) for state in State},
        oldest_queued_s=max(0.0, waited),
        workers=len(store.living_workers()),
        spells=tuple(
            sorted((s for s in _spells(changes) if s.seq > after_seq), key=lambda s: s.seq)
        ),
        last_seq=max((change.seq for change in changes), default=after_seq),
    )


def _spells(changes: Iterable[StateChange]) -> Iterator[Spell]:
    of_study: dict[str, list[StateChange]] = {}
    for change in changes:
        of_study.setdefault(change.study_id, []).append(change)
    for study_id, its in of_study.items():
        for before, after in pairwise(its):
            seconds = (after.at - before.at).total_seconds()
            yield Spell(study_id, before.state, seconds, after.seq)
