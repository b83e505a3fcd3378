"""What a person at a terminal sees: a night's summary, and progress while it is made."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from auditor.vocabulary import EPOCH_S, FlagCode
from auditor.wording import spoken
from connector.documents import Json
from connector.scored import FOREIGN_STAGER
from connector.wording import claimed, recording_start, within_budget
from staging.stager import Progress

_ROWS = ("W", "R", "N1", "N2", "N3")
_WIDTH = 72
_SHOWN_FLAGS = 10

_LIKELY = 0.5
"""The probability from which an event is told as one, and not as a candidate."""


def hypnogram_lines(document: Json) -> list[str]:
    """The hypnogram of an audit document as text, at most 72 columns, flags beneath it."""
    epochs = document["epochs"]
    per_column = -(-len(epochs) // _WIDTH)
    columns = [epochs[i : i + per_column] for i in range(0, len(epochs), per_column)]
    commonest = [Counter(e["stage"] for e in column).most_common(1)[0][0] for column in columns]
    lines = [
        f"  {row:<2} │" + "".join("█" if stage == row else " " for stage in commonest).rstrip()
        for row in _ROWS
    ]
    marks = "".join("▲" if any(e["flags"] for e in column) else " " for column in columns)
    lines.append("     └" + "─" * len(columns))
    if marks.strip():
        lines.append(" flag " + marks.rstrip())
    lines.append("      " + _clock(recording_start(document), len(epochs), len(columns)))
    return lines


def _clock(start: datetime | None, n_epochs: int, width: int) -> str:
    """First and last time beneath the hypnogram: of day where it is known."""
    end = timedelta(seconds=EPOCH_S * n_epochs)
    if start:
        left, right = f"{start:%H:%M}", f"{start + end:%H:%M}"
    else:
        left, right = "0:00", str(end)[:-3]
    return left + right.rjust(max(width - len(left), len(right) + 1))


def figures_lines(figures: Json) -> list[str]:
    """The sleep figures, two to a line."""

    def minutes(key: str) -> str:
        value = figures[key]
        return "–" if value is None else f"{value:.1f} min"

    efficiency = figures["sleep_efficiency"]
    shares = figures["stage_share"]
    stages = "  ".join(
        f"{stage} {figures['stage_minutes'][stage]:.1f} min"
        + (f" ({shares[stage]:.0%})" if shares[stage] is not None else "")
        for stage in ("N1", "N2", "N3", "R")
    )
    return [
        f"  total sleep time {minutes('total_sleep_minutes')}   "
        f"efficiency {'–' if efficiency is None else f'{efficiency:.0%}'}",
        f"  sleep latency {minutes('sleep_latency_minutes')}   "
        f"REM latency {minutes('rem_latency_minutes')}   "
        f"wake after sleep onset {minutes('wake_after_sleep_onset_minutes')}",
        f"  {stages}",
    ]


def _flagged(document: Json) -> list[Json]:
    by_index = {epoch["epoch"]: epoch for epoch in document["epochs"]}
    return [by_index[index] for index in document["summary"]["review_order"]]


def flag_lines(document: Json, most: int = _SHOWN_FLAGS) -> Iterator[str]:
    """The flagged epochs in review order, each with what was claimed and what was measured."""
    flagged = _flagged(document)
    for epoch in flagged[:most]:
        permitted = ", ".join(epoch["permitted_stages"]) or "none"
        yield (
            f"  epoch {epoch['epoch']} ({_time_of(document, epoch['epoch'])}), scored "
            f"{epoch['stage']}; the signal permits {permitted}; priority {epoch['priority']:.2f}"
        )
        for flag in epoch["flags"]:
            if flag["code"] != FlagCode.CLAIM_CONTRADICTED:
                yield f"    {flag['severity']:>8}  {flag['message']}"
        for claim in epoch["claims"]:
            if claim["verdict"] == "contradicted":
                yield f"     claimed  {claimed(claim)}"
                yield f"    measured  {claim['reason']}"
    if len(flagged) > most:
        yield f"  … and {len(flagged) - most} more"


def _time_of(document: Json, epoch: int) -> str:
    start, offset = recording_start(document), timedelta(seconds=EPOCH_S * epoch)
    return f"{start + offset:%H:%M:%S}" if start else f"at {offset}"


def _by(stager: Json) -> str:
    if (stager["name"], stager["version"]) == (FOREIGN_STAGER.name, FOREIGN_STAGER.version):
        return "elsewhere"
    return f"by {stager['name']} {stager['version']}"


def summary(document: Json) -> str:
    """A whole audit document for a person."""
    recording, totals = document["recording"], document["summary"]
    lines = [
        f"{recording['epochs']} epochs, scored {_by(document['stager'])}, "
        f"audited by rulebook {document['rulebook']['version']}",
        "",
        *hypnogram_lines(document),
        "",
        *figures_lines(totals["sleep"]),
        "",
        f"Flagged for review: {totals['flagged']} of {totals['epochs']} epochs "
        f"({totals['flagged_fraction']:.1%})",
        *_wrapped(within_budget(document)),
        *flag_lines(document),
        *(f"  of the whole night: {finding}" for finding in totals["night_findings"]),
    ]
    lines += ["", "Channels", *_channel_lines(recording)]
    remarks = [*totals["not_assessable"], *recording["notes"], *totals["notes"]]
    if remarks:
        lines += ["", "Notes", *(f"  {remark}" for remark in remarks)]
    lines += ["", totals["statement"] + "."]
    return "\n".join(lines)


def _channel_lines(recording: Json) -> list[str]:
    used = [
        f"  {spoken(role):<10} {channel['label']:<14} {channel['quality']}"
        + (f" ({channel['how']})" if channel.get("how") else "")
        for role, channel in recording["channels"].items()
    ]
    return used + [f"  {spoken(role):<10} {why}" for role, why in recording["missing"].items()]


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """A bar on a terminal, plain lines otherwise; always on standard error."""
    if not sys.stderr.isatty():
        yield _plain_lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    tasks: dict[str, TaskID] = {}
    with bars:

        def show(name: str, share: float) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=1.0)
            bars.update(tasks[name], completed=share)

        yield show


def _plain_lines() -> Progress:
    begun: set[str] = set()

    def show(name: str, _share: float) -> None:
        if name not in begun:
            begun.add(name)
            print(f"{name} …", file=sys.stderr, flush=True)

    return show


def evidence_summary(document: Json) -> str:
    """An evidence document for a person: what was found, and how often it is sure."""
    recording = document["recording"]
    rows = [("phenomenon", f"events at p ≥ {_LIKELY}", "candidates below")]
    for kind in sorted({event["kind"] for event in document["events"]}):
        of_kind = [event["probability"] for event in document["events"] if event["kind"] == kind]
        sure = sum(probability >= _LIKELY for probability in of_kind)
        rows.append((spoken(kind), str(sure), str(len(of_kind) - sure)))
    unseen = Counter(
        (spoken(kind), why)
        for epoch in document["epochs"]
        for kind, why in epoch["not_assessable"].items()
    )
    lines = [f"{recording['epochs']} epochs", "", table(rows), "", "Channels"]
    lines += _channel_lines(recording)
    if unseen:
        lines += ["", "Not assessable"]
        lines += [f"  {kind}: {why} ({n} epochs)" for (kind, why), n in unseen.most_common()]
    return "\n".join(lines)


def claims_summary(claims: Sequence[Json]) -> str:
    """Claims for a person, a line each."""
    if not claims:
        return "No claim found."
    rows = [("words", "phenomenon", "says", "more")]
    for claim in claims:
        said = claim["polarity"] if claim["read"] else "not read"
        details = {
            key: claim[key]
            for key in (
                "level", "channels", "spans_s", "frequency_hz", "duration_s", "amplitude_uv",
            )
            if claim[key]
        }  # fmt: skip
        if claim["extent"]:
            details["extent"] = f"{claim['extent']['op']} {claim['extent']['fraction']:.0%}"
        more = "; ".join(f"{key} {_plain(value)}" for key, value in details.items())
        rows.append((claim["text"], spoken(claim["phenomenon"]), said, more))
    return table(rows)


def _plain(value: object) -> str:
    if isinstance(value, list):
        if all(isinstance(end, int | float | None) for end in value):
            return "–".join("∞" if end is None else f"{end:g}" for end in value)
        return ", ".join(_plain(part) for part in value)
    return str(value)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 88, initial_indent="  ", subsequent_indent="  ")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
