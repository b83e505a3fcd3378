"""Studies as the command line lists them."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from auditor.errors import UsageError
from connector.store import Store
from connector.tables import State

# More than a hospital has in its queue; newest first.
_MOST = 1000


def studies_document(store: Store, state: str | None = None) -> list[dict[str, Any]]:
    """The studies named last, newest first, as JSON.

    Raises:
        UsageError: there is no such state.
    """
    known = [each.value for each in State]
    if state is not None and state not in known:
        raise UsageError(f"--state {state}: there is no such state; give one of {', '.join(known)}")
    return [
        {
            "id": study.id,
            "source": study.source,
            "state": study.state.value,
            "priority": study.priority,
            "reason": study.reason,
            "report": study.report,
            "tries": study.tries,
            "named": study.created_at.isoformat(timespec="seconds"),
            "changed": study.updated_at.isoformat(timespec="seconds"),
        }
        for study in store.studies(_MOST)
        if state is None or study.state == state
    ]


def studies_table(document: list[dict[str, Any]]) -> str:
    """The same for a reader."""
    if not document:
        return "There is no study."
    table = Table(box=None, pad_edge=False)
    for heading in ("study", "state", "named", "report, or why there is none"):
        table.add_column(heading, overflow="fold")
    for study in document:
        last = study["report"] or study["reason"]
        table.add_row(*(Text(each) for each in (study["id"], study["state"], study["named"], last)))
    console = Console(width=160)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()
