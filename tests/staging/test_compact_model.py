"""Whether the compact model looks: what it says must come from the target's image.

On the weights that ship. A model that copies its neighbours, or writes what is usual, stages
plausibly and fails here.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from auditor.claims import read_claims
from auditor.vocabulary import Claim, Phenomenon, Polarity, Stage
from staging.montage import choose_montage
from staging.phantom import Phantom, PhantomSettings, simulate
from staging.prompt import Window, read_prompt
from staging.qwen.checkpoint import Checkpoint, load
from staging.qwen.find import COMPACT_MODEL
from staging.qwen.folder import look_through
from staging.qwen.inputs import night_inputs
from staging.qwen.night import Night
from staging.render import WIDTH_PX, Image, Renderer
from staging.reply import Reply, UnreadableReply, read_reply

SEED = 70_001
"""Of a night that no training has seen."""
HOURS = 2.0
EVENTS = (Phenomenon.SLEEP_SPINDLE, Phenomenon.K_COMPLEX, Phenomenon.RAPID_EYE_MOVEMENTS)
HALF_S = 15.0
NEAR_S = 1.0

Triple = tuple[Image, Image, Image]
Ask = Callable[[Sequence[Triple]], list[Reply | UnreadableReply]]


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return simulate(SEED, PhantomSettings.typical(HOURS))


@pytest.fixture(scope="module")
def draw(phantom: Phantom) -> Callable[[int], Image]:
    return Renderer(choose_montage(phantom.recording)).image


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load(look_through(COMPACT_MODEL))


@pytest.fixture(scope="module")
def ask(checkpoint: Checkpoint) -> Ask:
    prompt = read_prompt(COMPACT_MODEL / "prompt.txt")

    def answers(shown: Sequence[Triple]) -> list[Reply | UnreadableReply]:
        images = enumerate(image for triple in shown for image in triple)
        windows = [Window(3 * i + 1, 3 * i, 3 * i + 2) for i in range(len(shown))]
        night = Night(checkpoint, prompt, images, longest=256)
        return [
            read_reply(answer.text)
            for batch in night.answers(windows, lambda: None)
            for _, answer in batch
        ]

    return answers


def within_a_stage(phantom: Phantom, stage: Stage, n: int) -> list[int]:
    """Epochs whose neighbours are of the same stage, far from one another."""
    stages = phantom.stages
    inner = [i for i in range(1, len(stages) - 1) if set(stages[i - 1 : i + 2]) == {stage}]
    return inner[:: max(1, len(inner) // n)][:n]


def events_told(reply: Reply | UnreadableReply) -> list[Claim]:
    text = reply.reasoning_text if isinstance(reply, Reply) else ""
    return [c for c in read_claims(text) if c.polarity is Polarity.PRESENT and c.spans]


def times(reply: Reply | UnreadableReply) -> Iterator[tuple[Phenomenon, float]]:
    for claim in events_told(reply):
        if claim.phenomenon in EVENTS:
            for span in claim.spans:
                yield claim.phenomenon, (span.start_s + span.end_s) / 2


@pytest.mark.xfail(
    strict=True,
    reason="measured 0.71: weak spindles come and go, bursts of eye movements are cut and joined",
)
def test_times_move_with_the_image(
    phantom: Phantom, draw: Callable[[int], Image], ask: Ask
) -> None:
    """Rolled by 15 s, four of five times that are told move by 15 s."""
    chosen = within_a_stage(phantom, Stage.N2, 10) + within_a_stage(phantom, Stage.R, 4)
    as_is = [(draw(i - 1), draw(i), draw(i + 1)) for i in chosen]
    rolled = [(a, np.roll(b, WIDTH_PX // 2, axis=1), c) for a, b, c in as_is]
    before, after = ask(as_is), ask(rolled)
    moved = [
        any(
            kind is other and abs((time + HALF_S) % (2 * HALF_S) - new) <= NEAR_S
            for other, new in times(later)
        )
        for first, later in zip(before, after, strict=True)
        for kind, time in times(first)
    ]
    assert len(moved) >= 10
    assert np.mean(moved) >= 0.80


def test_the_stage_follows_the_target(
    phantom: Phantom, draw: Callable[[int], Image], ask: Ask
) -> None:
    """Between neighbours of another stage, the target's is told."""
    stages = (Stage.W, Stage.N2, Stage.N3, Stage.R)
    of = {stage: within_a_stage(phantom, stage, 5) for stage in stages}
    shown, wanted = [], []
    for n, stage in enumerate(stages):
        other = stages[(n + 2) % len(stages)]
        for target, near in zip(of[stage], of[other], strict=False):
            shown.append((draw(near - 1), draw(target), draw(near + 1)))
            wanted.append(stage)
    told = [reply.stage if isinstance(reply, Reply) else None for reply in ask(shown)]
    assert len(wanted) >= 16
    assert np.mean([a is b for a, b in zip(told, wanted, strict=True)]) >= 0.95


def test_nothing_is_seen_in_a_blank_target(
    phantom: Phantom, draw: Callable[[int], Image], ask: Ask
) -> None:
    chosen = within_a_stage(phantom, Stage.N2, 4) + within_a_stage(phantom, Stage.R, 2)
    black = np.zeros_like(draw(0))
    replies = ask([(draw(i - 1), black, draw(i + 1)) for i in chosen])
    assert [claim for reply in replies for claim in events_told(reply)] == []


def test_the_stage_does_not_hang_on_the_neighbours(
    phantom: Phantom, draw: Callable[[int], Image], ask: Ask
) -> None:
    stages = (Stage.W, Stage.N3, Stage.R)
    black = np.zeros_like(draw(0))
    targets = [(i, stage) for stage in stages for i in within_a_stage(phantom, stage, 3)]
    replies = ask([(black, draw(i), black) for i, _ in targets])
    kept = [
        isinstance(reply, Reply) and reply.stage is stage
        for reply, (_, stage) in zip(replies, targets, strict=True)
    ]
    assert np.mean(kept) >= 0.8


def test_images_are_laid_out_in_rows_and_columns(checkpoint: Checkpoint) -> None:
    """Without the types of the tokens they would be lines of text, and every time wrong."""
    prompt = read_prompt(COMPACT_MODEL / "prompt.txt")
    inputs = night_inputs(checkpoint, prompt, (1, 16, 32)).by_shape[(True, True)]
    image = inputs.ids == checkpoint.image_token_id
    rows, columns = (inputs.positions[axis][image][:128] for axis in (1, 2))
    assert len(set((rows - rows[0]).tolist())) == 8
    assert len(set((columns - columns[0]).tolist())) == 16


def test_what_ships_is_small_and_says_what_it_is() -> None:
    assert sum(path.stat().st_size for path in COMPACT_MODEL.iterdir()) < 40_000_000
    card = (COMPACT_MODEL / "README.md").read_text("utf-8")
    assert "trained on simulated recordings only; not for clinical use" in card
