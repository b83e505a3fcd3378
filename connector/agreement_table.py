"""Agreement of scorings, as the tables that a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from auditor.vocabulary import SCORED_STAGES, Stage
from connector.agreement import is_used
from connector.documents import Json
from connector.terminal import table

_Place: TypeAlias = tuple[str, str]
"""Where a figure stands in the document."""

_FIGURES = ("accuracy", "macro_f1", "kappa")
_RULES_AND_CLAIMS: Mapping[_Place, str] = {
    ("rules", "exact"): "same rules",
    ("rules", "jaccard"): "Jaccard",
    ("claims", "supported"): "supported",
    ("claims", "contradicted"): "contradicted",
    ("claims", "undecided"): "undecided",
}
_UNDEFINED = "–"


def agreement_summary(document: Json) -> str:
    """An agreement document for a person: of one pair of scorings, or of many.

    Of many, a row a recording, then mean and standard deviation over them, then all epochs
    together.
    """
    parts = [_overall(document), table(_per_stage(document))]
    if "recordings" in document:
        parts.append(table(_per_recording(document)))
    return "\n\n".join(parts)


def _overall(document: Json) -> str:
    kappa = "undefined" if document["kappa"] is None else f"{document['kappa']:.3f}"
    lines = [
        f"{document['epochs']} epochs   accuracy {document['accuracy']:.3f}   "
        f"macro-F1 {document['macro_f1']:.3f}   Cohen's kappa {kappa}"
    ]
    if rules := document["rules"]:
        lines.append(
            f"cited rules, in {rules['epochs']} epochs where both cite any: "
            f"the same {rules['exact']:.1%}   Jaccard {rules['jaccard']:.3f}"
        )
    if claims := document["claims"]:
        lines.append(
            f"{claims['claims']} claims: supported {claims['supported']:.1%}   "
            f"contradicted {claims['contradicted']:.1%}   undecided {claims['undecided']:.1%}"
        )
    return "\n".join(lines)


def _per_stage(document: Json) -> list[Sequence[str]]:
    return [
        ("stage", "F1", "precision", "recall", "epochs"),
        *(
            (
                stage,
                *(_of_stage(stage, key, document) for key in ("f1", "precision", "recall")),
                str(document["per_stage"][stage]["support"]),
            )
            for stage in SCORED_STAGES
        ),
    ]


def _per_recording(document: Json) -> list[Sequence[str]]:
    """Columns of rules and claims are there where any recording has them."""
    shown = {place: head for place, head in _RULES_AND_CLAIMS.items() if document[place[0]]}
    across = document["across_recordings"]
    return [
        (
            *("recording", "epochs", "accuracy", "macro-F1", "kappa"),
            *(f"F1 {stage}" for stage in SCORED_STAGES),
            *shown.values(),
        ),
        *(_row(name, one, shown) for name, one in document["recordings"].items()),
        _spread("mean", across, shown),
        _spread("sd", across, shown),
        _row("all epochs", document, shown),
    ]


def _row(name: str, document: Json, shown: Iterable[_Place]) -> Sequence[str]:
    return (
        name,
        str(document["epochs"]),
        *(_number(document[key]) for key in _FIGURES),
        *(_of_stage(stage, "f1", document) for stage in SCORED_STAGES),
        *(_number(document[kind][key] if document[kind] else None) for kind, key in shown),
    )


def _of_stage(stage: Stage, figure: str, document: Json) -> str:
    """Undefined of a stage that neither side uses, as it is left out of the means."""
    return _number(document["per_stage"][stage][figure] if is_used(stage, document) else None)


def _spread(what: str, across: Json, shown: Iterable[_Place]) -> Sequence[str]:
    """The row of means over recordings, or of standard deviations."""
    spreads = (
        *(across[key] for key in _FIGURES),
        *(across["f1"][stage] for stage in SCORED_STAGES),
        *(across[kind][key] for kind, key in shown),
    )
    return (what, "", *(_number(spread[what] if spread else None) for spread in spreads))


def _number(value: float | None) -> str:
    return _UNDEFINED if value is None else f"{value:.3f}"
