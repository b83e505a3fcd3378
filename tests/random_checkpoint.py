"""A checkpoint in the published layout with random weights, small enough to be made in a test."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from auditor.rulebook import load_rulebook
from staging.prompt import own_prompt

SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
)
N_OUTPUTS = 1024


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level, as the family's, with digits apart and a vocabulary learnt from our prompt."""
    built = Tokenizer(models.BPE())
    built.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    built.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    built.train_from_iterator([own_prompt(load_rulebook()).text], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=built, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )


def config(
    *, hidden: int = 64, mlp: int = 192, layers: int = 2, heads: int = 4, vision: int = 32
) -> Qwen2_5_VLConfig:
    """An architecture of the family: by default as small as is of any use."""
    token = {name: i for i, name in enumerate(SPECIAL)}
    head_size = hidden // heads
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": N_OUTPUTS,
            "hidden_size": hidden,
            "intermediate_size": mlp,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": 2,
            "max_position_embeddings": 8192,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e4,
                "mrope_section": [head_size // 8, 3 * head_size // 16, 3 * head_size // 16],
            },
            "bos_token_id": token["<|endoftext|>"],
            "eos_token_id": token["<|im_end|>"],
        },
        vision_config={
            "depth": 2,
            "hidden_size": vision,
            "intermediate_size": 2 * vision,
            "num_heads": 2,
            "out_hidden_size": hidden,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 112,
            "fullatt_block_indexes": [1],
        },
        image_token_id=token["<|image_pad|>"],
        video_token_id=token["<|video_pad|>"],
        vision_start_token_id=token["<|vision_start|>"],
        vision_end_token_id=token["<|vision_end|>"],
        tie_word_embeddings=True,
    )


def write_checkpoint(folder: Path, made: Qwen2_5_VLConfig | None = None, **saving: object) -> Path:
    """Writes a checkpoint; weights are large enough that what it sees changes what it says."""
    torch.manual_seed(7)
    model = Qwen2_5_VLForConditionalGeneration(made or config())
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                torch.nn.init.normal_(weights, std=1.5 * weights[0].numel() ** -0.5)
    model.generation_config.eos_token_id = [2, 0]
    model.save_pretrained(folder, **saving)
    tokenizer().save_pretrained(folder)
    Qwen2VLImageProcessorPil(min_pixels=3136, max_pixels=1003520).save_pretrained(folder)
    return folder
