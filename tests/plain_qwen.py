"""The plain way of asking Qwen2.5-VL: the family's own processor, and ``generate`` for a window."""

from collections.abc import Sequence

import torch
from transformers import BatchEncoding, LogitsProcessor, LogitsProcessorList, Qwen2_5_VLProcessor

from staging.prompt import Prompt, Window
from staging.qwen.checkpoint import Checkpoint
from staging.qwen.grammar import ReplyGrammar
from staging.qwen.inputs import chat_text
from staging.render import Image


class ImageProcessorOnly(Qwen2_5_VLProcessor):
    """Without its part for videos, which needs torchvision."""

    def check_argument_for_proper_class(self, argument_name: str, argument: object) -> type:
        del argument_name
        return type(argument)


class HeldToGrammar(LogitsProcessor):
    """Asks the grammar before each token which ones it permits."""

    def __init__(self, grammar: ReplyGrammar, n_read: int) -> None:
        self._grammar = grammar
        self._matcher = grammar.matcher()
        self._n_seen = n_read

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for token in input_ids[0, self._n_seen :].tolist():
            assert self._matcher.consume_token(token)
        self._n_seen = input_ids.shape[1]
        return scores.masked_fill(~self._grammar.permitted(self._matcher), -torch.inf)


def plain_inputs(
    checkpoint: Checkpoint, prompt: Prompt, window: Window, images: Sequence[Image]
) -> BatchEncoding:
    """All of a window's input as the processor makes it."""
    processor = ImageProcessorOnly(checkpoint.image_processor, checkpoint.tokenizer, None)
    text = chat_text(checkpoint, prompt, window)
    return processor(
        text=[text], images=[images[epoch] for epoch in window.epochs], return_tensors="pt"
    )


def plain_reply(checkpoint: Checkpoint, inputs: BatchEncoding, longest: int) -> tuple[int, ...]:
    """The tokens of the reply, without the one that ends it."""
    n_read = inputs["input_ids"].shape[1]
    held = HeldToGrammar(ReplyGrammar(checkpoint), n_read)
    with torch.inference_mode():
        written = checkpoint.model.generate(
            **inputs,
            max_new_tokens=longest,
            do_sample=False,
            logits_processor=LogitsProcessorList([held]),
        )
    tokens = written[0, n_read:].tolist()
    return tuple(token for token in tokens if token not in checkpoint.stop_tokens)
