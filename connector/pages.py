"""The report of an audited night as a page of its own, and the page of what went wrong.

A report is made from the audit document alone, so that it shows what was audited then, not what
today's program would find.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from auditor.vocabulary import FlagCode
from auditor.wording import spoken
from connector.documents import Json, write_json, write_text
from connector.html import PAGES, measured, needed, render
from connector.hypnogram import draw_hypnogram
from connector.wording import claimed, epoch_time, named_figures, within_budget

STYLESHEET = PAGES / "page.css"


def problem_page(status: int, sentence: str) -> str:
    """What is said instead of a page that cannot be shown."""
    return render("problem.html", status=status, sentence=sentence)


def write_report(audit: Json, folder: Path) -> None:
    """Writes ``report.html``, which needs no other file, and ``audit.json``.

    Raises:
        UsageError: the folder cannot be made or written to.
    """
    style = STYLESHEET.read_text(encoding="utf-8")
    page = render(
        "report.html",
        audit=audit,
        style=style,
        hypnogram=draw_hypnogram(audit),
        figures=tuple(named_figures(audit["summary"]["sleep"])),
        flagged=tuple(_flagged(audit)),
        budget=within_budget(audit),
    )
    write_text(page, folder / "report.html")
    write_json(audit, folder / "audit.json")


# ── the flagged epochs ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Check:
    """Something that was said of an epoch and did not hold.

    Attributes:
        said: the claim, quoted and as it was read, or the rule.
        found: what was measured, as a sentence.
    """

    said: str
    found: str


@dataclass(frozen=True, slots=True)
class _Flagged:
    """One row of the physician's work list."""

    epoch: int
    time: str
    stage: str
    permitted: str
    severity: str
    flags: tuple[Json, ...]
    checks: tuple[_Check, ...]


def _flagged(audit: Json) -> Iterator[_Flagged]:
    by_number = {epoch["epoch"]: epoch for epoch in audit["epochs"]}
    for number in audit["summary"]["review_order"]:
        epoch = by_number[number]
        yield _Flagged(
            epoch=number,
            time=epoch_time(audit, number),
            stage=epoch["stage"],
            permitted=", ".join(epoch["permitted_stages"]) or "–",
            severity=_worst(epoch),
            flags=tuple(_reasons(epoch)),
            checks=(*_contradicted_claims(epoch), *_unmet_rules(epoch)),
        )


def _reasons(epoch: Json) -> Iterator[Json]:
    """Why it is flagged; what became of each claim stands beside it and is not told twice."""
    told = False
    for flag in epoch["flags"]:
        if flag["code"] != FlagCode.CLAIM_CONTRADICTED:
            yield flag
        elif not told:
            told = True
            yield flag | {"message": "the signal contradicts what is claimed"}


def _worst(epoch: Json) -> str:
    severity: str = epoch["flags"][0]["severity"]
    return severity


def _contradicted_claims(epoch: Json) -> Iterator[_Check]:
    for claim in epoch["claims"]:
        if claim["verdict"] == "contradicted":
            yield _Check(claimed(claim), claim["reason"])


def _unmet_rules(epoch: Json) -> Iterator[_Check]:
    for rule in epoch["rules"]:
        if rule["cited"] and rule["verdict"] == "contradicted":
            failed = [c for c in rule["conditions"] if c["verdict"] == "contradicted"]
            yield _Check(f"rule {rule['id']}", "; ".join(map(_unmet, failed)))


def _unmet(condition: Json) -> str:
    name = spoken(condition["id"])
    if name.startswith("not "):
        return f"{name.removeprefix('not ')} holds"
    return f"{name}: measured {measured(condition)}, needed {needed(condition)}"
