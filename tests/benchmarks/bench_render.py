"""Time of an image: a figure that is reused against a new one saved for each epoch.

The published pipeline makes a figure, saves it as PNG cut to its tight bounding box, and closes
it, for each epoch; the model's processor then opens the file. Written anew here, on the same
filtered signals. Run with ``pytest -m benchmark -s tests/benchmarks/bench_render.py``.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter, process_time

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image as PngImage

from connector.images import cores
from staging.montage import choose_montage
from staging.phantom import PhantomSettings, simulate
from staging.render import TRACES, Image, Renderer, filtered

N_EPOCHS = 60
N_NIGHT = 480
TARGET = 0.25


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(choose_montage(simulate(11, PhantomSettings(hours=4.0)).recording))


def saved_as_published(signals: np.ndarray, colours: list[str], path: Path) -> Image:
    """One epoch of shape ``(n_roles, 3000)``, in heights of a band, by way of a file."""
    from matplotlib import pyplot

    n_bands = len(signals)
    figure = pyplot.figure(figsize=(4.48, 2.24), dpi=100)
    figure.patch.set_facecolor("black")
    axes = figure.add_subplot(111)
    axes.set_facecolor("black")
    for place, (signal, colour) in enumerate(zip(signals, colours, strict=True)):
        heights = (n_bands - place - 0.5 + signal) / n_bands
        axes.plot(np.linspace(0, 30, 3000), heights, color=colour, linewidth=0.6)
    for second in range(1, 30):
        alpha, width = (0.6, 0.5) if second % 5 else (0.8, 0.8)
        axes.axvline(second, color="#404040", alpha=alpha, linewidth=width)
    for place in range(1, n_bands):
        axes.axhline(place / n_bands, color="#404040", alpha=0.8, linewidth=0.8)
    axes.set(xlim=(0, 30), ylim=(0, 1), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0)
    figure.savefig(path, facecolor="black", bbox_inches="tight", pad_inches=0, dpi=100)
    pyplot.close(figure)
    with PngImage.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


@pytest.mark.benchmark
def test_an_image_takes_a_quarter_of_the_published_time(tmp_path: Path) -> None:
    mpl.use("Agg")
    montage = choose_montage(simulate(11, PhantomSettings(hours=0.75)).recording)
    renderer = Renderer(montage)
    signals = np.stack(
        [
            filtered(montage.roles[role].channel, TRACES[role].band_hz, 50.0)[: N_EPOCHS * 3000]
            / TRACES[role].full_height_uv
            for role in renderer.roles
        ]
    )
    colours = [TRACES[role].colour for role in renderer.roles]
    ours, published, identical = [], [], 0
    for epoch in range(N_EPOCHS):
        cut = signals[:, epoch * 3000 : (epoch + 1) * 3000]
        start = process_time()
        theirs = saved_as_published(cut, colours, tmp_path / "epoch.png")
        between = process_time()
        image = renderer.image(epoch)
        ours.append(process_time() - between)
        published.append(between - start)
        identical += np.array_equal(image, theirs)
    ours_ms, published_ms = np.median(ours) * 1e3, np.median(published) * 1e3
    ratio = ours_ms / published_ms
    print(
        f"\nan image: {ours_ms:.1f} ms, the published way {published_ms:.1f} ms, "
        f"ratio {ratio:.3f} (target {TARGET}); {identical} of {N_EPOCHS} identical"
    )
    assert identical == N_EPOCHS
    assert ratio <= TARGET


@pytest.mark.benchmark
def test_a_night_on_all_cores(renderer: Renderer) -> None:
    times = {}
    for name, workers in (("one process", 1), ("a process a core", cores())):
        start = perf_counter()
        n_images = sum(1 for _ in renderer.images(range(N_NIGHT), workers))
        times[name] = perf_counter() - start
        assert n_images == N_NIGHT
    print()
    for name, seconds in times.items():
        print(f"{N_NIGHT} images, {name}: {seconds:.1f} s, {seconds / N_NIGHT * 1e3:.1f} ms each")
