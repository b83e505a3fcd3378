"""What the demo tells at its end: a model's replies against the truth of its simulated night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from auditor.vocabulary import EPOCH_S, Phenomenon, Polarity, Span, Verdict
from connector.documents import Json

if TYPE_CHECKING:
    from staging.phantom import Phantom

_SIGNS = (
    Phenomenon.SLEEP_SPINDLE,
    Phenomenon.K_COMPLEX,
    Phenomenon.VERTEX_SHARP_WAVES,
    Phenomenon.AROUSAL,
    Phenomenon.RAPID_EYE_MOVEMENTS,
    Phenomenon.EYE_BLINKS,
    Phenomenon.SLOW_EYE_MOVEMENTS,
)
_SLACK_S = 2.0
"""As far as a reader misjudges a time on a 30-s page."""


def against_truth(audit: Json, phantom: Phantom) -> Iterator[str]:
    """How much of what is not true of the night was flagged, and what was flagged besides."""
    epochs = audit["epochs"]
    wrong = {
        epoch["epoch"]
        for epoch, stage in zip(epochs, phantom.stages, strict=True)
        if epoch["stage"] != stage.value
    }
    claims = [
        (epoch["epoch"], claim)
        for epoch in epochs
        for claim in epoch["claims"]
        if claim["phenomenon"] in _SIGNS and claim["read"]
    ]
    invented = [each for each in claims if _is_invented(*each, phantom)]
    denied = [each for each in claims if _is_wrongly_denied(*each, phantom)]
    flagged = {epoch["epoch"] for epoch in epochs if epoch["flags"]}
    besides = flagged - wrong - {index for index, _ in invented + denied}
    yield (
        "\nThe night is simulated, so the truth is known. The model's mistakes, and the audit:\n"
        f"  {len(wrong)} of {len(epochs)} epochs have a wrong stage: "
        f"{len(wrong & flagged)} of them are flagged\n"
        f"  {len(invented)} signs are told at times where there is none: {_found(invented)}\n"
        f"  {len(denied)} signs are denied of epochs that have them: {_found(denied)}\n"
        f"  {len(besides)} epochs are flagged that have none of these"
    )


def _found(claims: Sequence[tuple[int, Json]]) -> str:
    contradicted, open_ = (
        sum(claim["verdict"] == wanted for _, claim in claims)
        for wanted in (Verdict.CONTRADICTED, Verdict.NOT_ASSESSABLE)
    )
    return f"{contradicted} of them are contradicted, {open_} left open"


def _is_invented(index: int, claim: Json, phantom: Phantom) -> bool:
    """Whether a sign is told at times at none of which the night has one."""
    if claim["polarity"] != Polarity.PRESENT or not claim["spans_s"]:
        return False
    told = [
        Span(index * EPOCH_S + start - _SLACK_S, index * EPOCH_S + end + _SLACK_S)
        for start, end in claim["spans_s"]
    ]
    real = _real(claim, phantom)
    return not any(a.start_s < b.end_s and b.start_s < a.end_s for a in told for b in real)


def _is_wrongly_denied(index: int, claim: Json, phantom: Phantom) -> bool:
    """Whether an epoch that is said to have none has half of one, or is half filled by one."""
    start_s = index * EPOCH_S
    return claim["polarity"] == Polarity.ABSENT and any(
        min(event.end_s, start_s + EPOCH_S) - max(event.start_s, start_s)
        >= min(event.end_s - event.start_s, EPOCH_S) / 2
        for event in _real(claim, phantom)
    )


def _real(claim: Json, phantom: Phantom) -> list[Span]:
    return [
        Span(event.start_s, event.end_s)
        for event in phantom.events
        if event.kind == claim["phenomenon"]
    ]
