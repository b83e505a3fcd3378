"""What a physician sees: the list of studies, and a study's report.

Pages are made from stored documents alone, so that a page shows what was audited then, not
what today's program would find.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from auditor.vocabulary import EPOCH_S, FlagCode
from connector.documents import Json, write_json, write_text
from connector.html import PAGES, plain, quantity, render
from connector.store import State, StoredStudy
from connector.wording import claimed, within_budget

STYLESHEET = PAGES / "page.css"

# Top to bottom as sleep laboratories draw them.
_ROWS = ("W", "R", "N1", "N2", "N3")
# The drawing's own units; the page scales it to its width.
_WIDTH, _ROW_HEIGHT, _LABELS, _FLAGS = 1000, 24, 34, 22

_ENDED = (State.REPORTED, State.FAILED)


def studies_page(studies: tuple[StoredStudy, ...]) -> str:
    """The list of studies, newest first."""
    return render("studies.html", studies=studies, unfinished=_unfinished(*studies))


def study_page(study: StoredStudy, audit: Json | None) -> str:
    """One study: its state, and its report once it is audited."""
    return render(
        "study.html",
        study=study,
        audit=audit,
        unfinished=_unfinished(study),
        **(_report(audit) if audit else {}),
    )


def problem_page(status: int, sentence: str) -> str:
    """What is said instead of a page that cannot be shown."""
    return render("problem.html", status=status, sentence=sentence)


def write_report(audit: Json, folder: Path) -> None:
    """Writes ``report.html``, which needs no other file, and ``audit.json``.

    Raises:
        UsageError: the folder cannot be made or written to.
    """
    style = STYLESHEET.read_text(encoding="utf-8")
    page = render("report.html", audit=audit, style=style, **_report(audit))
    write_text(page, folder / "report.html")
    write_json(audit, folder / "audit.json")


def _report(audit: Json) -> dict[str, Any]:
    return {
        "hypnogram": _hypnogram(audit),
        "flagged": list(_flagged(audit)),
        "budget": within_budget(audit),
    }


# ── the hypnogram, as a drawing ───────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Bar:
    """Consecutive epochs of one stage, or one flagged epoch beneath them."""

    x: float
    y: float
    width: float
    stage: str
    epoch: int
    label: str


@dataclass(frozen=True, slots=True)
class _Tick:
    """A vertical line at a round time, with the time beneath it."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class _Hypnogram:
    """A hypnogram in the units of its drawing; ``path`` is its line, as SVG writes it."""

    width: int
    height: int
    labels: int
    row_height: int
    flags_y: int
    rows: tuple[tuple[str, float], ...]
    bars: tuple[_Bar, ...]
    path: str
    flags: tuple[_Bar, ...]
    ticks: tuple[_Tick, ...]
    description: str


def _hypnogram(audit: Json) -> _Hypnogram:
    epochs = audit["epochs"]
    per_epoch = (_WIDTH - _LABELS) / max(1, len(epochs))

    def x(epoch: int) -> float:
        return round(_LABELS + epoch * per_epoch, 2)

    def y(stage: str) -> float:
        return (_ROWS.index(stage) + 0.5) * _ROW_HEIGHT

    bars = []
    for stage, run in groupby(epochs, key=lambda epoch: epoch["stage"]):
        numbers = [epoch["epoch"] for epoch in run]
        if stage in _ROWS:
            width = round(len(numbers) * per_epoch, 2)
            bars.append(_Bar(x(numbers[0]), y(stage), width, stage, numbers[0], ""))
    flags_y = len(_ROWS) * _ROW_HEIGHT + 4
    flags = [
        _Bar(
            x(epoch["epoch"]),
            flags_y,
            round(max(per_epoch, 1.5), 2),
            _worst(epoch),
            epoch["epoch"],
            f"epoch {epoch['epoch']}: {epoch['flags'][0]['message']}",
        )
        for epoch in epochs
        if epoch["flags"]
    ]
    return _Hypnogram(
        width=_WIDTH,
        height=flags_y + _FLAGS + 16,
        labels=_LABELS,
        row_height=_ROW_HEIGHT,
        flags_y=flags_y,
        rows=tuple((row, y(row)) for row in _ROWS),
        bars=tuple(bars),
        path=_line(bars),
        flags=tuple(flags),
        ticks=tuple(_ticks(audit, x)),
        description=f"Hypnogram of {len(epochs)} epochs, {len(flags)} of them flagged for review",
    )


def _line(bars: list[_Bar]) -> str:
    """One line through all stages, lifted where epochs are not scored."""
    steps = []
    end: float | None = None
    for bar in bars:
        joined = end is not None and abs(bar.x - end) < 0.05
        steps.append(f"{'L' if joined else 'M'}{bar.x} {bar.y}H{round(bar.x + bar.width, 2)}")
        end = bar.x + bar.width
    return "".join(steps)


def _ticks(audit: Json, x: Any) -> Iterator[_Tick]:
    """Whole hours of the clock; of the recording where its start is not known."""
    n_epochs = len(audit["epochs"])
    start = _start(audit)
    into_hour_s = start.minute * 60 + start.second if start else 0
    # Short recordings get finer ticks: about four to a page at least.
    length_s = n_epochs * EPOCH_S
    step_s = next((s for s in (3600, 1800, 600, 300, 60) if length_s >= 4 * s), 30)
    at_s = -into_hour_s % step_s
    while at_s <= length_s:
        yield _Tick(x(at_s / EPOCH_S), _time(start, at_s, seconds=step_s < 60))
        at_s += step_s


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
    start = _start(audit)
    for number in audit["summary"]["review_order"]:
        epoch = by_number[number]
        yield _Flagged(
            epoch=number,
            time=_time(start, number * EPOCH_S, seconds=True),
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
    name = plain(condition["id"])
    if name.startswith("not "):
        return f"{name.removeprefix('not ')} holds"
    return (
        f"{name}: measured {quantity(condition['measured'], condition['unit'])}, "
        f"threshold {quantity(condition['threshold'], condition['unit'])}"
    )


# ── words ─────────────────────────────────────────────────────────────────────────────────


def _start(audit: Json) -> datetime | None:
    start = audit["recording"]["start"]
    return datetime.fromisoformat(start) if start else None


def _time(start: datetime | None, offset_s: float, *, seconds: bool) -> str:
    """Time of day, or into the recording where the start is not known."""
    at = (start or datetime.min) + timedelta(seconds=offset_s)
    return f"{at:%H:%M:%S}" if seconds else f"{at:%H:%M}"


def _unfinished(*studies: StoredStudy) -> bool:
    return any(study.state not in _ENDED for study in studies)
