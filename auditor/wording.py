"""How names and findings are put into words, wherever they are read."""

from __future__ import annotations

import re

from auditor.vocabulary import ConditionFinding, Scalar, Verdict

_CAPITALS = re.compile(r"\b(k(?= complex)|n[123]|[wr](?=_| |$)|eeg|emg|rem)\b")
SIGNS = {">=": "≥ ", "<=": "≤ ", "!=": "≠ ", ">": "> ", "<": "< "}


def spoken(name: str) -> str:
    """An identifier as words: ``k_complex_or_spindle`` is "K complex or spindle"."""
    return _CAPITALS.sub(lambda found: found[0].upper(), name.replace("_", " "))


def told(condition: ConditionFinding) -> str:
    """A rule's condition with what was found: "slow wave share: measured 0.12, needed ≥ 0.2"."""
    name = spoken(condition.id)
    if not condition.operator:  # it asks for another rule
        holds = condition.measured == Verdict.SUPPORTED
        return f"{name.removeprefix('not ')} {'holds' if holds else 'does not hold'}"
    unit = f" {condition.unit}" if condition.unit not in ("", "1") else ""
    measured, threshold = map(_short, (condition.measured, condition.threshold))
    sign = SIGNS.get(condition.operator, "")
    return f"{name}: measured {measured}{unit}, needed {sign}{threshold}{unit}"


def _short(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
