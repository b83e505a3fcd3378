"""What a vision-language model is told: the system prompt, and the turn that shows an epoch.

Our own prompts are templates whose rule texts come from the rulebook, so that a rule which is
not in the rulebook cannot be in the prompt. A model that was trained on a prompt wants that one,
word for word: it is read from a file, which the checkpoint's folder may hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined

from auditor.errors import SettingsRefused, os_reason
from auditor.rulebook import Rulebook
from auditor.vocabulary import SCORED_STAGES

PROMPT_FILE = "prompt.txt"
"""A checkpoint that was trained on a prompt holds it in a file of this name."""

LONGEST_PROMPT_BYTES = 1 << 18
"""Some ten times what the context of the largest model of the family could hold with images."""


class PromptForm(StrEnum):
    """Our own prompts, by what the model already knows.

    ``full`` tells layout, rules and reply to a model that was trained on none of them;
    ``short`` only names the task, to a model that was.
    """

    FULL = "full"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A system prompt.

    Attributes:
        name: "somnoaudit full", or the name of the file that it was read from.
        version: of our own; "external" for one from a file.
        text: word for word what the model is told.
    """

    name: str
    version: str
    text: str

    @property
    def sha256(self) -> str:
        """Of the text in UTF-8, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def __str__(self) -> str:
        return f"prompt {self.name} ({self.version}, SHA-256 {self.sha256[:12]})"


def own_prompt(rulebook: Rulebook, form: PromptForm = PromptForm.FULL) -> Prompt:
    """Our own prompt, with the rules of this rulebook."""
    template = _templates().get_template(f"{form}.jinja")
    told = template.make_module(
        {"rules": rulebook.rules, "stages": [stage.value for stage in SCORED_STAGES]}
    )
    version: str = vars(told)["version"]
    return Prompt(f"somnoaudit {form}", version, str(told).strip())


def read_prompt(path: Path) -> Prompt:
    """A prompt from a file, for a model that was trained on it.

    Only the white space around it is left out.

    Raises:
        SettingsRefused: the file is missing, empty, too long, or not UTF-8 text.
    """
    remedy = "give the prompt that the model was trained on, as UTF-8 text"
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_PROMPT_BYTES + 1)
    except OSError as error:
        raise SettingsRefused(path, f"cannot be read ({os_reason(error)})", remedy) from None
    if len(content) > LONGEST_PROMPT_BYTES:
        raise SettingsRefused(path, "is too long for a prompt", remedy)
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise SettingsRefused(path, "is not UTF-8 text", remedy) from None
    if not text:
        raise SettingsRefused(path, "is empty", remedy)
    return Prompt(path.name, "external", text)


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("templates", "prompts"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 plain text for a model, no page
    )


# ── the turn that shows an epoch ──────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Window:
    """The epochs of which a model sees an image, to score the one in the middle.

    Attributes:
        target: the epoch to score, by its number from 0.
        preceding, subsequent: its neighbours; None where there is none, or where a part of it
            was not recorded.
    """

    target: int
    preceding: int | None
    subsequent: int | None

    @property
    def epochs(self) -> tuple[int, ...]:
        """In the order in which they are shown."""
        shown = (self.preceding, self.target, self.subsequent)
        return tuple(epoch for epoch in shown if epoch is not None)


def window_around(target: int, recorded: Collection[int]) -> Window:
    """The window of an epoch among those that were recorded without a gap."""
    before, after = target - 1, target + 1
    return Window(
        target,
        before if before in recorded else None,
        after if after in recorded else None,
    )


Part: TypeAlias = str | int
"""A piece of a turn: text, or the number of the epoch whose image stands there."""


def user_turn(window: Window) -> tuple[Part, ...]:
    """The turn that shows a window, laid out as SleepVLM was trained (arXiv 2603.26738).

    The hyphen in "N‑1" is U+2011. A neighbour that is missing is left out with its words.
    """
    parts: list[Part] = []
    if window.preceding is not None:
        parts += ["Preceding epoch N\N{NON-BREAKING HYPHEN}1: ", window.preceding]
    parts += ["**Target epoch N**: ", window.target]
    if window.subsequent is not None:
        parts += ["Subsequent epoch N+1: ", window.subsequent]
    return tuple(parts)
