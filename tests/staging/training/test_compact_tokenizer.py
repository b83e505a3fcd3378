"""The compact model's words: what it decides on is one token, and nothing is lost."""

import pytest

from staging.training.compact import build_tokenizer
from staging.training.wording import reply

REPLY = reply(
    "A sleep spindle appears at 7.5–8.5 s in C4. Chin tone is low.", ("N2.1", "N2.2"), "N2"
)
TOKENIZER = build_tokenizer([REPLY])


@pytest.mark.parametrize("text", ["12.5", "30", "85", "N2.1", "MBM.2", "N3", "W", "C4", "spindle "])
def test_what_is_decided_is_one_token(text: str) -> None:
    assert len(TOKENIZER(text)["input_ids"]) == 1


@pytest.mark.parametrize("text", [REPLY, "Übung macht müde 🙂 {…}", "never seen before"])
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text
