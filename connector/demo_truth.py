"""What the demo tells at its end: a model's replies against the truth of its simulated night."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditor.vocabulary import EPOCH_S, Phenomenon, Polarity, Span, Verdict
from connector.documents import Json

if TYPE_CHECKING:
    from staging.phantom import Phantom

_TOLD_AT_TIMES = (
    Phenomenon.SLEEP_SPINDLE,
    Phenomenon.K_COMPLEX,
    Phenomenon.RAPID_EYE_MOVEMENTS,
    Phenomenon.VERTEX_SHARP_WAVES,
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
    invented = {
        (epoch["epoch"], i): claim["verdict"]
        for epoch in epochs
        for i, claim in enumerate(epoch["claims"])
        if _is_invented(claim, epoch["epoch"], phantom)
    }
    flagged = {epoch["epoch"] for epoch in epochs if epoch["flags"]}
    contradicted, open_ = (
        sum(verdict == wanted for verdict in invented.values())
        for wanted in (Verdict.CONTRADICTED, Verdict.NOT_ASSESSABLE)
    )
    besides = flagged - wrong - {index for index, _ in invented}
    yield (
        "\nThe night is simulated, so the truth is known. The model's mistakes, and the audit:\n"
        f"  {len(wrong)} of {len(epochs)} epochs have a wrong stage: "
        f"{len(wrong & flagged)} of them are flagged\n"
        f"  {len(invented)} signs are told at times where there is none: "
        f"{contradicted} of them are contradicted, {open_} left open\n"
        f"  {len(besides)} epochs are flagged that have neither"
    )


def _is_invented(claim: Json, index: int, phantom: Phantom) -> bool:
    """Whether a sign is told at times at none of which the night has one."""
    if (
        claim["phenomenon"] not in _TOLD_AT_TIMES
        or claim["polarity"] != Polarity.PRESENT
        or not claim["read"]
        or not claim["spans_s"]
    ):
        return False
    told = [
        Span(index * EPOCH_S + start - _SLACK_S, index * EPOCH_S + end + _SLACK_S)
        for start, end in claim["spans_s"]
    ]
    real = [
        Span(event.start_s, event.end_s)
        for event in phantom.events
        if event.kind == claim["phenomenon"]
    ]
    return not any(a.start_s < b.end_s and b.start_s < a.end_s for a in told for b in real)
