"""How far two scorings agree: accuracy, macro-F1, Cohen's kappa, per stage.

An epoch that the reference does not score is left out; one that only the prediction does not
score counts as wrong. Cohen 1960, doi:10.1177/001316446002000104.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from auditor.errors import ScoringRefused, UsageError
from auditor.vocabulary import SCORED_STAGES, Stage
from connector.documents import Json
from connector.scored import read_scoring

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
        "kappa": _kappa(matrix.tolist()),
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


def _kappa(matrix: list[list[int]]) -> float | None:
    total = sum(map(sum, matrix))
    observed = sum(matrix[i][i] for i in range(len(matrix))) / total
    columns = [sum(column) for column in zip(*matrix, strict=True)]
    by_chance = sum(sum(row) * column for row, column in zip(matrix, columns, strict=True))
    expected = by_chance / total**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def evaluate(predicted: Path, reference: Path) -> Json:
    """Agreement of two scoring files, or of two folders with the same file stems.

    Folders give the agreement over all epochs together, and ``recordings`` with each alone.

    Raises:
        ScoringRefused: a file cannot be read, or the reference scores no epoch.
        UsageError: one is a folder and the other is not.
    """
    if _is_folder(predicted) != _is_folder(reference):
        raise UsageError("give two scoring files or two folders, not one of each")
    if not _is_folder(predicted):
        return agreement(_pairs(predicted, reference))
    predictions, references = _by_stem(predicted), _by_stem(reference)
    absent = sorted(references.keys() - predictions.keys())
    if absent or not references:
        problem = f"has no scoring for {', '.join(absent)}" if absent else "nothing to compare"
        raise ScoringRefused(predicted, problem, "give a file of the same stem for each reference")
    pairs = {stem: _pairs(predictions[stem], path) for stem, path in references.items()}
    together = agreement([p for per_recording in pairs.values() for p in per_recording])
    return {**together, "recordings": {stem: agreement(p) for stem, p in pairs.items()}}


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False  # reading it as a file will say why


def _pairs(predicted: Path, reference: Path) -> list[StagePair]:
    pairs = pair(read_scoring(predicted).stages, read_scoring(reference).stages)
    if not pairs:
        raise ScoringRefused(reference, "scores no epoch", "give a reference with stages")
    return pairs


def _by_stem(folder: Path) -> dict[str, Path]:
    """The folder's files by name up to the first dot ("a.stages.json" and "a.edf" match)."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
    except OSError as error:
        problem = f"cannot be read ({(error.strerror or 'unknown reason').lower()})"
        raise ScoringRefused(folder, problem, "check the permissions") from None
    by_stem: dict[str, Path] = {}
    for path in files:
        stem = path.name.split(".", 1)[0]
        if stem in by_stem:
            raise ScoringRefused(path, f"a second file of the stem {stem!r}", "keep one of the two")
        by_stem[stem] = path
    return by_stem
