"""Agreement of scorings, as the tables that a person reads."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.vocabulary import SCORED_STAGES
from connector.documents import Json
from connector.terminal import table

_STAGES = tuple(stage.value for stage in SCORED_STAGES)
_FIGURES = ("accuracy", "macro_f1", "kappa")
_UNDEFINED = "–"


def agreement_summary(document: Json) -> str:
    """An agreement document for a person: one pair of scorings, or many.

    Of many, a row a recording with the F1 of each stage, then their mean and standard deviation,
    then all epochs together.
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
            (stage, *(f"{s[key]:.3f}" for key in ("f1", "precision", "recall")), str(s["support"]))
            for stage, s in document["per_stage"].items()
        ),
    ]


def _per_recording(document: Json) -> list[Sequence[str]]:
    """Columns of rules and claims are there where any recording has them."""
    of_rules = [("rules", key) for key in ("exact", "jaccard") if document["rules"]]
    of_claims = [
        ("claims", key) for key in ("supported", "contradicted", "undecided") if document["claims"]
    ]
    shown = (*of_rules, *of_claims)
    across = document["across_recordings"]
    return [
        (
            *("recording", "epochs", "accuracy", "macro-F1", "kappa"),
            *(f"F1 {stage}" for stage in _STAGES),
            *(f"{kind} {key}" for kind, key in shown),
        ),
        *(_row(name, one, shown) for name, one in document["recordings"].items()),
        (
            *("mean ± sd", ""),
            *(_spread(across[key]) for key in _FIGURES),
            *(_spread(across["f1"][stage]) for stage in _STAGES),
            *(_spread(across[kind][key]) for kind, key in shown),
        ),
        _row("all epochs", document, shown),
    ]


def _row(name: str, document: Json, shown: Sequence[tuple[str, str]]) -> Sequence[str]:
    return (
        name,
        str(document["epochs"]),
        *(_number(document[key]) for key in _FIGURES),
        *(_number(document["per_stage"][stage]["f1"]) for stage in _STAGES),
        *(_number(document[kind][key] if document[kind] else None) for kind, key in shown),
    )


def _number(value: float | None) -> str:
    return _UNDEFINED if value is None else f"{value:.3f}"


def _spread(spread: Json | None) -> str:
    if spread is None:
        return _UNDEFINED
    return _number(spread["mean"]) + ("" if spread["sd"] is None else f" ± {spread['sd']:.3f}")
