"""Time to read a window before its first word: shared caches against the plain way.

The plain way gives the processor's whole input, prompt and three images, to the network for each
window, as the published pipeline does. The weights are random, as time does not depend on them;
the prompt is as long as SleepVLM's. Run with
``pytest -m benchmark -s tests/benchmarks/bench_vlm_prefill.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, process_time

import numpy as np
import pytest
import torch
from plain_qwen import plain_inputs
from random_checkpoint import config, write_checkpoint

from auditor.rulebook import load_rulebook
from staging.prompt import Prompt, own_prompt, window_around
from staging.qwen.checkpoint import Checkpoint, load
from staging.qwen.decoding import Decoder
from staging.qwen.folder import look_through
from staging.qwen.images import embed, image_grid
from staging.qwen.inputs import night_inputs, shape_of

LEAST_PARAMETERS = 30_000_000
N_PROMPT_TOKENS = 3_000
N_EPOCHS = 16
N_PLAIN = 4
"""Windows asked the plain way: each takes the same time, and a long one."""
TARGET = 0.2


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    # In the proportions of the 3B model: 5.4 hidden units for each of the width, 8 query heads
    # to a key's.
    made = config(hidden=1024, mlp=5504, layers=2, heads=16, vision=256)
    return load(look_through(write_checkpoint(tmp_path_factory.mktemp("random"), made)))


def of_length(checkpoint: Checkpoint, n_tokens: int) -> Prompt:
    """Our own prompt, repeated until it is as long as wanted."""
    text = own_prompt(load_rulebook()).text
    tokens = checkpoint.tokenizer(text * (1 + n_tokens // 1000))["input_ids"][:n_tokens]
    return Prompt("repeated", "1", str(checkpoint.tokenizer.decode(tokens)))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the wall and of the processor."""
    wall, cpu = perf_counter(), process_time()
    work()
    return perf_counter() - wall, process_time() - cpu


@pytest.mark.benchmark
def test_reading_a_window(checkpoint: Checkpoint) -> None:
    n_parameters = sum(weights.numel() for weights in checkpoint.model.parameters())
    assert n_parameters >= LEAST_PARAMETERS
    prompt = of_length(checkpoint, N_PROMPT_TOKENS)
    rng = np.random.default_rng(5)
    images = [rng.integers(0, 256, (224, 448, 3), dtype=np.uint8) for _ in range(N_EPOCHS + 2)]
    windows = [window_around(i, range(N_EPOCHS + 2)) for i in range(1, N_EPOCHS + 1)]

    def plain(n: int) -> None:
        for window in windows[:n]:
            inputs = plain_inputs(checkpoint, prompt, window, images)
            checkpoint.model.model.rope_deltas = None
            with torch.inference_mode():
                checkpoint.model(**inputs, use_cache=True, logits_to_keep=1)

    def shared() -> None:
        inputs = night_inputs(checkpoint, prompt, image_grid(checkpoint, images[0]))
        decoder = Decoder(checkpoint, inputs, longest=1)
        embedded = embed(checkpoint, images)
        for start in range(0, N_EPOCHS, 8):
            batch = windows[start : start + 8]
            shown = [[embedded[epoch] for epoch in window.epochs] for window in batch]
            decoder.answers(shape_of(batch[0]), shown)

    plain(1)  # what is made at first use is no part of either
    plain_s = [s / N_PLAIN for s in timed(lambda: plain(N_PLAIN))]
    shared_s = [s / N_EPOCHS for s in timed(shared)]
    longest = night_inputs(checkpoint, prompt, image_grid(checkpoint, images[0])).longest
    print(
        f"\n{n_parameters / 1e6:.0f} M parameters, {longest} tokens a window, {N_EPOCHS} windows, "
        f"{torch.get_num_threads()} threads, {checkpoint.device}"
        f"\n{'':24}{'plain':>10}{'shared':>10}{'ratio':>10}"
    )
    for name, one, other in zip(("wall", "processor"), plain_s, shared_s, strict=True):
        label = f"{name}, s an epoch"
        print(f"{label:24}{one:10.3f}{other:10.3f}{other / one:10.3f}")
    assert shared_s[0] <= TARGET * plain_s[0]
