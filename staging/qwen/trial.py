"""One question to a checkpoint before a night is spent on it: a blank image and a few words.

Only an answer shows that parts which can be read go together, and that weights are not damaged.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from auditor.errors import CheckpointRefused
from staging.prompt import Prompt, Window
from staging.qwen.checkpoint import Checkpoint
from staging.qwen.grammar import ReplyGrammar
from staging.qwen.inputs import night_inputs, shape_of
from staging.qwen.refusing import refusing
from staging.qwen.stage_tokens import StageTokens

_ALONE = Window(0, None, None)
_BLANK = np.zeros((112, 112, 3), np.uint8)


@torch.inference_mode()
def try_out(checkpoint: Checkpoint, path: Path) -> None:
    """Asks for the first token of a reply.

    Raises:
        CheckpointRefused: a part of it cannot be used, or damaged weights answer nothing.
    """
    with refusing(
        path,
        "holds an image processor that cannot be used",
        "copy its own preprocessor_config.json",
    ):
        patches = checkpoint.image_processor([_BLANK], return_tensors="pt").to(checkpoint.device)
        if not patches["pixel_values"].isfinite().all():
            raise ValueError("pixels are divided by zero")
    with refusing(
        path,
        "holds a tokenizer in which no reply can be written",
        "copy its own tokenizer.json, tokenizer_config.json and generation_config.json",
    ):
        StageTokens(checkpoint.tokenizer, ReplyGrammar(checkpoint))
    with refusing(
        path, "holds a config.json that its weights cannot be used by", "copy its own config.json"
    ):
        (grid,) = patches["image_grid_thw"].tolist()
        inputs = night_inputs(checkpoint, Prompt(str(path), "trial", "Score."), tuple(grid))
        asked = inputs.by_shape[shape_of(_ALONE)]
        logits = checkpoint.model(
            input_ids=asked.ids[None],
            position_ids=asked.positions[:, None],
            **patches,
            logits_to_keep=1,
        ).logits
    if not logits.isfinite().all() or logits.min() == logits.max():
        raise CheckpointRefused(
            path, "holds weights that answer nothing, as damaged ones do", "copy them again"
        )
