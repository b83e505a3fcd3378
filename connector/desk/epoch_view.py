"""One epoch as its page shows it: signals, what was found, what was said, what follows.

Everything is worked out here, so that the template only lays it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.vocabulary import (
    EEG_ROLES,
    EPOCH_S,
    SCORED_STAGES,
    Epoch,
    Event,
    Montage,
    Role,
    ScoredEpoch,
)
from auditor.wording import spoken
from connector.desk.opened import OpenedStudy
from connector.documents import Json
from connector.html import quantity
from connector.looks import LOOKS, is_clear, marked
from connector.wording import claimed, epoch_time

_CHARACTER_S = 0.28
"""How much of the page's 30 s a letter of an event's name covers on a tablet, 820 px wide."""


@dataclass(frozen=True, slots=True)
class Band:
    """A channel's place on the page, in per cent of its height."""

    role: Role
    label: str
    top: float
    height: float
    is_chin: bool
    is_eeg: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """An event on the page; places and sizes in per cent of the page.

    ``label_y`` is None where its neighbours' names leave no room; its words are said all the same.
    """

    kind: str
    name: str
    x: float
    width: float
    y: float
    height: float
    label_y: float | None
    sure: bool
    words: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the rationale: plain, or the words of claims.

    Attributes:
        text: the words.
        claim: number of the claim among the epoch's claims, from 1; None for plain words.
        verdict: of that claim.
    """

    text: str
    claim: int | None = None
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """What was claimed and what was measured."""

    number: int
    said: str
    verdict: str
    reason: str
    spans: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class EpochView:
    """What the page of one epoch shows.

    Attributes:
        number: of the epoch.
        time: of day at its start, or into the recording.
        bands, marks: the page of signals; no bands where the recording is no longer here.
        n_events: how many were found, those of channels that are not shown among them.
        pieces: the rationale in pieces; empty where there is none.
        unreadable: what the model answered where that could not be read.
        claims: in the order of their mention.
        probabilities: of the five stages in per cent; empty where the stager gives none.
        measures: name, value and unit of what was measured.
        gaps: what could not be measured here, and why.
    """

    number: int
    time: str
    stage: str
    permitted: tuple[str, ...]
    bands: tuple[Band, ...]
    marks: tuple[Mark, ...]
    n_events: int
    pieces: tuple[Piece, ...]
    unreadable: str | None
    cited: tuple[str, ...]
    claims: tuple[ClaimRow, ...]
    rules: tuple[Json, ...]
    flags: tuple[Json, ...]
    priority: float
    probabilities: tuple[tuple[str, float], ...]
    measures: tuple[tuple[str, str], ...]
    gaps: tuple[tuple[str, str], ...]


def view_epoch(opened: OpenedStudy, number: int) -> EpochView:
    """The view of one epoch.

    Raises:
        KeyError: the night has no such epoch.
    """
    audited = opened.epochs[number]
    scored = opened.hypnogram.epochs[number]
    epoch = Epoch(number)
    bands = tuple(_bands(opened.montage)) if opened.montage else ()
    events = opened.events(epoch)
    return EpochView(
        number=number,
        time=epoch_time(opened.audit, number),
        stage=audited["stage"],
        permitted=tuple(audited["permitted_stages"]),
        bands=bands,
        marks=tuple(_marks(events, epoch, bands)),
        n_events=len(events),
        pieces=tuple(_pieces(scored, audited["claims"])),
        unreadable=scored.unreadable_reply,
        cited=scored.rationale.applicable_rules if scored.rationale else (),
        claims=tuple(_claim_rows(audited["claims"])),
        rules=tuple(sorted(audited["rules"], key=lambda rule: not rule["cited"])),
        flags=tuple(audited["flags"]),
        priority=audited["priority"],
        probabilities=tuple(_probabilities(scored)),
        measures=tuple(_measures(opened, number)),
        gaps=tuple(_gaps(opened, number)),
    )


# ── the page of signals ───────────────────────────────────────────────────────────────────


def _bands(montage: Montage) -> Iterator[Band]:
    height = 100.0 / len(montage.roles)
    for place, (role, derivation) in enumerate(montage.roles.items()):
        eeg = role in EEG_ROLES
        yield Band(
            role,
            derivation.channel.label,
            round(place * height, 3),
            round(height, 3),
            role is Role.CHIN,
            eeg,
        )


def _marks(events: Sequence[Event], epoch: Epoch, bands: Sequence[Band]) -> Iterator[Mark]:
    """Boxes over the signal; the names of neighbours in a band stand in two lanes."""
    by_label = {band.label: band for band in bands}
    lane_end: dict[tuple[str, int], float] = {}
    for event in sorted(events, key=lambda e: e.start_s):
        band = by_label.get(event.channel)
        if band is None:
            continue
        start = max(0.0, event.start_s - epoch.start_s)
        end = min(EPOCH_S, event.end_s - epoch.start_s)
        if end <= start:
            continue
        sure = is_clear(event)
        name = marked(LOOKS[event.kind].name, event)
        lane = next((n for n in (0, 1) if lane_end.get((band.label, n), 0.0) <= start), None)
        if lane is not None:
            lane_end[band.label, lane] = start + _CHARACTER_S * len(name)
        yield Mark(
            kind=event.kind.value,
            name=name,
            x=round(start / EPOCH_S * 100, 3),
            width=round((end - start) / EPOCH_S * 100, 3),
            y=round(band.top + band.height * 0.08, 3),
            height=round(band.height * 0.84, 3),
            label_y=None
            if lane is None
            else round(band.top + band.height * (0.2 + 0.15 * lane), 3),
            sure=sure,
            words=_event_words(event, epoch),
        )


def _event_words(event: Event, epoch: Epoch) -> str:
    parts = [
        f"{spoken(event.kind.value)} in {event.channel}, "
        f"{event.start_s - epoch.start_s:.1f}–{event.end_s - epoch.start_s:.1f} s"
    ]
    if event.frequency_hz is not None:
        parts.append(f"{event.frequency_hz:.1f} Hz")
    if event.amplitude_uv is not None:
        parts.append(f"{event.amplitude_uv:.0f} µV")
    parts.append(f"probability {event.probability:.2f}")
    return ", ".join(parts)


# ── what was said ─────────────────────────────────────────────────────────────────────────


def _pieces(scored: ScoredEpoch, claims: Sequence[Json]) -> Iterator[Piece]:
    """The rationale with each claim's words apart; where two overlap, the first has them."""
    text = scored.rationale.text if scored.rationale else ""
    at = 0
    quoted = [(c["start"], c["end"], n, c) for n, c in enumerate(claims, 1) if c["text"]]
    for start, end, number, claim in sorted(quoted, key=lambda q: (q[0], q[1])):
        if start < at:
            continue
        if start > at:
            yield Piece(text[at:start])
        yield Piece(text[start:end], number, claim["verdict"])
        at = end
    if text[at:]:
        yield Piece(text[at:])


def _claim_rows(claims: Sequence[Json]) -> Iterator[ClaimRow]:
    for number, claim in enumerate(claims, 1):
        yield ClaimRow(
            number=number,
            said=claimed(claim),
            verdict=claim["verdict"],
            reason=claim["reason"],
            spans=tuple(_places(claim["spans_s"])),
        )


def _places(spans: Sequence[Sequence[float | None]]) -> Iterator[tuple[float, float]]:
    """Claimed times as place and width in per cent of the page; an instant is a second wide."""
    for low, high in spans or ():
        start = max(0.0, low or 0.0)
        end = min(EPOCH_S, EPOCH_S if high is None else high)
        if end - start < 1.0:
            start, end = max(0.0, start - 0.5), min(EPOCH_S, end + 0.5)
        yield round(start / EPOCH_S * 100, 3), round((end - start) / EPOCH_S * 100, 3)


# ── what was measured ─────────────────────────────────────────────────────────────────────


def _probabilities(scored: ScoredEpoch) -> Iterator[tuple[str, float]]:
    if scored.probabilities is not None:
        for stage in SCORED_STAGES:
            yield stage.value, round(100 * scored.probabilities.get(stage, 0.0), 1)


def _measures(opened: OpenedStudy, number: int) -> Iterator[tuple[str, str]]:
    if opened.evidence is None:
        return
    for name, measure in opened.evidence.epochs[number].measures.items():
        yield spoken(name), f"{quantity(measure.value, measure.unit)} ({measure.channel})"


def _gaps(opened: OpenedStudy, number: int) -> Iterator[tuple[str, str]]:
    if opened.evidence is not None:
        for phenomenon, why in opened.evidence.epochs[number].not_assessable.items():
            yield spoken(phenomenon.value), why
