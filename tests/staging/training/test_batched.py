"""The batched encoder and decoder of training against the library's own forward."""

import numpy as np
import pytest
import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from staging.training.compact import build_tokenizer, image_processor, new_model, patches
from staging.training.decoder import reply_states
from staging.training.encoder import BatchedEncoder
from staging.training.nights import EpochTruth, TrainingNight
from staging.training.sampling import Epochs
from staging.training.sft_compact import embed


@pytest.fixture(scope="module")
def model() -> Qwen2_5_VLForConditionalGeneration:
    untrained = new_model(build_tokenizer([]), seed=1)
    with torch.no_grad():  # norms that do something, so that a forgotten one would show
        for name, weight in untrained.named_parameters():
            if "norm" in name:
                weight.mul_(torch.rand_like(weight) + 0.5)
    untrained.eval()  # type: ignore[no-untyped-call]
    return untrained


@torch.no_grad()
def test_the_encoder_gives_what_the_library_gives(
    model: Qwen2_5_VLForConditionalGeneration,
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 448, 3), dtype=np.uint8)
    looked = image_processor()(images=list(images), return_tensors="pt")
    grid = looked["image_grid_thw"]
    wanted = torch.cat(model.get_image_features(looked["pixel_values"], grid).pooler_output)
    torch.testing.assert_close(
        BatchedEncoder(model)(patches(images)).flatten(0, 1), wanted, rtol=1e-4, atol=1e-4
    )


@torch.no_grad()
def test_the_decoder_gives_what_the_library_gives(
    model: Qwen2_5_VLForConditionalGeneration,
) -> None:
    language = model.model.language_model
    embeds = torch.randn(2, 60, 256, generator=torch.Generator().manual_seed(2))
    at = torch.arange(60)
    positions = torch.stack([at // 4, at % 7, at])[:, None].expand(3, 2, 60)
    whole = language(inputs_embeds=embeds, position_ids=positions, use_cache=False)
    torch.testing.assert_close(
        reply_states(language, embeds, positions, 20),
        whole.last_hidden_state[:, -20:],
        rtol=1e-4,
        atol=1e-4,
    )


def test_the_compact_model_is_small(model: Qwen2_5_VLForConditionalGeneration) -> None:
    assert 5e6 < sum(weight.numel() for weight in model.parameters()) < 7e6


def test_images_with_their_halves_changed_follow_on_those_as_they_are(
    model: Qwen2_5_VLForConditionalGeneration,
) -> None:
    n = 3
    images = np.random.default_rng(3).integers(0, 256, (n, 224, 448, 3), dtype=np.uint8)
    seconds = np.zeros((n, 1, 1), np.float16)
    truth = (EpochTruth("W"),) * n
    halves = np.split(images, 2, axis=2)
    as_is = TrainingNight("as is", images, truth, seconds, None)
    changed = TrainingNight("changed", np.concatenate(halves[::-1], axis=2), truth, seconds, None)
    both = embed(model, Epochs([as_is]), threads=2, turned=True)
    alone = embed(model, Epochs([changed]), threads=2)
    assert len(both) == n + len(alone)
    torch.testing.assert_close(both[n:], alone)
    assert not torch.allclose(both[:n], alone[:n])
