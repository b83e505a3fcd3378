"""How windows are laid out in phase 2 of the compact model."""

import pytest
import torch

from staging.training.compact import build_tokenizer, new_model
from staging.training.prompts import IMAGE_TOKENS, Prompts
from staging.training.windows import Shown

WHOLE = Shown(0, 1, 2, truthful=True)
LEFT_OUT = Shown(None, 1, None, truthful=True, left_out=True)
LONE = Shown(None, 1, None, truthful=True)


@pytest.fixture(scope="module")
def prompts() -> Prompts:
    tokenizer = build_tokenizer([])
    return Prompts(tokenizer, new_model(tokenizer, seed=0))


def test_without_its_neighbours_a_target_stays_where_it_is_among_them(prompts: Prompts) -> None:
    ids, positions = prompts.of(WHOLE.layout)
    fewer_ids, fewer_positions = prompts.of(LEFT_OUT.layout)
    assert len(ids) - len(fewer_ids) == 2 * IMAGE_TOKENS
    whole = {tuple(each) for each in positions.T.tolist()}
    assert all(tuple(each) in whole for each in fewer_positions.T.tolist())
    torch.testing.assert_close(positions[:, -1], fewer_positions[:, -1])
    assert not torch.equal(prompts.of(LONE.layout)[1][:, -1], positions[:, -1])


def test_only_the_targets_image_is_shown_where_neighbours_are_left_out(prompts: Prompts) -> None:
    assert LEFT_OUT.images == LONE.images == (1,)
    images = torch.randn(1, 1, IMAGE_TOKENS, 256, generator=torch.Generator().manual_seed(0))
    embeds, positions = prompts.embedded(LEFT_OUT.layout, images)
    whole_embeds, whole_positions = prompts.embedded(WHOLE.layout, images.expand(1, 3, -1, -1))
    (target,) = (torch.eq(whole_embeds[0], images[0, 0, 0]).all(1).nonzero()[1]).tolist()
    (shown,) = torch.eq(embeds[0], images[0, 0, 0]).all(1).nonzero()[0].tolist()
    torch.testing.assert_close(positions[:, 0, shown], whole_positions[:, 0, target])
