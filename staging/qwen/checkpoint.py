"""A checkpoint loaded: the network on its device, the tokenizer, the image processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers import (
    AutoModelForImageTextToText,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.models.qwen2_5_vl import Qwen2_5_VLTextConfig, Qwen2_5_VLVisionConfig
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.utils import logging

from auditor.errors import CheckpointRefused
from staging.qwen.refusing import refusing

if TYPE_CHECKING:
    from staging.qwen.folder import CheckpointFolder

SMALL_PARAMETERS = 500_000_000
"""A model below this is run in single precision everywhere: it fits, and answers alike on every
device. Larger ones keep the half precision that they were published in, on a GPU."""

SPECIAL_TOKENS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>")
IMAGE_TOKEN = "<|image_pad|>"  # noqa: S105 no secret
_ATTENTION = "sdpa"
_NO_FIT = "do not fit what its config.json describes"
_MOST_PACKED = 16
"""Weights of two bits in one number of 32: quantised ones are not packed closer."""
_PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model that is ready to answer.

    Attributes:
        model: in evaluation mode.
        tokenizer: as ``tokenizer.json`` has it.
        image_processor: from images to patches, by Pillow: torchvision is not needed.
        stop_tokens: each ends a reply.
    """

    model: Qwen2_5_VLForConditionalGeneration
    tokenizer: PreTrainedTokenizerFast
    image_processor: Qwen2VLImageProcessorPil
    stop_tokens: tuple[int, ...]

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def text(self) -> Qwen2_5_VLTextConfig:
        return cast("Qwen2_5_VLTextConfig", self.model.config.text_config)

    @property
    def vision(self) -> Qwen2_5_VLVisionConfig:
        return cast("Qwen2_5_VLVisionConfig", self.model.config.vision_config)

    @property
    def image_token_id(self) -> int:
        return int(self.model.config.image_token_id)


def load(folder: CheckpointFolder) -> Checkpoint:
    """Loads a checkpoint onto the best device of this machine.

    Raises:
        CheckpointRefused: the weights are not those of the architecture that is described, the
            tokenizer is another model's, or a part cannot be read.
    """
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    device = best_device()
    with refusing(
        folder.path,
        f"holds weights that {_NO_FIT}",
        "give a whole Qwen2.5-VL checkpoint",
    ):
        _check_size(folder)
        model, info = _load_model(folder, device)
    model.requires_grad_(False).train(False)
    missing = sorted(info["missing_keys"])
    if missing:
        raise CheckpointRefused(
            folder.path,
            f"lacks {len(missing)} of the model's weights, {missing[0]} first",
            "copy its weights again",
        )
    with refusing(folder.path, "holds a tokenizer that cannot be read", "copy it again"):
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder.path, local_files_only=True)
    with refusing(
        folder.path,
        "holds a chat template that cannot be used for text and images",
        "copy its own chat_template.jinja and tokenizer_config.json",
    ):
        _try_template(tokenizer)
    with refusing(
        folder.path, "ends a reply by what is no token", "copy its own generation_config.json"
    ):
        stop_tokens = _stop_tokens(model, tokenizer)
    with refusing(folder.path, "holds an image processor that cannot be read", "copy it again"):
        image_processor = _image_processor(folder)
    checkpoint = Checkpoint(model, tokenizer, image_processor, stop_tokens)
    if "sliding_attention" in (checkpoint.text.layer_types or ()):
        raise CheckpointRefused(
            folder.path, "uses sliding-window attention", "give a model of the published family"
        )
    if not _is_cut_alike(checkpoint):
        raise CheckpointRefused(
            folder.path,
            "holds an image processor that cuts images otherwise than its config.json says",
            "copy its own preprocessor_config.json",
        )
    if not _belong_together(checkpoint):
        raise CheckpointRefused(
            folder.path, "holds the tokenizer of another model", "copy its own tokenizer.json"
        )
    return checkpoint


def best_device() -> torch.device:
    """A GPU where there is one."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def _check_size(folder: CheckpointFolder) -> None:
    """Refuses a description of more weights than there are, before memory is taken for them."""
    described: Any = Qwen2_5_VLConfig.from_pretrained(folder.path, local_files_only=True)
    sizes = folder.tensor_sizes()
    n_held = sum(sizes) * (_MOST_PACKED if folder.is_quantised else 1)
    n_layers = described.text_config.num_hidden_layers + described.vision_config.depth
    if n_layers <= len(sizes):
        with torch.device("meta"):
            network = AutoModelForImageTextToText.from_config(  # type: ignore[no-untyped-call]
                described, attn_implementation=_ATTENTION
            )
        if sum(weights.numel() for weights in network.parameters()) <= n_held:
            return
    raise CheckpointRefused(
        folder.path,
        f"lacks a part of the model's weights: they {_NO_FIT}",
        "copy its own config.json and weights again",
    )


def _load_model(
    folder: CheckpointFolder, device: torch.device
) -> tuple[Qwen2_5_VLForConditionalGeneration, dict[str, set[str]]]:
    loaded: Any = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        folder.path,
        dtype=_dtype(folder, device),
        device_map=device,
        local_files_only=True,
        use_safetensors=True,
        attn_implementation=_ATTENTION,
        output_loading_info=True,
    )
    model, info = loaded
    return model, info


def _dtype(folder: CheckpointFolder, device: torch.device) -> torch.dtype | str:
    if folder.is_quantised:
        return "auto"
    # Two bytes a parameter are the least that a file of half precision has.
    n_bytes = sum(path.stat().st_size for path in folder.weights)
    if device.type == "cpu" or n_bytes < 2 * SMALL_PARAMETERS:
        return torch.float32
    return torch.bfloat16


def _try_template(tokenizer: PreTrainedTokenizerFast) -> None:
    """Tries how the checkpoint writes a conversation; one for text alone takes no parts."""
    parts = [{"type": "image"}, {"type": "text", "text": ""}]
    conversation: list[dict[str, Any]] = [
        {"role": "system", "content": parts[1:]},
        {"role": "user", "content": parts},
    ]
    if tokenizer.chat_template is not None:
        tokenizer.apply_chat_template(conversation, tokenize=False)


def _is_cut_alike(checkpoint: Checkpoint) -> bool:
    """Whether images are cut into the patches that the network was built for."""
    cut, built = checkpoint.image_processor, checkpoint.vision
    return (cut.patch_size, cut.merge_size, cut.temporal_patch_size) == (
        built.patch_size,
        built.spatial_merge_size,
        built.temporal_patch_size,
    )


def _belong_together(checkpoint: Checkpoint) -> bool:
    """Whether the tokenizer has the tokens that the network knows images by, and no more."""
    known = checkpoint.tokenizer.get_vocab()
    return (
        all(token in known for token in SPECIAL_TOKENS)
        and known.get(IMAGE_TOKEN) == checkpoint.image_token_id
        and checkpoint.image_token_id in checkpoint.tokenizer.added_tokens_decoder
        and len(checkpoint.tokenizer) <= (checkpoint.text.vocab_size or 0)
    )


def _image_processor(folder: CheckpointFolder) -> Qwen2VLImageProcessorPil:
    """The checkpoint's own, or the family's as published."""
    if not any((folder.path / name).is_file() for name in _PROCESSOR_FILES):
        return Qwen2VLImageProcessorPil()
    return Qwen2VLImageProcessorPil.from_pretrained(folder.path, local_files_only=True)


def _stop_tokens(
    model: Qwen2_5_VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast
) -> tuple[int, ...]:
    """``<|im_end|>`` and whatever else the checkpoint names as an end."""
    configured = model.generation_config.eos_token_id
    named = configured if isinstance(configured, list) else [configured]
    turn_end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    own = tokenizer.eos_token_id
    return tuple(dict.fromkeys(int(t) for t in (turn_end, own, *named) if t is not None))
