"""How long a physician waits: the desk's pages of a 10-hour night, at the server.

A simulated hour with a twentieth of its rationales false, ten times over, is 1200 epochs: the
night is opened cold and then read as a reviewer reads it. Bounds: a study page within 1 s, an
epoch page within 150 ms. Beside the time on the wall stands the processor time of service and
client together, which says the same whatever else the machine does. Run by hand:

    pytest -m benchmark -s tests/benchmarks/bench_desk.py
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import httpx
import numpy as np
import pyedflib
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "connector"))

from desk_night import DeskNight, add_night, audited, desk_night, desk_service

from connector.desk.people import DeskRole, Person
from connector.desk.sessions import Sessions
from connector.kept import kept_evidence, kept_hypnogram
from connector.store import Store

pytestmark = pytest.mark.benchmark

HOURS = 10
FALSE_SHARE = 0.05
STUDY_PAGE_S = 1.0
EPOCH_PAGE_S = 0.15
N_EPOCHS = 60
N_STUDY_PAGES = 10


@dataclass(frozen=True)
class Took:
    """Seconds on the wall, and of processors."""

    wall: float
    processor: float


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> DeskNight:
    folder = tmp_path_factory.mktemp("night")
    hour = desk_night(folder, 1.0, FALSE_SHARE)
    hypnogram, evidence = kept_hypnogram(hour.hypnogram), kept_evidence(hour.evidence)
    n_epochs, turns = len(hypnogram.epochs), range(HOURS)
    scored = tuple(
        replace(epoch, index=epoch.index + turn * n_epochs)
        for turn in turns
        for epoch in hypnogram.epochs
    )
    measured = tuple(
        replace(epoch, index=epoch.index + turn * n_epochs)
        for turn in turns
        for epoch in evidence.epochs
    )
    events = tuple(
        replace(event, start_s=event.start_s + turn * 3600, end_s=event.end_s + turn * 3600)
        for turn in turns
        for event in evidence.events
    )
    return audited(
        _repeated(hour.recording, folder / "long.edf"),
        replace(hypnogram, epochs=scored),
        replace(evidence, epochs=measured, events=events),
    )


def _repeated(hour: Path, path: Path) -> Path:
    with pyedflib.EdfReader(str(hour)) as reader:
        headers, start = reader.getSignalHeaders(), reader.getStartdatetime()
        signals = [np.tile(reader.readSignal(n), HOURS) for n in range(len(headers))]
    with pyedflib.EdfWriter(str(path), len(headers), pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setStartdatetime(start)
        writer.setSignalHeaders(headers)
        writer.writeSamples(signals)
    return path


@pytest.fixture
def client(night: DeskNight, tmp_path: Path) -> Iterator[httpx.Client]:
    store = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    add_night(store, "night", night)
    token = Sessions(store.sessions).begin(Person("Dr. Example", DeskRole.PHYSICIAN))
    with desk_service(store, night.recording) as address:
        cookies = {"somnoaudit": token}
        with httpx.Client(base_url=address, cookies=cookies, timeout=300) as web:
            yield web
    store.close()


def test_pages_of_a_long_night(client: httpx.Client, night: DeskNight) -> None:
    epochs = [night.flagged[i % len(night.flagged)] for i in range(N_EPOCHS)]

    def pages(path: str, n: int = 1) -> list[Took]:
        return [_took(lambda: client.get(path)) for _ in range(n)]

    def of_epochs(part: str) -> list[Took]:
        return [
            _took(lambda epoch=epoch: client.get(f"/studies/night/epochs/{epoch}{part}"))
            for epoch in epochs
        ]

    took = {
        "study page, cold": pages("/studies/night"),
        "epoch page, cold": pages(f"/studies/night/epochs/{epochs[0]}"),
        "spectrogram, first": pages("/studies/night/spectrogram.png"),
        "work list": pages("/", N_STUDY_PAGES),
        "study page": pages("/studies/night", N_STUDY_PAGES),
        "epoch page": of_epochs(""),
        "waveform": of_epochs("/waveform"),
        "model's image": of_epochs("/image.png"),
    }
    print(f"\n{HOURS:g} h, {len(night.flagged)} flagged epochs; load {os.getloadavg()[0]:.1f}")
    bounds = {name: STUDY_PAGE_S for name in took if name.startswith("study page")}
    bounds |= {name: EPOCH_PAGE_S for name in took if name.startswith("epoch page")}
    for name, each in took.items():
        middle = _median(each)
        share = (
            f"  of bound {middle.wall / bounds[name]:.2f}, {middle.processor / bounds[name]:.2f}"
            if name in bounds
            else ""
        )
        print(
            f"{name:20} median {1000 * middle.wall:7.0f} ms, "
            f"of processors {1000 * middle.processor:6.0f} ms{share}"
        )


def _median(took: Sequence[Took]) -> Took:
    return Took(median(each.wall for each in took), median(each.processor for each in took))


def _took(get: Callable[[], httpx.Response]) -> Took:
    wall, processor = time.perf_counter(), time.process_time()
    answer = get()
    took = Took(time.perf_counter() - wall, time.process_time() - processor)
    assert answer.status_code == 200
    return took
