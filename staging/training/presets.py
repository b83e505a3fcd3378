"""How each sort of model is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Published:
    """Training as published for SleepVLM-3B (arXiv:2603.26738).

    Attributes:
        base: the checkpoint that phase 1 starts from.
        lora_rank, lora_alpha, lora_dropout: of the adapters.
        peak, weight_decay, warm_up, gradient_norm: of the optimizer; warm-up in share of steps.
        wpt_epochs, wpt_batch: of phase 1.
        sft_epochs, sft_batch: of phase 2.
    """

    base: str = "Qwen/Qwen2.5-VL-3B-Instruct"
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    peak: float = 1e-4
    weight_decay: float = 0.1
    warm_up: float = 0.03
    gradient_norm: float = 1.0
    wpt_epochs: int = 2
    wpt_batch: int = 4
    sft_epochs: int = 15
    sft_batch: int = 6


@dataclass(frozen=True, slots=True)
class Compact:
    """Training of the model that ships with somnoaudit.

    Attributes:
        first_seed, nights, hours: the simulated nights that it is trained on.
        held_out_seed, held_out: those on which it is checked on the way.
        wpt_steps, wpt_batch: of phase 1.
        sft_steps, sft_batch: of phase 2.
        peak: learning rate of both.
    """

    first_seed: int = 1000
    nights: int = 193
    hours: float = 1.0
    held_out_seed: int = 9000
    held_out: int = 4
    wpt_steps: int = 2200
    wpt_batch: int = 16
    sft_steps: int = 2680
    sft_batch: int = 16
    peak: float = 1e-3


SLEEPVLM_3B: Final = Published()
COMPACT: Final = Compact()
