"""How an audit document's findings are put, alike at a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from auditor.vocabulary import EPOCH_S, SCORED_STAGES, Stage
from auditor.wording import spoken
from connector.documents import Json

_OPERATORS = {">": "more than ", ">=": "at least ", "<": "less than ", "<=": "at most ", "==": ""}
_SHOWN_EPOCHS = 12


def minutes(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} min"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def named_figures(figures: Json) -> Iterator[tuple[str, str]]:
    """The sleep figures of an audit document, each with its name; a stage's name is its own."""
    awakenings = figures["awakenings"]
    yield "Total sleep time", minutes(figures["total_sleep_minutes"])
    yield "Sleep efficiency", percent(figures["sleep_efficiency"])
    yield "Sleep latency", minutes(figures["sleep_latency_minutes"])
    yield "REM latency", minutes(figures["rem_latency_minutes"])
    yield "Wake after sleep onset", minutes(figures["wake_after_sleep_onset_minutes"])
    yield "Awakenings", "–" if awakenings is None else str(awakenings)
    yield "Time in bed", minutes(figures["time_in_bed_minutes"])
    for stage in SCORED_STAGES:
        if stage is not Stage.W:
            share = percent(figures["stage_share"][stage.value])
            yield stage.value, f"{minutes(figures['stage_minutes'][stage.value])}, {share}"


def within_budget(document: Json) -> str:
    """What a physician has time for, of an audit document's epochs; nothing where it is none."""
    # Audits that were stored before they told it have no such part.
    review = document["summary"].get("review")
    if not review or not review["epochs"]:
        return ""
    flagged = document["summary"]["review_order"]
    others = [index for index in review["epochs"] if index not in set(flagged)]
    n, within = len(review["epochs"]), len(review["epochs"]) - len(others)
    said = f"Within the review budget of {review['budget']:.0%}, {n} epochs: "
    if within == len(flagged):
        said += "all that are flagged"
    else:
        said += f"the first {within} of the {len(flagged)} that are flagged"
    if others:
        more = ", …" if len(others) > _SHOWN_EPOCHS else ""
        shown = ", ".join(map(str, others[:_SHOWN_EPOCHS]))
        said += f", and without a flag the next most likely to be wrong: {shown}{more}"
    return f"{said}."


def claimed(claim: Json) -> str:
    """A claim as a person reads it: its words, and what they were taken to say.

    The words alone do not tell "no K complexes" from "K complexes".
    """
    if claim["text"] is None:
        return f"{spoken(claim['phenomenon'])} {claim['polarity']}, as the stage implies"
    return f"“{claim['text']}” ({', '.join([claim['polarity'], *_details(claim)])})"


def _details(claim: Json) -> Iterator[str]:
    if claim["extent"]:
        yield f"{_OPERATORS[claim['extent']['op']]}{claim['extent']['fraction']:.0%} of the epoch"
    if claim["channels"]:
        yield f"in {', '.join(claim['channels'])}"
    if claim["spans_s"]:
        yield f"at {', '.join(map(_range, claim['spans_s']))} s"
    for key, unit in (("frequency_hz", "Hz"), ("duration_s", "s long"), ("amplitude_uv", "µV")):
        if claim[key]:
            yield f"{_range(claim[key])} {unit}"


def _range(ends: Sequence[float | None]) -> str:
    low, high = ends
    if low is None or high is None:
        return f"at most {high:g}" if low is None else f"at least {low:g}"
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"


def recording_start(audit: Json) -> datetime | None:
    start = audit["recording"]["start"]
    return datetime.fromisoformat(start) if start else None


def time_of_day(start: datetime | None, offset_s: float, *, seconds: bool) -> str:
    """Time of day, or into the recording where the start is not known."""
    at = (start or datetime.min) + timedelta(seconds=offset_s)
    return f"{at:%H:%M:%S}" if seconds else f"{at:%H:%M}"


def epoch_time(audit: Json, epoch: int) -> str:
    """When an epoch of an audit document begins, as :func:`time_of_day`."""
    return time_of_day(recording_start(audit), epoch * EPOCH_S, seconds=True)
