"""Stage probabilities from tokens, however the tokenizer cuts the stage's name."""

import pytest

from auditor.vocabulary import Stage
from staging.stage_likelihood import Token, stage_probabilities


def sure(*texts: str) -> list[Token]:
    return [Token(text, {text: 1.0}) for text in texts]


KEY = sure('{"', "sleep", "_stage", '":', ' "')
END = sure('"}')


def test_a_stage_of_one_token() -> None:
    tokens = [*KEY, Token("N2", {"N2": 0.6, "N3": 0.3, "W": 0.1}), *END]
    assert stage_probabilities(tokens) == pytest.approx(
        {Stage.N2: 0.6, Stage.N3: 0.3, Stage.W: 0.1, Stage.N1: 0.0, Stage.R: 0.0}
    )


def test_a_stage_of_two_tokens() -> None:
    tokens = [
        *KEY,
        Token("N", {"N": 0.8, "R": 0.15, "W": 0.05}),
        Token("2", {"2": 0.75, "3": 0.25}),
        *END,
    ]
    assert stage_probabilities(tokens) == pytest.approx(
        {Stage.N2: 0.6, Stage.N3: 0.2, Stage.R: 0.15, Stage.W: 0.05, Stage.N1: 0.0}
    )


def test_the_sleep_that_was_not_chosen_is_parted_equally() -> None:
    tokens = [*KEY, Token("W", {"W": 0.7, "N": 0.3}), *END]
    assert stage_probabilities(tokens) == pytest.approx(
        {Stage.W: 0.7, Stage.N1: 0.1, Stage.N2: 0.1, Stage.N3: 0.1, Stage.R: 0.0}
    )


def test_tokens_that_reach_over_the_value() -> None:
    tokens = sure('{"sleep_stage"', ":")
    tokens += [Token(' "R', {' "R': 0.9, ' "W': 0.1, ' "N': 0.0, "{": 0.0}), *END]
    found = stage_probabilities(tokens)
    assert found is not None
    assert found[Stage.R] == pytest.approx(0.9)
    tokens = [*KEY, Token('W"}', {'W"}': 0.5, "W": 0.2, 'R"}': 0.3})]
    found = stage_probabilities(tokens)
    assert found is not None
    assert (found[Stage.W], found[Stage.R]) == pytest.approx((0.7, 0.3))


def test_what_is_no_stage_does_not_count() -> None:
    tokens = [*KEY, Token("N3", {"N3": 0.6, "N2": 0.2, "Artefact": 0.2}), *END]
    found = stage_probabilities(tokens)
    assert found is not None
    assert found[Stage.N3] == pytest.approx(0.75)
    assert sum(found.values()) == pytest.approx(1.0)


def test_words_for_stages_count() -> None:
    found = stage_probabilities([*KEY, Token("Wake", {"Wake": 0.8, "REM": 0.2}), *END])
    assert found is not None
    assert (found[Stage.W], found[Stage.R]) == pytest.approx((0.8, 0.2))


def test_the_last_of_several_names_counts() -> None:
    tokens = [*KEY, *sure("W"), *END, *KEY, *sure("R"), *END]
    found = stage_probabilities(tokens)
    assert found is not None
    assert found[Stage.R] == 1.0


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        sure("Stage", " N2"),
        [*KEY],
        [*KEY, *sure("N")],
        [*KEY, Token("Artefact", {"Artefact": 0.9, "W": 0.1})],
    ],
)
def test_none_where_no_stage_was_named(tokens: list[Token]) -> None:
    assert stage_probabilities(tokens) is None
