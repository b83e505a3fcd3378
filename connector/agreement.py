"""How far two scorings agree: accuracy, macro-F1, Cohen's kappa, per stage, and cited rules.

An epoch that the reference does not score is left out; one that only the prediction does not
score counts as wrong, an unreadable reply too. Cohen 1960, doi:10.1177/001316446002000104.
Rules are compared where both sides cite any: the same set, and Jaccard's index (shared rules
by all that either cites). Where the prediction is an Audit JSON, the shares of its claims that
the signal supports and contradicts stand beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from auditor.errors import ScoringRefused, UsageError, os_reason
from auditor.vocabulary import SCORED_STAGES, Stage, Verdict
from connector.documents import Json
from connector.scored import Scoring, read_scoring

StagePair = tuple[Stage, Stage]
"""What the reference says of an epoch, and what the prediction says."""


def pair(predicted: Mapping[int, Stage], reference: Mapping[int, Stage]) -> list[StagePair]:
    """The epochs that the reference scores, with what the prediction makes of them."""
    return [
        (stage, predicted.get(index, Stage.UNSCORED))
        for index, stage in reference.items()
        if stage is not Stage.UNSCORED
    ]


def agreement(pairs: Sequence[StagePair]) -> Json:
    """The agreement document of the contracts.

    ``kappa`` is None where it is undefined: both sides say one and the same stage throughout.
    The mean F1 is over the stages that either side uses.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    labels = [*SCORED_STAGES, Stage.UNSCORED]
    reference = [stage.value for stage, _ in pairs]
    predicted = [stage.value for _, stage in pairs]
    names = [stage.value for stage in labels]
    matrix = confusion_matrix(reference, predicted, labels=names)
    precision, recall, f1, support = precision_recall_fscore_support(
        reference, predicted, labels=names[:-1], zero_division=0.0
    )
    used = [i for i in range(len(SCORED_STAGES)) if support[i] or matrix[:, i].any()]
    return {
        "epochs": len(pairs),
        "accuracy": float(matrix.trace() / len(pairs)),
        "macro_f1": float(sum(f1[i] for i in used) / len(used)),
        "kappa": cohen_kappa(matrix.tolist()),
        "per_stage": {
            stage.value: {
                "f1": float(f1[i]),
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "support": int(support[i]),
            }
            for i, stage in enumerate(SCORED_STAGES)
        },
        "confusion": {
            row.value: {
                column.value: int(matrix[i, j]) for j, column in enumerate(labels) if matrix[i, j]
            }
            for i, row in enumerate(SCORED_STAGES)
        },
    }


def cohen_kappa(matrix: list[list[int]]) -> float | None:
    """Of a square table of counts; None where both sides say one and the same throughout."""
    total = sum(map(sum, matrix))
    observed = sum(matrix[i][i] for i in range(len(matrix))) / total
    columns = [sum(column) for column in zip(*matrix, strict=True)]
    by_chance = sum(sum(row) * column for row, column in zip(matrix, columns, strict=True))
    expected = by_chance / total**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


# ── rules and claims ──────────────────────────────────────────────────────────────────────

RulePair = tuple[frozenset[str], frozenset[str]]
"""The rules that the reference cites for an epoch, and those that the prediction cites."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A recording's two scorings, epoch by epoch.

    Attributes:
        stages: of each epoch that the reference scores.
        rules: of each of them for which both sides cite any.
        claims: what the audit made of the prediction's claims; empty where it was not audited.
    """

    stages: tuple[StagePair, ...]
    rules: tuple[RulePair, ...]
    claims: tuple[Verdict, ...]

    @classmethod
    def of(cls, predicted: Scoring, reference: Scoring) -> Comparison:
        cited, expected = predicted.cited_rules, reference.cited_rules
        both = (
            index
            for index, stage in reference.stages.items()
            if stage is not Stage.UNSCORED and index in cited and index in expected
        )
        return cls(
            tuple(pair(predicted.stages, reference.stages)),
            tuple((expected[index], cited[index]) for index in both),
            predicted.claim_verdicts,
        )

    @classmethod
    def together(cls, comparisons: Iterable[Comparison]) -> Comparison:
        """All epochs of several recordings as if they were of one."""
        several = tuple(comparisons)
        return cls(
            tuple(stages for one in several for stages in one.stages),
            tuple(rules for one in several for rules in one.rules),
            tuple(claim for one in several for claim in one.claims),
        )

    def document(self) -> Json:
        """The agreement document, with ``rules`` and ``claims``: None where there are none."""
        return {
            **agreement(self.stages),
            "rules": _rule_agreement(self.rules),
            "claims": _claim_shares(self.claims),
        }


def _rule_agreement(rules: Sequence[RulePair]) -> Json | None:
    if not rules:
        return None
    return {
        "epochs": len(rules),
        "exact": fmean(float(a == b) for a, b in rules),
        "jaccard": fmean(len(a & b) / len(a | b) for a, b in rules),
    }


def _claim_shares(claims: Sequence[Verdict]) -> Json | None:
    if not claims:
        return None
    n_claims, counts = len(claims), Counter(claims)
    return {
        "claims": n_claims,
        "supported": counts[Verdict.SUPPORTED] / n_claims,
        "contradicted": counts[Verdict.CONTRADICTED] / n_claims,
        "undecided": counts[Verdict.NOT_ASSESSABLE] / n_claims,
    }


# ── files and folders ─────────────────────────────────────────────────────────────────────

_NO_SCORINGS = frozenset({".html", ".pdf", ".png"})
"""What lies beside scorings, such as a report, and is none."""

_REPORT, _REPORTED = "report.html", "audit.json"
"""A folder that holds both was written by ``--report``, and stands for its Audit JSON."""


def evaluate(predicted: Path, reference: Path) -> Json:
    """Agreement of two scoring files, or of two folders with the same file stems.

    A folder that ``--report`` wrote counts as a scoring of the folder's name. Folders of
    scorings give the agreement over all epochs together, ``recordings`` with each alone, and
    ``across_recordings`` with mean and standard deviation over them.

    Raises:
        ScoringRefused: a file is not there or cannot be read, or the reference scores no epoch.
        UsageError: one is a folder and the other is not.
    """
    predicted, reference = _reported(predicted), _reported(reference)
    if _is_folder(predicted) != _is_folder(reference):
        for path in (predicted, reference):
            try:
                path.stat()
            except OSError as error:
                problem = f"cannot be read ({os_reason(error)})"
                raise ScoringRefused(path, problem, "check its name") from None
        raise UsageError("give two scoring files or two folders, not one of each")
    if not _is_folder(predicted):
        return _compared(predicted, reference).document()
    predictions, references = _by_stem(predicted), _by_stem(reference)
    absent = sorted(references.keys() - predictions.keys())
    if absent or not references:
        problem = f"has no scoring for {', '.join(absent)}" if absent else "nothing to compare"
        raise ScoringRefused(predicted, problem, "give a file of the same stem for each reference")
    compared = {stem: _compared(predictions[stem], path) for stem, path in references.items()}
    recordings = {stem: comparison.document() for stem, comparison in compared.items()}
    return {
        **Comparison.together(compared.values()).document(),
        "across_recordings": _across(list(recordings.values())),
        "recordings": recordings,
    }


def _across(recordings: Sequence[Json]) -> Json:
    """Mean and standard deviation over recordings, of each figure where it is defined.

    A stage's F1 is defined where either side uses the stage.
    """
    return {
        **{key: _spread(r[key] for r in recordings) for key in ("accuracy", "macro_f1", "kappa")},
        "f1": {
            stage.value: _spread(
                r["per_stage"][stage.value]["f1"] if is_used(stage, r) else None for r in recordings
            )
            for stage in SCORED_STAGES
        },
        "rules": _spreads(("exact", "jaccard"), [r["rules"] for r in recordings]),
        "claims": _spreads(
            ("supported", "contradicted", "undecided"), [r["claims"] for r in recordings]
        ),
    }


def is_used(stage: Stage, document: Json) -> bool:
    """Whether either side of an agreement document says this stage anywhere."""
    predicted = (row.get(stage.value, 0) for row in document["confusion"].values())
    return bool(document["per_stage"][stage.value]["support"] or any(predicted))


def _spreads(keys: Sequence[str], documents: Sequence[Json | None]) -> Json | None:
    told = [document for document in documents if document is not None]
    return {key: _spread(document[key] for document in told) for key in keys} if told else None


def _spread(values: Iterable[float | None]) -> Json | None:
    """Mean and sample standard deviation; None without a value, and for the latter of one."""
    defined = [value for value in values if value is not None]
    if not defined:
        return None
    return {
        "recordings": len(defined),
        "mean": fmean(defined),
        "sd": stdev(defined) if len(defined) > 1 else None,
    }


def _reported(path: Path) -> Path:
    """The Audit JSON of a folder that ``--report`` wrote; any other path as it is."""
    try:
        is_report = (path / _REPORT).is_file() and (path / _REPORTED).is_file()
    except OSError:
        return path  # reading it will say why
    return path / _REPORTED if is_report else path


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False  # reading it as a file will say why


def _compared(predicted: Path, reference: Path) -> Comparison:
    comparison = Comparison.of(read_scoring(predicted), read_scoring(reference))
    if not comparison.stages:
        raise ScoringRefused(reference, "scores no epoch", "give a reference with stages")
    return comparison


def _by_stem(folder: Path) -> dict[str, Path]:
    """The folder's scorings by name up to the first dot ("a.stages.json" and "a.edf" match)."""
    try:
        entries = sorted(path for path in folder.iterdir() if path.name[0] != ".")
    except OSError as error:
        problem = f"cannot be read ({os_reason(error)})"
        raise ScoringRefused(folder, problem, "check the permissions") from None
    by_stem: dict[str, Path] = {}
    for entry in entries:
        path = _reported(entry)
        if not path.is_file() or path.suffix.lower() in _NO_SCORINGS:
            continue
        stem = entry.name.split(".", 1)[0]
        if stem in by_stem:
            raise ScoringRefused(path, f"a second file of the stem {stem!r}", "keep one of the two")
        by_stem[stem] = path
    return by_stem
