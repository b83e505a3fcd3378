"""How far the compact model's times and stages come from the target's image, on more nights
than the suite has time for.

    pytest tests/benchmarks/bench_grounding.py -m benchmark -s
"""

import pytest
from grounding import Drawn, asks, followed, moved

from staging.qwen.checkpoint import load
from staging.qwen.find import COMPACT_MODEL
from staging.qwen.folder import look_through

SEEDS = range(70_001, 70_006)


@pytest.mark.benchmark
def test_times_and_stages_come_from_the_target() -> None:
    ask = asks(load(look_through(COMPACT_MODEL)))
    moves: list[bool] = []
    follows: list[bool] = []
    for seed in SEEDS:
        night = Drawn(seed)
        here, there = moved(night, ask), followed(night, ask)
        print(
            f"\nnight {seed}: {sum(here)} of {len(here)} times move with a target rolled by 15 s, "
            f"{sum(there)} of {len(there)} stages follow a target among another stage",
            end="",
        )
        moves, follows = moves + here, follows + there
    print(f"\nin all: {sum(moves) / len(moves):.3f} and {sum(follows) / len(follows):.3f}")
    assert sum(moves) >= 0.80 * len(moves)
    assert sum(follows) >= 0.95 * len(follows)
