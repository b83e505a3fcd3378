"""Stretches of the grid: where they are, and what they hold."""

from __future__ import annotations

import numpy as np
import pytest

from auditor.evidence.grid import Spans, mask_of, share_of_epochs


def test_runs_of_a_mask_and_back() -> None:
    mask = np.array([True, True, False, True])
    spans = Spans.of_mask(mask)
    assert (spans.first.tolist(), spans.past.tolist()) == ([0, 3], [2, 4])
    assert spans.mask(4).tolist() == mask.tolist()


def test_statistics_of_stretches() -> None:
    spans = Spans(np.array([0, 3]), np.array([2, 6]))
    values = np.array([1, 3, 100, 2, 4, 6], dtype=np.float32)
    assert spans.mean(values).tolist() == [2.0, 4.0]
    assert spans.maximum(values).tolist() == [3.0, 6.0]
    assert spans.spread(np.array([7, 8]), 6).tolist() == [7, 7, 0, 8, 8, 8]


def test_overlapping_spans_and_spans_beyond_the_end_make_one_mask() -> None:
    mask = mask_of(np.array([0.0, 0.01, 0.08]), np.array([0.02, 0.04, 9.0]), 10)
    assert np.flatnonzero(mask).tolist() == [0, 1, 2, 3, 8, 9]


def test_the_last_part_that_is_no_epoch_has_no_share() -> None:
    mask = np.zeros(4000, dtype=bool)
    mask[1500:] = True
    assert share_of_epochs(mask, 1) == pytest.approx([0.5])
