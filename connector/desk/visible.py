"""What a visitor may see: one answer for all pages that show a study."""

from __future__ import annotations

from starlette.exceptions import HTTPException

from connector.desk.opened import OpenedStudy, OpenStudies
from connector.desk.people import Person
from connector.store import Store
from connector.stored import StoredStudy


def visible_study(store: Store, study_id: str, person: Person) -> StoredStudy:
    """The study of a name.

    Raises:
        HTTPException: 404, the same where there is none and where it is another's patient: what
            there is, is nobody's business who may not see it.
    """
    found = store.study(study_id)
    if found is None or not person.may_see(found.patient):
        raise HTTPException(404, "There is no study of this name.")
    return found


def audited(studies: OpenStudies, study: StoredStudy) -> OpenedStudy:
    """A study with its latest audit.

    Raises:
        HTTPException: 404, it has none yet.
    """
    found = studies.open(study.id)
    if found is None:
        raise HTTPException(404, "The study is not audited yet.")
    return found
