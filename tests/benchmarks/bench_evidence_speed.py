"""How long the evidence of a night takes, and how much memory, beside YASA's detectors.

    pytest -m benchmark -s tests/benchmarks/bench_evidence_speed.py

Both measure the same simulated night of 8 h, 6 channels and 256 Hz in the same run, each in a
process of its own so that its peak memory is its own.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from auditor.evidence import measure
from auditor.vocabulary import Role
from connector.edf import read_recording
from staging.montage import choose_montage
from staging.phantom import simulate, write_edf

LARGEST_RATIO = 1.0
LARGEST_PEAK_GB = 1.2
"""What is promised: no slower than YASA, and within this memory for the whole process."""


def _evidence(path: Path) -> float:
    montage = choose_montage(read_recording(path))
    started = time.perf_counter()
    measure(montage)
    return time.perf_counter() - started


def _yasa(path: Path) -> float:
    import yasa

    montage = choose_montage(read_recording(path))
    eeg = np.array(
        [montage.roles[r].channel.samples() for r in (Role.FRONTAL, Role.CENTRAL, Role.OCCIPITAL)]
    )
    left, right = (montage.roles[r].channel.samples() for r in (Role.LEFT_EYE, Role.RIGHT_EYE))
    rate_hz = montage.roles[Role.FRONTAL].channel.sampling_rate_hz
    started = time.perf_counter()
    yasa.spindles_detect(eeg, rate_hz, verbose="error")
    yasa.sw_detect(eeg, rate_hz, verbose="error")
    yasa.rem_detect(left, right, rate_hz, verbose="error")
    return time.perf_counter() - started


def _alone(work: Callable[[Path], float], path: Path) -> tuple[float, float]:
    """Seconds that the work took, and the peak memory of its process in GB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_timed, (work, path))


def _timed(work: Callable[[Path], float], path: Path) -> tuple[float, float]:
    seconds = work(path)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


@pytest.mark.benchmark
def test_a_night_takes_no_longer_than_yasa(tmp_path: Path) -> None:
    path = tmp_path / "night.edf"
    write_edf(simulate(1), path)
    ours_s, ours_gb = _alone(_evidence, path)
    yasa_s, yasa_gb = _alone(_yasa, path)
    print(f"\nevidence {ours_s:6.1f} s, peak {ours_gb:.2f} GB")
    print(f"YASA     {yasa_s:6.1f} s, peak {yasa_gb:.2f} GB   ratio {ours_s / yasa_s:.2f}")
    assert ours_s <= LARGEST_RATIO * yasa_s
    assert ours_gb <= LARGEST_PEAK_GB
