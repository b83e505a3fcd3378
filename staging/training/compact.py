"""The compact model: Qwen2.5-VL in small, 5.9 million parameters, with a tokenizer of its own.

Loaded, prompted and decoded exactly as a checkpoint of the published family is; only sizes,
words and the image's scaling differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from shutil import copymode
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from auditor.rulebook import load_rulebook
from auditor.vocabulary import EPOCH_S, SCORED_STAGES
from staging.prompt import PROMPT_FILE, PromptForm, Window, own_prompt, user_turn
from staging.qwen.folder import CONFIG

IMAGE_MEAN, IMAGE_STD = 0.06, 0.2
"""Of the near-black images, where the family's own would push everything to one side."""

PATCH_PX, MERGE = 14, 2

_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
END_OF_TEXT, START, END, VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD = _SPECIAL

_FRAMES = (
    '{"reasoning_text": "',
    '", "applicable_rules": [',
    '], "sleep_stage": "',
    '"}',
)
_PIECES = "|".join(
    (
        *(re.escape(frame) for frame in _FRAMES),
        r"(?:W|N1|N2|N3|R|MBM)\.\d",
        r"(?:N[123]|[FCO]\d) ?",
        r"\d+(?:\.\d+)?",
        r" ?[A-Za-z_]+(?:-[A-Za-z]+)* ?",
        r" ?[^\sA-Za-z\d]+ ?",
        r"\s+",
    )
)
"""A number, a trace's name, a rule, a stage and a word are one token each; what is not in the
vocabulary falls back to bytes, so that any text can be told."""

_CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content -%}
{% if part.type == "image" %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}\
{% endif %}{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def compact_prompt() -> str:
    """The system prompt that the compact model is trained with."""
    return own_prompt(load_rulebook(), PromptForm.SHORT).text


def build_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer whose words are those of these texts, besides all numbers, rules and stages."""
    split = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    rules = [rule.id for rule in load_rulebook().rules]
    stages = [stage.value for stage in SCORED_STAGES]
    halves = [f"{half / 2:g}" for half in range(2 * int(EPOCH_S) + 1)]
    percents = [str(percent) for percent in range(0, 101, 5)]
    turn = [part for part in user_turn(Window(1, 0, 2)) if isinstance(part, str)]
    told = [*texts, compact_prompt(), *turn, "system\n", "user\n", "assistant\n"]
    told += [*rules, *stages, *halves, *percents]
    pieces = {piece for text in told for piece, _ in split.pre_tokenize_str(text)}
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, *sorted(pieces - set(alphabet))]
    vocabulary = {word: i for i, word in enumerate((*_SPECIAL, *words))}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    core.pre_tokenizer = split
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(list(_SPECIAL))
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        eos_token=END,
        pad_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = _CHAT_TEMPLATE
    return tokenizer


def token_id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    return int(tokenizer.get_vocab()[token])


def word_ids(tokenizer: PreTrainedTokenizerFast, words: Sequence[str]) -> torch.Tensor:
    """The tokens with which words begin; of those that are decided on, their only ones."""
    ids = tokenizer(list(words), add_special_tokens=False)["input_ids"]
    return torch.tensor([each[0] for each in ids])


def text_width(model: Qwen2_5_VLForConditionalGeneration) -> int:
    """Of the text part, and so of the merged visual tokens."""
    embedding: Any = model.get_input_embeddings()
    return int(embedding.embedding_dim)


def compact_config(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    ids = {token: token_id(tokenizer, token) for token in _SPECIAL}
    return Qwen2_5_VLConfig(
        vision_config={
            "depth": 4,
            "hidden_size": 192,
            "num_heads": 3,
            "intermediate_size": 512,
            "out_hidden_size": 256,
            "patch_size": PATCH_PX,
            "spatial_merge_size": MERGE,
            "window_size": 112,
            "fullatt_block_indexes": [1, 3],
        },
        text_config={
            "vocab_size": 8 * -(-len(tokenizer) // 8),
            "hidden_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 704,
            "max_position_embeddings": 2048,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [8, 12, 12],
            },
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": ids[END],
            "pad_token_id": ids[END_OF_TEXT],
        },
        image_token_id=ids[IMAGE_PAD],
        video_token_id=ids[VIDEO_PAD],
        vision_start_token_id=ids[VISION_START],
        vision_end_token_id=ids[VISION_END],
        tie_word_embeddings=True,
    )


def new_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """An untrained compact model."""
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(compact_config(tokenizer))
    model.to(torch.float32)  # type: ignore[arg-type]
    return model


def save_checkpoint(
    folder: Path, model: Qwen2_5_VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast
) -> None:
    """A folder as of any checkpoint of the family; weights in bfloat16."""
    folder.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        max_new_tokens=1024,
        eos_token_id=token_id(tokenizer, END),
        pad_token_id=token_id(tokenizer, END_OF_TEXT),
    )
    weights = {
        name: each.to(torch.bfloat16)
        for name, each in model.state_dict().items()
        if not name.startswith("lm_head.")  # tied to the words' embedding
    }
    dtype = model.config.dtype
    model.config.dtype = torch.bfloat16
    model.save_pretrained(folder, state_dict=weights)
    share_weights(folder)
    model.config.dtype = dtype
    tokenizer.save_pretrained(folder)
    image_processor().save_pretrained(folder)
    (folder / PROMPT_FILE).write_text(compact_prompt() + "\n", encoding="utf-8")


def share_weights(folder: Path) -> None:
    """Lets everyone read a checkpoint's weights who may read its configuration.

    The library that writes them leaves them to their owner alone.
    """
    for weights in folder.glob("*.safetensors"):
        copymode(folder / CONFIG, weights)


def image_processor() -> Qwen2VLImageProcessorPil:
    return Qwen2VLImageProcessorPil(
        image_mean=[IMAGE_MEAN] * 3,
        image_std=[IMAGE_STD] * 3,
        patch_size=PATCH_PX,
        merge_size=MERGE,
        min_pixels=3_136,
        max_pixels=1_003_520,
    )


def chat_text(tokenizer: PreTrainedTokenizerFast, window: Window, image_tokens: int) -> str:
    """What the model is told about a window, up to where its reply begins."""
    content: list[Any] = [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"}
        for part in user_turn(window)
    ]
    turns: list[Any] = [
        {"role": "system", "content": compact_prompt()},
        {"role": "user", "content": content},
    ]
    told = tokenizer.apply_chat_template(
        turns,
        tokenize=False,
        add_generation_prompt=True,
    )
    return str(told).replace(IMAGE_PAD, IMAGE_PAD * image_tokens)


# ── images in batches ─────────────────────────────────────────────────────────────────────


def patches(images: np.ndarray) -> torch.Tensor:
    """Images as the vision encoder takes them: ``(n, 512, 588)``, in the order of its windows'
    merged patches; a patch is told once, though the family's encoder takes each twice.

    Args:
        images: ``(n, 224, 448, 3)``, 0 to 255.
    """
    n, height, width, _ = images.shape
    block = PATCH_PX * MERGE
    cut = torch.tensor(images).reshape(
        n, height // block, MERGE, PATCH_PX, width // block, MERGE, PATCH_PX, 3
    )
    ordered = cut.permute(0, 1, 4, 2, 5, 7, 3, 6).reshape(n, -1, 3 * PATCH_PX * PATCH_PX)
    return (ordered.float() / 255.0 - IMAGE_MEAN) / IMAGE_STD
