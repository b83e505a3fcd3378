"""What both phases share: steps that can be resumed, and a journal of them."""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile

import torch
from torch import nn
from transformers.utils import logging

from auditor.errors import CheckpointRefused, UsageError, os_reason
from staging.qwen.folder import look_through
from staging.training.nights import TrainingNight


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a phase learns.

    Attributes:
        steps: in all.
        peak: learning rate after warm-up.
        warm_up: share of the steps in which it rises.
        weight_decay: of matrices.
        gradient_norm: to which gradients are clipped.
        final_share: share of the peak at the end of the cosine.
    """

    steps: int
    peak: float
    warm_up: float = 0.03
    weight_decay: float = 0.1
    gradient_norm: float = 1.0
    final_share: float = 0.02

    def rate(self, step: int) -> float:
        rising = max(1.0, self.warm_up * self.steps)
        if step < rising:
            return self.peak * (step + 1) / rising
        done = min(1.0, (step - rising) / max(1.0, self.steps - rising))
        half = 0.5 * (1 + math.cos(math.pi * done))
        return self.peak * (self.final_share + (1 - self.final_share) * half)


def keep_memory() -> None:
    """Has the C library keep what tensors give back, where it can (glibc's mallopt).

    Tensors of some megabytes come and go with every operation; fetched anew from the system each
    time, clearing their pages took a third of a step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _MALLOPT.items():
            mallopt(parameter, value)


_MALLOPT = {-8: 1, -3: 32 << 20, -1: (1 << 31) - 1}
"""M_ARENA_MAX; M_MMAP_THRESHOLD, at its highest; M_TRIM_THRESHOLD (malloc.h)."""


class Journal:
    """JSON lines of what happened, to a file and to standard output, and no progress bars there.

    Raises:
        UsageError: the file cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written to ({os_reason(error)})") from None
        self._began = time.monotonic()

    def note(self, **what: object) -> None:
        line = json.dumps({**what, "minutes": round((time.monotonic() - self._began) / 60, 2)})
        self._file.write(line + "\n")
        print(line, flush=True)


def training_sha256(start: Path | None, nights: Sequence[TrainingNight], *settings: object) -> str:
    """What tells a training from others.

    Args:
        start: the checkpoint whose weights it starts from; None for new ones.
        nights: that it learns; what is true of them counts.
        settings: all else on which it hangs.
    """
    weights = look_through(start).weights_sha256() if start else None
    what = (weights, [(night.name, night.truth) for night in nights], settings)
    return hashlib.sha256(repr(what).encode()).hexdigest()


class Training:
    """Parameters under training, with what is needed to go on after a stop.

    Args:
        parts: what is trained, by name.
        schedule: of the learning rate.
        state: the file from which training goes on, and to which it is saved.
        sha256: what tells this training from others, see :func:`training_sha256`.
        threads: in which the shares of a batch are worked on.

    Raises:
        CheckpointRefused: the state is damaged, or of another training.
    """

    def __init__(
        self,
        parts: dict[str, nn.Module],
        schedule: Schedule,
        state: Path,
        sha256: str,
        threads: int,
    ) -> None:
        self.parts = parts
        self.schedule = schedule
        self.step = 0
        self._state = state
        self._sha256 = sha256
        keep_memory()
        self._threads = ThreadPoolExecutor(threads)
        wanted = {
            id(p): p for part in parts.values() for p in part.parameters() if p.requires_grad
        }.values()
        groups = [
            {"params": [p for p in wanted if p.dim() > 1], "weight_decay": schedule.weight_decay},
            {"params": [p for p in wanted if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self._wanted = list(wanted)
        self._optimizer = torch.optim.AdamW(groups, lr=schedule.peak, betas=(0.9, 0.98))
        if state.exists():
            kept = _read(state)
            if kept.get("sha256") != sha256:
                raise CheckpointRefused(state, "is of another training", _REMEDY)
            for name, part in parts.items():
                part.load_state_dict(kept[name], strict=False)
            self._optimizer.load_state_dict(kept["optimizer"])
            self.step = kept["step"]

    def update(self, losses: Sequence[Callable[[], torch.Tensor]]) -> float:
        """One step on the sum of these losses, each computed in a thread of its own.

        Small operations on shares of a batch side by side keep busy cores busier than each
        operation split over them; the sum is taken in order, so that the result is the same.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = self.schedule.rate(self.step)
        total = 0.0
        for loss, gradients in self._threads.map(self._gradients, losses):
            total += loss
            for parameter, gradient in zip(self._wanted, gradients, strict=True):
                if gradient is not None:
                    parameter.grad = (
                        gradient if parameter.grad is None else parameter.grad + gradient
                    )
        nn.utils.clip_grad_norm_(self._wanted, self.schedule.gradient_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return total

    def _gradients(
        self, loss: Callable[[], torch.Tensor]
    ) -> tuple[float, tuple[torch.Tensor | None, ...]]:
        value = loss()
        return float(value.detach()), torch.autograd.grad(value, self._wanted, allow_unused=True)

    @property
    def finished(self) -> bool:
        return self.step >= self.schedule.steps

    def save(self) -> None:
        """Whole or not at all: a stop in between leaves what was saved before."""
        kept = {name: _learnt(part) for name, part in self.parts.items()}
        whole = {
            **kept,
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "sha256": self._sha256,
        }
        self._state.parent.mkdir(parents=True, exist_ok=True)
        beside = self._state.with_suffix(".part")
        torch.save(whole, beside)
        beside.replace(self._state)


_REMEDY = "delete it or give another --out"


def _read(state: Path) -> dict[str, Any]:
    damaged = CheckpointRefused(state, "is damaged", _REMEDY)
    if not is_zipfile(state):  # the reader tries older formats on what is none
        raise damaged
    try:
        kept = torch.load(state, weights_only=True)
    except (RuntimeError, UnpicklingError):
        raise damaged from None
    if not isinstance(kept, dict):
        raise damaged
    return kept


def _learnt(part: nn.Module) -> dict[str, torch.Tensor]:
    """Only what is trained: of a large model with adapters, the adapters."""
    return {name: p.detach() for name, p in part.named_parameters() if p.requires_grad}
