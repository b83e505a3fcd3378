"""Pages from their templates: one environment for all of them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

PAGES = files("templates") / "pages"


def render(template: str, **values: Any) -> str:
    """A page of ``templates/pages``; a value that the template wants and lacks is an error."""
    return _templates().get_template(template).render(values)


def minutes(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} min"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def plain(value: str) -> str:
    return value.replace("_", " ")


def quantity(value: Any, unit: str) -> str:
    """A measured value with its unit."""
    if value is None:
        return "–"
    text = f"{value:.3g}" if isinstance(value, float | int) and value is not True else str(value)
    return text if unit in ("", "1") else f"{text} {unit}"


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("templates", "pages"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(minutes=minutes, percent=percent, plain=plain, quantity=quantity)
    return templates
