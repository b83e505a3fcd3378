"""Shared caches and batches against the plain way of asking, on random weights."""

import numpy as np
import pytest
import torch
from plain_qwen import plain_inputs, plain_reply
from random_checkpoint import write_checkpoint

from auditor.errors import CheckpointRefused
from auditor.rulebook import load_rulebook
from auditor.vocabulary import SCORED_STAGES, Stage
from staging.prompt import Prompt, PromptForm, Window, own_prompt, window_around
from staging.qwen.checkpoint import Checkpoint, load
from staging.qwen.decoding import Answer, Decoder
from staging.qwen.folder import look_through
from staging.qwen.grammar import ReplyGrammar
from staging.qwen.images import embed, image_grid
from staging.qwen.inputs import night_inputs, shape_of
from staging.qwen.night import Night
from staging.qwen.stage_tokens import StageTokens
from staging.render import Image
from staging.reply import Reply, read_reply

N_EPOCHS = 6
LONGEST = 48
WHOLE = 320
PROMPT = own_prompt(load_rulebook(), PromptForm.FULL)
SHORT = own_prompt(load_rulebook(), PromptForm.SHORT)
WINDOWS = tuple(window_around(i, range(N_EPOCHS)) for i in range(N_EPOCHS))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return load(look_through(write_checkpoint(tmp_path_factory.mktemp("random"))))


@pytest.fixture(scope="module")
def images() -> list[Image]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (224, 448, 3), dtype=np.uint8) for _ in range(N_EPOCHS)]


@pytest.fixture(scope="module")
def plain(checkpoint: Checkpoint, images: list[Image]) -> dict[int, tuple[int, ...]]:
    """The tokens of each window's reply, asked one by one."""
    return {
        window.target: plain_reply(
            checkpoint, plain_inputs(checkpoint, PROMPT, window, images), LONGEST
        )
        for window in WINDOWS
    }


def shared(
    checkpoint: Checkpoint,
    images: list[Image],
    batch: int,
    prompt: Prompt = PROMPT,
    longest: int = LONGEST,
) -> dict[int, Answer]:
    """The answers to all windows by shared caches, so many at a time."""
    night = Night(checkpoint, prompt, iter(list(enumerate(images))), longest)
    night._batch_size = batch
    answered = night.answers(WINDOWS, lambda: None)
    return {window.target: answer for part in answered for window, answer in part}


@pytest.fixture(scope="module")
def whole(checkpoint: Checkpoint, images: list[Image]) -> dict[int, Answer]:
    """Answers to all windows with room enough that some are finished."""
    return shared(checkpoint, images, N_EPOCHS, SHORT, WHOLE)


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_replies_are_the_plain_ones_token_for_token(
    checkpoint: Checkpoint, images: list[Image], plain: dict[int, tuple[int, ...]], batch: int
) -> None:
    answers = shared(checkpoint, images, batch)
    assert {epoch: answer.tokens for epoch, answer in answers.items()} == plain
    assert len(set(plain.values())) == N_EPOCHS, "the model must see what it is shown"


def test_images_read_as_text_are_answered_otherwise(
    checkpoint: Checkpoint, images: list[Image], plain: dict[int, tuple[int, ...]]
) -> None:
    # The comparison above must be able to fail: this is what a reply is without the types of
    # its tokens, which say where the images are.
    window = WINDOWS[2]
    inputs = plain_inputs(checkpoint, PROMPT, window, images)
    del inputs["mm_token_type_ids"]
    checkpoint.model.model.rope_deltas = None
    assert plain_reply(checkpoint, inputs, LONGEST) != plain[window.target]


def test_an_image_is_laid_out_in_rows_and_columns(
    checkpoint: Checkpoint, images: list[Image]
) -> None:
    inputs = night_inputs(checkpoint, SHORT, image_grid(checkpoint, images[0]))
    window = inputs.by_shape[True, True]
    is_image = window.ids == checkpoint.image_token_id
    assert int(is_image.sum()) == 3 * inputs.n_image_tokens == 3 * 128
    time, height, width = window.positions[:, is_image][:, :128] - window.positions[0, is_image][0]
    assert time.tolist() == [0] * 128
    assert height.tolist() == [row for row in range(8) for _ in range(16)]
    assert width.tolist() == [column for _ in range(8) for column in range(16)]
    text = window.positions[:, ~is_image]
    assert bool((text[0] == text[1]).all())
    assert bool((text[0] == text[2]).all())
    assert window.next_position == int(window.positions.max()) + 1


def test_all_windows_share_the_system_prompt(checkpoint: Checkpoint, images: list[Image]) -> None:
    inputs = night_inputs(checkpoint, PROMPT, image_grid(checkpoint, images[0]))
    assert set(inputs.by_shape) == {(a, b) for a in (True, False) for b in (True, False)}
    n_prompt = len(checkpoint.tokenizer(PROMPT.text)["input_ids"])
    assert n_prompt < inputs.n_shared < n_prompt + 20
    assert inputs.longest - inputs.n_shared < 3 * 128 + 60


def test_a_reply_is_held_to_its_schema(whole: dict[int, Answer]) -> None:
    finished = [answer for answer in whole.values() if len(answer.tokens) < WHOLE]
    assert finished, "random weights finish some replies"
    for answer in finished:
        assert isinstance(read_reply(answer.text), Reply)


@pytest.mark.parametrize(
    "text",
    [
        '{"reasoning_text":"µV","applicable_rules":["N2.1"],"sleep_stage":"N2"}',
        '{"reasoning_text": "a", "applicable_rules": "N2.1, N2.2", "sleep_stage": "N2"}',
        '```json\n{\n    "reasoning_text": "a",\n    "applicable_rules": [\n        "N2.1"\n    ],'
        '\n    "sleep_stage": "N2"\n}\n```',
    ],
)
def test_models_may_write_bare_or_fenced_compact_or_indented(
    checkpoint: Checkpoint, text: str
) -> None:
    matcher = ReplyGrammar(checkpoint).matcher()
    tokens = checkpoint.tokenizer(text)["input_ids"]
    assert matcher.try_consume_tokens(tokens) == len(tokens)
    assert matcher.is_stopped()


@pytest.mark.parametrize(
    "text",
    [
        "The epoch is N2",
        '{"sleep_stage"',
        '{"reasoning_text":' + " " * 13,
        '{"reasoning_text":"a","applicable_rules":[],"sleep_stage":"N4',
        '{"reasoning_text":"a","applicable_rules":[],"sleep_stage":"?',
    ],
)
def test_models_may_write_nothing_else(checkpoint: Checkpoint, text: str) -> None:
    matcher = ReplyGrammar(checkpoint).matcher()
    tokens = checkpoint.tokenizer(text)["input_ids"]
    assert matcher.try_consume_tokens(tokens) < len(tokens)


# ── stages ────────────────────────────────────────────────────────────────────────────────


def likelihood(
    checkpoint: Checkpoint, images: list[Image], window: Window, written: list[int]
) -> dict[Stage, float]:
    """The plain way: each stage in full after what was written, its tokens' likelihoods added."""
    inputs = plain_inputs(checkpoint, SHORT, window, images)
    types = inputs.pop("mm_token_type_ids")
    logs = {}
    for stage in SCORED_STAGES:
        tokens = checkpoint.tokenizer(stage.value)["input_ids"]
        more = torch.tensor([[*written, *tokens]])
        ids = torch.cat([inputs["input_ids"], more], dim=1)
        with torch.inference_mode():
            output = checkpoint.model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                mm_token_type_ids=torch.cat([types, torch.zeros_like(more)], dim=1),
                pixel_values=inputs["pixel_values"],
                image_grid_thw=inputs["image_grid_thw"],
            )
        scores = torch.log_softmax(output.logits[0, -len(tokens) - 1 : -1], dim=-1)
        logs[stage] = sum(float(score[token]) for score, token in zip(scores, tokens, strict=True))
        checkpoint.model.model.rope_deltas = None
    total = sum(np.exp(list(logs.values())))
    return {stage: float(np.exp(log)) / total for stage, log in logs.items()}


def test_stage_probabilities_are_the_likelihoods_of_the_stages_tokens(
    checkpoint: Checkpoint, images: list[Image], whole: dict[int, Answer]
) -> None:
    stages = StageTokens(checkpoint.tokenizer, ReplyGrammar(checkpoint))
    named = {
        epoch: begin
        for epoch, answer in whole.items()
        if (begin := stages.begins_at(answer.tokens)) is not None
    }
    assert named, "random weights name a stage in some replies"
    for epoch, answer in whole.items():
        if epoch not in named:
            assert answer.probabilities is None
            continue
        written = list(answer.tokens[: named[epoch]])
        expected = likelihood(checkpoint, images, WINDOWS[epoch], written)
        assert answer.probabilities == pytest.approx(expected, rel=1e-3)
        assert sum(answer.probabilities.values()) == pytest.approx(1)


def test_a_stage_begins_where_the_reply_names_its_own(checkpoint: Checkpoint) -> None:
    stages = StageTokens(checkpoint.tokenizer, ReplyGrammar(checkpoint))
    for head in (
        '{"reasoning_text":"\\"sleep_stage\\": \\"W\\" µ","sleep_stage":"',
        '{"sleep_stage": "',
    ):
        before = checkpoint.tokenizer(head)["input_ids"]
        after = checkpoint.tokenizer('N2"}')["input_ids"]
        assert stages.begins_at([*before, *after]) == len(before)
    assert stages.begins_at(checkpoint.tokenizer('{"reasoning_text": "N2"}')["input_ids"]) is None
    assert len(stages.inner) == 1, "N1, N2 and N3 share their first token here"


# ── memory ────────────────────────────────────────────────────────────────────────────────


class Crowded:
    """A memory in which only so many windows fit: it fails as a GPU's does."""

    def __init__(self, decoder: Decoder, fit: int) -> None:
        self._decoder = decoder
        self._fit = fit
        self.tried: list[int] = []

    def answers(self, shape: object, windows: list[object], each_step: object) -> object:
        self.tried.append(len(windows))
        if len(windows) > self._fit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._decoder.answers(shape, windows, each_step)  # type: ignore[arg-type]


def test_batches_are_halved_until_they_fit(checkpoint: Checkpoint, images: list[Image]) -> None:
    night = Night(checkpoint, SHORT, iter(list(enumerate(images))), 4)
    crowded = Crowded(night._decoder, fit=1)
    night._decoder = crowded  # type: ignore[assignment]
    answered = [
        window.target for part in night.answers(WINDOWS, lambda: None) for window, _ in part
    ]
    assert answered == list(range(N_EPOCHS))
    assert crowded.tried == [1, 4, 2, 1, 1, 1, 1, 1]


def test_a_model_of_which_no_window_fits_is_refused(
    checkpoint: Checkpoint, images: list[Image]
) -> None:
    night = Night(checkpoint, SHORT, iter(list(enumerate(images))), 4)
    night._decoder = Crowded(night._decoder, fit=0)  # type: ignore[assignment]
    with pytest.raises(CheckpointRefused, match="does not fit into this machine's memory"):
        list(night.answers(WINDOWS, lambda: None))


def test_each_image_is_embedded_once(
    checkpoint: Checkpoint, images: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def counted(asked: Checkpoint, shown: list[Image]) -> list[torch.Tensor]:
        seen.append(len(shown))
        return embed(asked, shown)

    monkeypatch.setattr("staging.qwen.night.embed", counted)
    shared(checkpoint, images, 2, SHORT, longest=2)
    assert sum(seen) == N_EPOCHS


# ── what does not fit the model ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "problem"),
    [("see <|image_pad|>", "stands for an image"), ("word " * 9000, "the model's context is 8192")],
)
def test_a_prompt_that_the_model_cannot_take_is_refused(
    checkpoint: Checkpoint, images: list[Image], text: str, problem: str
) -> None:
    with pytest.raises(CheckpointRefused, match=problem):
        night_inputs(
            checkpoint, Prompt("own.md", "external", text), image_grid(checkpoint, images[0])
        )


def test_the_tokens_of_a_window_depend_on_its_neighbours_alone() -> None:
    assert shape_of(Window(7, 6, 8)) == shape_of(Window(41, 40, 42)) == (True, True)
    assert shape_of(Window(0, None, 1)) == (False, True)
