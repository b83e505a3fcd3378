"""Epochs of simulated nights shown otherwise than they were recorded: with the target rolled by
15 s, or between the neighbours of another stage.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from auditor.claims import read_claims
from auditor.vocabulary import Claim, Phenomenon, Polarity, Stage
from staging.montage import choose_montage
from staging.phantom import Phantom, PhantomSettings, simulate
from staging.prompt import Window, read_prompt
from staging.qwen.checkpoint import Checkpoint
from staging.qwen.find import COMPACT_MODEL
from staging.qwen.night import Night
from staging.render import WIDTH_PX, Image, Renderer
from staging.reply import Reply, UnreadableReply, read_reply

HOURS = 2.0
EVENTS = (Phenomenon.SLEEP_SPINDLE, Phenomenon.K_COMPLEX, Phenomenon.RAPID_EYE_MOVEMENTS)
STAGES = (Stage.W, Stage.N2, Stage.N3, Stage.R)
HALF_S = 15.0
NEAR_S = 1.0

Triple = tuple[Image, Image, Image]
Ask = Callable[[Sequence[Triple]], list[Reply | UnreadableReply]]


class Drawn:
    """A simulated night of typical signals, and how its epochs are drawn."""

    def __init__(self, seed: int) -> None:
        self.phantom: Phantom = simulate(seed, PhantomSettings.typical(HOURS))
        self.draw = Renderer(choose_montage(self.phantom.recording)).image

    def within(self, stage: Stage, n: int) -> list[int]:
        """Epochs whose neighbours are of the same stage, far from one another."""
        stages = self.phantom.stages
        inner = [i for i in range(1, len(stages) - 1) if set(stages[i - 1 : i + 2]) == {stage}]
        return inner[:: max(1, len(inner) // n)][:n]


def asks(checkpoint: Checkpoint) -> Ask:
    """Has the compact model reply to three images each."""
    prompt = read_prompt(COMPACT_MODEL / "prompt.txt")

    def ask(shown: Sequence[Triple]) -> list[Reply | UnreadableReply]:
        images = enumerate(image for triple in shown for image in triple)
        windows = [Window(3 * i + 1, 3 * i, 3 * i + 2) for i in range(len(shown))]
        night = Night(checkpoint, prompt, images, longest=256)
        return [
            read_reply(answer.text)
            for batch in night.answers(windows, lambda: None)
            for _, answer in batch
        ]

    return ask


def events_told(reply: Reply | UnreadableReply) -> list[Claim]:
    text = reply.reasoning_text if isinstance(reply, Reply) else ""
    return [c for c in read_claims(text) if c.polarity is Polarity.PRESENT and c.spans]


def times(reply: Reply | UnreadableReply) -> Iterator[tuple[Phenomenon, float]]:
    for claim in events_told(reply):
        if claim.phenomenon in EVENTS:
            for span in claim.spans:
                yield claim.phenomenon, (span.start_s + span.end_s) / 2


def moved(night: Drawn, ask: Ask) -> list[bool]:
    """Of each time that is told, whether it moves with a target rolled by 15 s."""
    draw = night.draw
    chosen = night.within(Stage.N2, 10) + night.within(Stage.R, 4)
    as_is = [(draw(i - 1), draw(i), draw(i + 1)) for i in chosen]
    rolled = [(a, np.roll(b, WIDTH_PX // 2, axis=1), c) for a, b, c in as_is]
    return [
        any(
            kind is other and abs((time + HALF_S) % (2 * HALF_S) - new) <= NEAR_S
            for other, new in times(later)
        )
        for first, later in zip(ask(as_is), ask(rolled), strict=True)
        for kind, time in times(first)
    ]


def followed(night: Drawn, ask: Ask) -> list[bool]:
    """Between neighbours of another stage, whether the target's is told."""
    draw = night.draw
    of = {stage: night.within(stage, 5) for stage in STAGES}
    shown, wanted = [], []
    for n, stage in enumerate(STAGES):
        other = STAGES[(n + 2) % len(STAGES)]
        for target, near in zip(of[stage], of[other], strict=False):
            shown.append((draw(near - 1), draw(target), draw(near + 1)))
            wanted.append(stage)
    told = [reply.stage if isinstance(reply, Reply) else None for reply in ask(shown)]
    return [a is b for a, b in zip(told, wanted, strict=True)]
