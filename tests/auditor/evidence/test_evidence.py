"""The evidence as a whole: nothing crashes it, and what it holds is in order."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from simulated_eeg import add, background, everywhere, k_complex, montage, spindle

from auditor.evidence import ROUNDS, measure
from auditor.vocabulary import EEG_ROLES, Phenomenon, Role, Samples

RNG = np.random.default_rng(1)
HOLED = background(90)
HOLED[2000:9000] = np.nan
POPPED = background(60)
POPPED[400] = np.inf


@pytest.mark.parametrize(
    ("rate_hz", "eeg"),
    [
        pytest.param(200.0, np.zeros(0), id="empty"),
        pytest.param(200.0, np.ones(1), id="one sample"),
        pytest.param(200.0, background(29), id="less than an epoch"),
        pytest.param(200.0, np.full(12_000, 7.0), id="constant"),
        pytest.param(200.0, np.full(12_000, np.nan), id="not recorded"),
        pytest.param(200.0, HOLED, id="a gap"),
        pytest.param(200.0, POPPED, id="an infinite sample"),
        pytest.param(200.0, background(60) * 1e9, id="far too large"),
        pytest.param(200.0, background(60) * 1e-6, id="volts"),
        pytest.param(1.0, RNG.normal(size=120), id="1 Hz"),
        pytest.param(33.3, background(60, rate_hz=33.3), id="33.3 Hz"),
        pytest.param(10_000.0, background(31, rate_hz=10_000.0), id="10 kHz"),
    ],
)
def test_no_signal_crashes_it(rate_hz: float, eeg: Samples) -> None:
    everything = montage(
        dict.fromkeys(Role, eeg),
        rate_hz,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evidence = measure(everything)
    assert evidence.n_epochs == int(len(eeg) / rate_hz + 1e-9) // 30
    for event in evidence.events:
        assert 0.0 <= event.probability <= 1.0
        assert event.start_s < event.end_s
    for epoch in evidence.epochs:
        for measured in epoch.measures.values():
            numbers = [x for x in (measured.low, measured.value, measured.high) if x != str(x)]
            assert np.isfinite(np.array(numbers, dtype=float)).all()


def test_every_phenomenon_has_one_detector() -> None:
    measured = [phenomenon for detectors in ROUNDS for phenomenon in detectors]
    assert sorted(measured) == sorted(Phenomenon)


def test_each_epoch_is_measured_or_says_why_not() -> None:
    evidence = measure(everywhere(HOLED))
    good, bad = evidence.epochs[2], evidence.epochs[1]
    assert "alpha_fraction" in good.measures
    assert Phenomenon.ALPHA_RHYTHM not in good.not_assessable
    assert "alpha_fraction" not in bad.measures
    assert bad.not_assessable[Phenomenon.ALPHA_RHYTHM]


def test_nothing_is_found_where_nothing_was_recorded() -> None:
    eeg = background(90)
    for at_s in (20.0, 40.0, 70.0):
        add(eeg, at_s, spindle(amplitude_uv=60.0))
    eeg[round(39.5 * 200) : round(41.5 * 200)] = np.nan
    found = [e for e in measure(everywhere(eeg)).events if e.probability > 0.8]
    assert sorted({round(e.start_s, -1) for e in found}) == [20.0, 70.0]


def test_events_come_in_order_of_time() -> None:
    eeg = background(120)
    for at_s in (20.0, 50.0, 90.0):
        add(eeg, at_s, spindle())
        add(eeg, at_s + 8, k_complex())
    starts = [event.start_s for event in measure(everywhere(eeg)).events]
    assert starts == sorted(starts)


def test_several_workers_find_the_same_and_progress_reaches_the_end() -> None:
    eeg = background(120)
    add(eeg, 40.0, spindle())
    told: list[tuple[str, float]] = []
    together = measure(everywhere(eeg), lambda piece, share: told.append((piece, share)), workers=2)
    assert together == measure(everywhere(eeg))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_night_cut_in_two_has_the_same_events() -> None:
    eeg = background(600)
    for at_s in np.arange(12.0, 590.0, 17.0):
        add(eeg, at_s, spindle(amplitude_uv=30.0))
        add(eeg, at_s + 6.0, k_complex())
    half = len(eeg) // 2
    whole = [e for e in measure(everywhere(eeg)).events if e.probability >= 0.5]
    first, second = (
        [e for e in measure(everywhere(part)).events if e.probability >= 0.5]
        for part in (eeg[:half], eeg[half:])
    )
    assert len(whole) > 60 * len(EEG_ROLES)
    halves = sorted(
        [(e.kind, e.channel, e.start_s, e.end_s) for e in first]
        + [(e.kind, e.channel, e.start_s + 300.0, e.end_s + 300.0) for e in second]
    )
    together = sorted((e.kind, e.channel, e.start_s, e.end_s) for e in whole)
    same = sum(
        any(k == kind and c == ch and abs(a - start) <= 0.1 for k, c, a, _ in halves)
        for kind, ch, start, _ in together
    )
    assert same >= 0.95 * len(together)
    assert abs(len(halves) - len(together)) <= 0.05 * len(together)
