"""Cards: what an EHR shows beside a patient or an order (CDS Hooks 2.0)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from connector.tables import AuditRow, HypnogramRow, State, StudyRow

Card: TypeAlias = dict[str, Any]

# A physician with a patient before them looks at few.
_MOST_STUDIES = 3


@dataclass(frozen=True, slots=True)
class CardStudy:
    """A study as a card tells of it.

    Attributes:
        id: the study.
        state: how far it has come.
        n_flagged: epochs that its audit flags; None where there is none.
    """

    id: str
    state: State
    n_flagged: int | None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where cards lead.

    Attributes:
        url: of our pages.
        is_smart_app: whether the EHR can launch them with its own login.
    """

    url: str
    is_smart_app: bool

    def links(self, study_id: str) -> list[dict[str, str]]:
        """To a study's page."""
        page = f"{self.url}/studies/{study_id}"
        plain = {"label": "Open the sleep study", "url": page, "type": "absolute"}
        if not self.is_smart_app:
            return [plain]
        context = json.dumps({"study": study_id})
        launch = {
            "label": "Review the sleep study",
            "url": f"{self.url}/launch",
            "type": "smart",
            "appContext": context,
        }
        return [launch, plain]


def studies_of(sessions: sessionmaker[Session], patient: str) -> tuple[CardStudy, ...]:
    """The newest studies of a patient ("Patient/7")."""
    flagged = (
        select(AuditRow.n_flagged)
        .join(HypnogramRow, AuditRow.hypnogram_id == HypnogramRow.id)
        .where(HypnogramRow.study_id == StudyRow.id)
        .order_by(AuditRow.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    newest = (
        select(StudyRow.id, StudyRow.state, flagged)
        .where(StudyRow.patient == patient, StudyRow.state != State.CANCELLED.value)
        .order_by(StudyRow.created_at.desc(), StudyRow.id)
        .limit(_MOST_STUDIES)
    )
    with sessions() as session:
        return tuple(
            CardStudy(study_id, State(state), n_flagged)
            for study_id, state, n_flagged in session.execute(newest)
        )


def study_cards(studies: Iterable[CardStudy], desk: Desk, instance: UUID) -> list[Card]:
    """A card for each study."""
    return [
        _card(instance, study.id, *_words(study), desk, desk.links(study.id)) for study in studies
    ]


def order_card(desk: Desk, instance: UUID) -> Card:
    """What becomes of a polysomnography that is being ordered."""
    summary = "The sleep study will be staged and audited when its recording arrives."
    return _card(instance, "order", summary, "info", desk, [])


def _words(study: CardStudy) -> tuple[str, str]:
    """What is said of a study, in less than 140 characters, and how urgently."""
    if study.state is State.FAILED:
        return "A sleep study could not be audited; its page says why.", "warning"
    if study.state is not State.REPORTED:
        return "A sleep study is being staged and audited.", "info"
    if not study.n_flagged:
        return "A sleep study was staged by AI and audited; no epoch is flagged.", "info"
    epochs = "epoch is" if study.n_flagged == 1 else "epochs are"
    said = f"A sleep study was staged by AI and audited; {study.n_flagged} {epochs} flagged."
    return said, "info"


def _card(
    instance: UUID,
    about: str,
    summary: str,
    indicator: str,
    desk: Desk,
    links: list[dict[str, str]],
) -> Card:
    return {
        "uuid": str(uuid5(instance, about)),
        "summary": summary,
        "indicator": indicator,
        "source": {"label": "somnoaudit", "url": desk.url},
        "links": links,
    }
