"""Pages from their templates."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from auditor.vocabulary import Verdict
from auditor.wording import SIGNS, spoken
from connector.documents import Json
from connector.wording import percent

PAGES = files("templates") / "pages"


def render(template: str, **values: Any) -> str:
    """A page of ``templates/pages``; a value that the template wants and lacks is an error."""
    return _pages().get_template(template).render(values)


def quantity(value: Any, unit: str) -> str:
    """A measured value with its unit."""
    if value is None:
        return "–"
    text = f"{value:.3g}" if isinstance(value, float | int) and value is not True else str(value)
    return text if unit in ("", "1") else f"{text} {unit}"


_HELD = {
    Verdict.SUPPORTED.value: "holds",
    Verdict.CONTRADICTED.value: "does not hold",
    Verdict.NOT_ASSESSABLE.value: "cannot be told",
}


def measured(condition: Json) -> str:
    """What was measured of a rule's condition; where that is another rule, whether it holds."""
    return _compared(condition, "measured")


def needed(condition: Json) -> str:
    """What a rule's condition asks for: "≥ 0.2"; of another rule, that it holds or does not."""
    # Audits that were stored before they told it have no operator.
    return f"{SIGNS.get(condition.get('operator', ''), '')}{_compared(condition, 'threshold')}"


def _compared(condition: Json, side: str) -> str:
    value = condition[side]
    return _HELD[value] if value in _HELD else quantity(value, condition["unit"])


def templates(folder: str, **filters: Callable[..., str]) -> Environment:
    """The templates of a folder, whose texts are HTML; a value that one lacks is an error."""
    found = Environment(
        loader=PackageLoader("templates", folder),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(filters)
    return found


@cache
def _pages() -> Environment:
    return templates("pages", percent=percent, spoken=spoken, measured=measured, needed=needed)
