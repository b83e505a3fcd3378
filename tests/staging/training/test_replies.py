"""What phase 2 is to reply: rules that cannot be known do not count against those of the stage."""

import json

import numpy as np
import pytest
import torch

from staging.training.compact import build_tokenizer, token_id
from staging.training.nights import EpochTruth, TrainingNight
from staging.training.replies import Replies
from staging.training.sampling import Epochs
from staging.training.sft_compact import costs
from staging.training.windows import Shown, Windows
from staging.training.wording import reply

N = 60
STAGES = ["W"] * 20 + ["N2"] * 20 + ["R"] * 20
RULES = {"W": ("W.1",), "N2": ("N2.1",), "R": ("R.1",)}
REASON = "A sleep spindle appears at 3–4 s in C4. Chin tone is low."


def night(stages: list[str], *, simulated: bool = True) -> TrainingNight:
    truth = [EpochTruth(s, RULES[s], reply(REASON, RULES[s], s)) for s in stages]
    truth[30] = EpochTruth("N2", ("N2.2",), reply(REASON, ("N2.2",), "N2"))
    n = len(stages)
    events = np.zeros((n, 1, 1), np.uint8) if simulated else None
    images = np.zeros((n, 1, 1, 3), np.uint8)
    return TrainingNight("night", images, tuple(truth), np.zeros((n, 1, 1), np.float16), events)


@pytest.fixture(scope="module")
def epochs() -> Epochs:
    return Epochs([night(STAGES)])


@pytest.fixture(scope="module")
def replies(epochs: Epochs) -> Replies:
    tokenizer = build_tokenizer(epochs.truth(i).reply for i in range(N))
    return Replies(tokenizer, epochs, None)


def test_only_amid_its_stage_a_target_is_turned(replies: Replies) -> None:
    assert [i for i, can in enumerate(replies.can_turn) if not can] == [0, 19, 20, 39, 40, 59]


def test_what_people_wrote_is_not_turned() -> None:
    epochs = Epochs([night(STAGES, simulated=False)])
    tokenizer = build_tokenizer(epochs.truth(i).reply for i in range(N))
    assert not any(Replies(tokenizer, epochs, None).can_turn)


def test_a_turned_target_has_its_own_reply(replies: Replies, epochs: Epochs) -> None:
    tokenizer = build_tokenizer(epochs.truth(i).reply for i in range(N))
    ids = replies.of(Shown(24, N + 25, 26, truthful=False)).ids
    told = json.loads(str(tokenizer.decode(ids, skip_special_tokens=True)))
    assert told["reasoning_text"] == REASON.replace("3–4 s", "18–19 s")
    assert told["sleep_stage"] == "N2"


def test_among_others_any_rule_of_the_stage_is_right(replies: Replies, epochs: Epochs) -> None:
    tokenizer = build_tokenizer(epochs.truth(i).reply for i in range(N))
    true, other, foreign = (token_id(tokenizer, rule) for rule in ("N2.1", "N2.2", "R.1"))
    of_others = replies.of(Shown(49, 25, 51, truthful=False))
    (at,) = torch.eq(of_others.ids, true).nonzero()[0].tolist()
    assert (of_others.any_of >= 0).nonzero()[:, 0].tolist() == [at]

    def cost(rule: int, any_of: torch.Tensor) -> float:
        logits = torch.full((1, len(any_of), len(tokenizer)), -20.0)
        logits[0, torch.arange(len(any_of)), of_others.ids] = 20.0
        logits[0, at] = -20.0
        logits[0, at, rule] = 20.0
        return float(costs(logits, of_others.ids[None], any_of[None], replies.rules).sum())

    assert cost(true, of_others.any_of) < 1e-3
    assert cost(other, of_others.any_of) < 1e-3
    assert cost(foreign, of_others.any_of) > 10
    as_recorded = replies.of(Shown(24, 25, 26, truthful=True)).any_of
    assert cost(true, as_recorded) < 1e-3
    assert cost(other, as_recorded) > 10


def test_false_neighbours_are_mostly_of_a_stage_it_is_taken_for(epochs: Epochs) -> None:
    windows = Windows(epochs, [True] * N).draw(4000, np.random.default_rng(0), alone=False)
    of_rem = [
        epochs.truth(shown.preceding).stage
        for shown in windows
        if shown.target >= 0
        and epochs.truth(shown.target % N).stage == "R"
        and shown.preceding is not None
        and shown.preceding >= 0
        and shown.preceding != shown.target % N - 1
    ]
    shares = {stage: of_rem.count(stage) / len(of_rem) for stage in RULES}
    assert shares["N2"] > max(shares["W"], shares["R"])


def test_what_is_not_as_recorded_is_said_to_be(epochs: Epochs) -> None:
    windows = Windows(epochs, [True] * N).draw(2000, np.random.default_rng(1), alone=False)
    turned = [shown for shown in windows if shown.target >= N]
    assert 0.3 < len(turned) / len(windows) < 0.5
    assert not any(shown.truthful for shown in turned)
    as_recorded = [shown for shown in windows if shown.truthful and 0 <= shown.target < N]
    assert all(
        near in (None, shown.target + step)
        for shown in as_recorded
        for near, step in ((shown.preceding, -1), (shown.subsequent, 1))
    )


def test_without_neighbours_only_the_target_is_shown(epochs: Epochs) -> None:
    windows = Windows(epochs, [False] * N).draw(200, np.random.default_rng(2), alone=True)
    assert all(len(shown.images) == 1 for shown in windows)
    assert 0.8 < np.mean([shown.left_out for shown in windows]) < 1.0
