"""What a model is told, held against the rulebook."""

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from auditor.errors import SettingsRefused
from auditor.rulebook import load_rulebook
from auditor.vocabulary import SCORED_STAGES
from staging.prompt import (
    PromptForm,
    own_prompt,
    read_prompt,
    user_turn,
    window_around,
)
from staging.reply import REPLY_SCHEMA, Reply, read_reply

RULEBOOK = load_rulebook()
RULE_ID = re.compile(r"\b(?:W|N1|N2|N3|R|MBM)\.\d+")


def test_the_full_prompt_holds_each_rule_in_the_rulebooks_words() -> None:
    text = own_prompt(RULEBOOK).text
    assert set(RULE_ID.findall(text)) == {rule.id for rule in RULEBOOK.rules}
    for rule in RULEBOOK.rules:
        assert f"- {rule.id}, {rule.title}. {rule.statement.strip()}\n" in text


@pytest.mark.parametrize("form", PromptForm)
def test_no_template_names_a_rule_of_its_own(form: PromptForm) -> None:
    template = (files("templates") / "prompts" / f"{form}.jinja").read_text("utf-8")
    assert not RULE_ID.findall(template)
    few = replace(RULEBOOK, rules=tuple(r for r in RULEBOOK.rules if r.id == "N3.1"))
    assert set(RULE_ID.findall(own_prompt(few, form).text)) <= {"N3.1"}


def test_the_full_prompt_asks_for_the_reply_that_is_read() -> None:
    text = own_prompt(RULEBOOK).text
    reply = read_reply(text.rpartition("\n")[2])
    assert isinstance(reply, Reply)
    assert all(f'"{key}"' in text for key in REPLY_SCHEMA["required"])
    assert all(f'"{stage}"' in text for stage in SCORED_STAGES)


def test_a_prompt_is_known_by_its_version_and_its_hash() -> None:
    prompt = own_prompt(RULEBOOK)
    assert str(prompt) == f"prompt somnoaudit full (1.0.0, SHA-256 {prompt.sha256[:12]})"
    changed = replace(RULEBOOK, rules=RULEBOOK.rules[1:])
    assert own_prompt(changed).sha256 != prompt.sha256


def test_a_prompt_from_a_file_is_taken_word_for_word(tmp_path: Path) -> None:
    path = tmp_path / "phase2.md"
    path.write_text("\ufeff# Score\n\n{{ no template }}  \n", "utf-8")
    prompt = read_prompt(path)
    assert (prompt.name, prompt.version) == ("phase2.md", "external")
    assert prompt.text == "# Score\n\n{{ no template }}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"a" * 300_000, "is too long"),
    ],
)
def test_a_file_that_is_no_prompt_is_refused(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "prompt.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsRefused, match=problem):
        read_prompt(path)


def test_the_turn_shows_three_epochs_as_published() -> None:
    assert user_turn(window_around(41, range(960))) == (
        *("Preceding epoch N‑1: ", 40),
        *("**Target epoch N**: ", 41),
        *("Subsequent epoch N+1: ", 42),
    )


def test_a_neighbour_that_was_not_recorded_is_left_out_with_its_words() -> None:
    first, last, alone = (window_around(i, {0, 1, 2, 5}) for i in (0, 2, 5))
    assert user_turn(first) == ("**Target epoch N**: ", 0, "Subsequent epoch N+1: ", 1)
    assert user_turn(last) == ("Preceding epoch N‑1: ", 1, "**Target epoch N**: ", 2)
    assert user_turn(alone) == ("**Target epoch N**: ", 5)
    assert (first.epochs, last.epochs, alone.epochs) == ((0, 1), (1, 2), (5,))
