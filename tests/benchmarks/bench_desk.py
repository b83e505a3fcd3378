"""How long a physician waits: the desk's pages of a 10-hour night, at the server.

A simulated hour with a twentieth of its rationales false, ten times over, is 1200 epochs: the
night is opened cold and then read as a reviewer reads it. Bounds: a study page within 1 s, an
epoch page within 150 ms. Run by hand:

    pytest -m benchmark -s tests/benchmarks/bench_desk.py
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

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
    cold = _seconds(lambda: client.get("/studies/night"))
    took = {
        "work list": [_seconds(lambda: client.get("/")) for _ in range(N_STUDY_PAGES)],
        "study page": [
            _seconds(lambda: client.get("/studies/night")) for _ in range(N_STUDY_PAGES)
        ],
        "spectrogram, first": [_seconds(lambda: client.get("/studies/night/spectrogram.png"))],
        "epoch page": _each(client, epochs, ""),
        "waveform": _each(client, epochs, "/waveform"),
        "model's image": _each(client, epochs[:10], "/image.png"),
    }
    print(
        f"\n{HOURS:g} h, {len(night.flagged)} flagged epochs; study page, opened cold {cold:.2f} s"
    )
    for name, seconds in took.items():
        high = quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]
        print(f"{name:20} median {1000 * median(seconds):6.0f} ms  95 % {1000 * high:6.0f} ms")
    shares = (
        ("study page", median(took["study page"]) / STUDY_PAGE_S),
        ("study page, cold", cold / STUDY_PAGE_S),
        ("epoch page", median(took["epoch page"]) / EPOCH_PAGE_S),
    )
    print("of its bound: " + ", ".join(f"{name} {share:.2f}" for name, share in shares))


def _each(client: httpx.Client, epochs: list[int], part: str) -> list[float]:
    return [
        _seconds(lambda epoch=epoch: client.get(f"/studies/night/epochs/{epoch}{part}"))
        for epoch in epochs
    ]


def _seconds(get: Callable[[], httpx.Response]) -> float:
    begin = time.perf_counter()
    answer = get()
    assert answer.status_code == 200
    return time.perf_counter() - begin
