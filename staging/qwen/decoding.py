"""Replies to several windows at a time: the likeliest token after the other.

SleepVLM is published with a temperature of 1e-6, which is the same. All windows of a batch have
one shape, and so equally many tokens: nothing is padded, and no row can disturb another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from auditor.vocabulary import Stage
from staging.qwen.checkpoint import Checkpoint
from staging.qwen.grammar import ReplyGrammar
from staging.qwen.inputs import NightInputs, Shape, WindowInputs
from staging.qwen.shared_prefix import RoomyCache, SharedPrefix
from staging.qwen.stage_tokens import Path, StageTokens


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model answered to one window.

    Attributes:
        tokens: of the reply, without the one that ends it.
        text: of the reply.
        probabilities: of the stages where it names one; None where it names none.
    """

    tokens: tuple[int, ...]
    text: str
    probabilities: Mapping[Stage, float] | None


class Decoder:
    """Asks a checkpoint about the windows of a night.

    Args:
        checkpoint: the model.
        inputs: of all shapes of window.
        longest: tokens of a reply; what goes on is cut off.
    """

    def __init__(self, checkpoint: Checkpoint, inputs: NightInputs, longest: int) -> None:
        self._checkpoint = checkpoint
        self._inputs = inputs
        limit = checkpoint.text.max_position_embeddings
        self._longest = min(longest, limit - inputs.longest)
        self._grammar = ReplyGrammar(checkpoint)
        self._stages = StageTokens(checkpoint.tokenizer, self._grammar)
        first = next(iter(inputs.by_shape.values()))
        self._prefix = SharedPrefix(checkpoint.model, first, inputs.n_shared)
        self._stage_ids = torch.tensor(self._stages.ids, device=checkpoint.device)

    @property
    def room(self) -> int:
        """Tokens of the longest window with the longest reply."""
        return self._inputs.longest + self._longest + _room_for(self._stages.inner)

    @torch.inference_mode()
    def answers(
        self,
        shape: Shape,
        windows: Sequence[Sequence[torch.Tensor]],
        each_step: Callable[[], None] = lambda: None,
    ) -> list[Answer]:
        """Answers to windows of one shape.

        Args:
            shape: which neighbours they have.
            windows: of each, the embeddings of its images in order.
            each_step: called after each token; what it raises ends the work.
        """
        inputs = self._inputs.by_shape[shape]
        room = len(inputs.ids) + self._longest + _room_for(self._stages.inner)
        cache = self._prefix.cache(len(windows), room)
        logits = self._read(inputs, windows, cache)
        rows = [_Row(self._grammar) for _ in windows]
        stage_logs: list[torch.Tensor] = []
        position = inputs.next_position
        while True:
            stage_logs.append(self._logs_of_stages(logits))
            tokens = self._choose(logits, rows)
            each_step()
            if all(row.done for row in rows) or len(stage_logs) == self._longest:
                break
            logits = self._write(tokens[:, None], position, cache)
            position += 1
        return list(self._finished(rows, stage_logs, inputs, cache))

    # ── the network ───────────────────────────────────────────────────────────────────────

    def _read(
        self, inputs: WindowInputs, windows: Sequence[Sequence[torch.Tensor]], cache: RoomyCache
    ) -> torch.Tensor:
        """Reads what follows the shared prefix; logits of the first token of each reply."""
        model, start = self._checkpoint.model, self._prefix.n_tokens
        ids = inputs.ids[start:]
        embedded = model.get_input_embeddings()(ids).repeat(len(windows), 1, 1)
        images = torch.stack([torch.cat(list(window)) for window in windows])
        embedded[:, ids == self._checkpoint.image_token_id] = images.to(embedded.dtype)
        output = model(
            inputs_embeds=embedded,
            position_ids=inputs.positions[:, None, start:].expand(-1, len(windows), -1),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def _write(
        self,
        tokens: torch.Tensor,
        position: int | torch.Tensor,
        cache: RoomyCache,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Writes tokens of shape ``(n_rows, n_tokens)``; logits of the one after them."""
        n_rows, n_tokens = tokens.shape
        steps = torch.arange(n_tokens, device=tokens.device)
        starts = torch.as_tensor(position, device=tokens.device).expand(n_rows)
        positions = (starts[:, None] + steps).expand(3, -1, -1)
        output = self._checkpoint.model(
            input_ids=tokens,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    # ── tokens ────────────────────────────────────────────────────────────────────────────

    def _choose(self, logits: torch.Tensor, rows: Sequence[_Row]) -> torch.Tensor:
        """The likeliest token that each row's grammar permits; any for a row that is done."""
        likeliest: list[int] = logits.argmax(dim=-1).tolist()
        stop = self._checkpoint.stop_tokens
        for i, row in enumerate(rows):
            if row.done:
                continue
            # Most often it is permitted, and the costly question which ones are need not be put.
            if not row.take(likeliest[i], stop):
                permitted = self._grammar.permitted(row.matcher).to(logits.device)
                likeliest[i] = int(logits[i].masked_fill(~permitted, -torch.inf).argmax())
                row.done = not row.take(likeliest[i], stop) or row.done
        return torch.tensor(likeliest, device=logits.device)

    # ── stages ────────────────────────────────────────────────────────────────────────────

    def _logs_of_stages(self, logits: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(logits.float(), dim=-1)[:, self._stage_ids]

    def _finished(
        self,
        rows: Sequence[_Row],
        stage_logs: Sequence[torch.Tensor],
        inputs: WindowInputs,
        cache: RoomyCache,
    ) -> Iterator[Answer]:
        begins = [self._stages.begins_at(row.tokens) for row in rows]
        asked = self._stages.inner if any(begin is not None for begin in begins) else ()
        after = {path: self._had_it_written(path, begins, inputs, cache) for path in asked}
        for i, (row, begin) in enumerate(zip(rows, begins, strict=True)):
            probabilities = None
            if begin is not None:
                known = {
                    (): stage_logs[begin][i],
                    **{path: logs[i] for path, logs in after.items()},
                }
                probabilities = self._stages.probabilities(known)
            text = self._checkpoint.tokenizer.decode(row.tokens, skip_special_tokens=True)
            yield Answer(tuple(row.tokens), str(text), probabilities)

    def _had_it_written(
        self, path: Path, begins: Sequence[int | None], inputs: WindowInputs, cache: RoomyCache
    ) -> torch.Tensor:
        """Likelihoods of the stages' tokens, had each row begun its stage with these.

        They are written behind the reply, which is hidden from them from its stage on.
        """
        n_rows, n_read, n_seen = len(begins), len(inputs.ids), cache.get_seq_length()
        begin = torch.tensor([each or 0 for each in begins], device=self._checkpoint.device)
        seen = torch.arange(n_seen, device=begin.device) < n_read + begin[:, None]
        written = seen.new_ones((n_rows, len(path)))
        logits = self._write(
            torch.tensor([path] * n_rows, device=begin.device),
            inputs.next_position + begin,
            cache,
            torch.cat([seen, written], dim=1).long(),
        )
        cache.drop(len(path))
        return self._logs_of_stages(logits)


class _Row:
    """One reply while it is written."""

    def __init__(self, grammar: ReplyGrammar) -> None:
        self.matcher = grammar.matcher()
        self.tokens: list[int] = []
        self.done = False

    def take(self, token: int, stop: Sequence[int]) -> bool:
        """Goes on with a token if the grammar permits it."""
        if self.matcher.try_consume_tokens([token]) != 1:
            return False
        if token in stop:
            self.done = True
        else:
            self.tokens.append(token)
            self.done = self.matcher.is_stopped()
        return True


def _room_for(paths: Sequence[Path]) -> int:
    return max((len(path) for path in paths), default=0)
