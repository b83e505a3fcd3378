"""The model's images against the same epochs drawn from scratch, number by number."""

import io

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image as PngImage
from scipy.interpolate import interp1d
from scipy.signal import butter, filtfilt, iirnotch

from auditor.errors import RecordingRefused
from auditor.vocabulary import Channel, Derivation, Montage, Recording, Role, Samples, Span
from staging.render import Image, Renderer, filtered, png

COLOURS = {
    Role.FRONTAL: "#FFFF00",
    Role.CENTRAL: "#00FF00",
    Role.OCCIPITAL: "#FF0000",
    Role.LEFT_EYE: "#00FFFF",
    Role.RIGHT_EYE: "#FF00FF",
    Role.CHIN: "#0000FF",
}
N_EPOCHS = 3


def montage(
    rates_hz: dict[Role, float], gaps: tuple[Span, ...] = (), quiet: bool = False
) -> Montage:
    """Noise of 20 µV, or nothing at all, in each role at its own rate."""
    noise = np.random.default_rng(7)
    duration_s = 30.0 * N_EPOCHS
    roles = {}
    for role, rate_hz in rates_hz.items():
        samples = np.zeros(round(duration_s * rate_hz))
        if not quiet:
            samples += noise.normal(0.0, 20.0, samples.shape)
        for gap in gaps:
            samples[round(gap.start_s * rate_hz) : round(gap.end_s * rate_hz)] = np.nan
        roles[role] = Derivation(Channel.of_array(role.value, rate_hz, samples))
    channels = tuple(derivation.channel for derivation in roles.values())
    recording = Recording("night.edf", None, duration_s, channels, gaps)
    missing = {role: "not recorded" for role in COLOURS if role not in roles}
    return Montage(recording, roles, missing)


ALL_ROLES = dict.fromkeys(COLOURS, 256.0)


def as_published(channel: Channel, chin: bool, mains_hz: float) -> Samples:
    """The published signal chain, in its order."""
    rate_hz, samples = channel.sampling_rate_hz, channel.samples()
    low, high = (10.0, 100.0) if chin else (0.3, 35.0)
    corners = [max(low / (rate_hz / 2), 0.001), min(high / (rate_hz / 2), 0.999)]
    samples = filtfilt(*butter(4, corners, btype="bandpass"), samples)
    if mains_hz <= rate_hz / 2:
        samples = filtfilt(*iirnotch(mains_hz, 20, rate_hz), samples)
    if rate_hz != 100:
        n_in = len(samples)
        at = np.linspace(0, n_in - 1, round(100 / rate_hz * n_in))
        samples = interp1d(np.arange(n_in), samples)(at)
    return np.asarray(samples)


def drawn_from_scratch(montage: Montage, epoch: int, mains_hz: float = 50.0) -> Image:
    figure = Figure(figsize=(4.48, 2.24), dpi=100, facecolor="black")
    axes = figure.add_axes((0, 0, 1, 1), facecolor="black")
    roles = [role for role in COLOURS if role in montage.roles]
    for place, role in enumerate(roles):
        chin = role is Role.CHIN
        whole = as_published(montage.roles[role].channel, chin, mains_hz)
        middle = 1 - (place + 0.5) / len(roles)
        heights = middle + whole[epoch * 3000 :][:3000] / (80 if chin else 100) / len(roles)
        axes.plot(np.linspace(0, 30, 3000), heights, color=COLOURS[role], lw=0.6)
    for second in range(1, 30):
        fifth = second % 5 == 0
        axes.axvline(second, color="#404040", alpha=0.8 if fifth else 0.6, lw=0.8 if fifth else 0.5)
    for place in range(1, len(roles)):
        axes.axhline(place / len(roles), color="#404040", alpha=0.8, lw=0.8)
    axes.set_xlim(0, 30)
    axes.set_ylim(0, 1)
    axes.axis("off")
    figure.patches.clear()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


@pytest.mark.parametrize("rate_hz", [100.0, 128.0, 200.0, 256.0, 512.0])
def test_the_pixels_are_those_of_the_published_chain(rate_hz: float) -> None:
    # Chin at 200 Hz has its upper corner at Nyquist, at 100 Hz above it.
    night = montage(dict.fromkeys(COLOURS, rate_hz))
    renderer = Renderer(night)
    for epoch in (2, 0):  # backwards: one figure serves all
        assert np.array_equal(renderer.image(epoch), drawn_from_scratch(night, epoch))


def test_channels_at_rates_of_their_own() -> None:
    night = montage(dict(zip(COLOURS, (256.0, 128.0, 100.0, 64.0, 512.0, 200.0), strict=True)))
    assert np.array_equal(Renderer(night).image(1), drawn_from_scratch(night, 1))


def test_the_mains_frequency_decides_the_notch() -> None:
    night = montage(ALL_ROLES)
    image = Renderer(night, mains_hz=60.0).image(1)
    assert np.array_equal(image, drawn_from_scratch(night, 1, mains_hz=60.0))
    assert not np.array_equal(image, Renderer(night).image(1))


def colours_in(image: Image) -> set[str]:
    """Pure colours, which only the traces have."""
    found = np.unique(image.reshape(-1, 3), axis=0)
    return {f"#{r:02X}{g:02X}{b:02X}" for r, g, b in found} & set(COLOURS.values())


def grey_lines(pixels: npt.NDArray[np.uint8]) -> list[int]:
    """Where a line of pixels of shape ``(n, 3)`` is grid-grey, the middle of each run."""
    is_grey = (pixels[:, 0] > 8) & (pixels[:, 0] == pixels[:, 1]) & (pixels[:, 1] == pixels[:, 2])
    edges = np.flatnonzero(np.diff(is_grey.astype(int), prepend=0, append=0))
    return [int(start + end - 1) // 2 for start, end in edges.reshape(-1, 2)]


def test_a_line_each_second_and_between_the_bands() -> None:
    image = Renderer(montage(ALL_ROLES, quiet=True)).image(0)
    assert image.shape == (224, 448, 3)
    assert image.dtype == np.uint8
    between_traces = image[28]  # a quarter into the second band; its trace is at 56
    expected = [round(second * 448 / 30) for second in range(1, 30)]
    assert np.allclose(grey_lines(between_traces), expected, atol=1)
    between_seconds = image[:, 7]
    assert np.allclose(
        grey_lines(between_seconds), [round(band * 224 / 6) for band in range(1, 6)], atol=1
    )
    seconds = image[28, :, 0].astype(int)
    assert seconds[grey_lines(between_traces)[4]] > seconds[grey_lines(between_traces)[3]]


def test_a_missing_role_is_left_out_and_the_bands_grow() -> None:
    roles = dict.fromkeys((Role.CENTRAL, Role.LEFT_EYE, Role.CHIN), 256.0)
    night = montage(roles)
    renderer = Renderer(night)
    assert renderer.roles == (Role.CENTRAL, Role.LEFT_EYE, Role.CHIN)
    assert renderer.missing == (Role.FRONTAL, Role.OCCIPITAL, Role.RIGHT_EYE)
    image = renderer.image(1)
    assert colours_in(image) == {COLOURS[role] for role in roles}
    assert np.array_equal(image, drawn_from_scratch(night, 1))
    quiet = Renderer(montage(roles, quiet=True)).image(1)
    assert np.allclose(grey_lines(quiet[:, 7]), [75, 149], atol=1)


def test_a_montage_without_any_role_is_refused() -> None:
    with pytest.raises(RecordingRefused, match="no channel that could be drawn"):
        Renderer(montage({}))


def test_a_trace_is_broken_where_nothing_was_recorded() -> None:
    gap = Span(40.0, 50.0)
    renderer = Renderer(montage(ALL_ROLES, (gap,)))
    image = renderer.image(1)
    inside = image[:, round(10.5 * 448 / 30) : round(19.5 * 448 / 30)]
    assert colours_in(inside) == set()
    assert colours_in(image[:, : round(9 * 448 / 30)]) == set(COLOURS.values())
    # A gap rings on for less than a pixel of 100 / 37 µV beyond its own epoch.
    channel = montage(ALL_ROLES, (gap,)).roles[Role.FRONTAL].channel
    whole = montage(ALL_ROLES).roles[Role.FRONTAL].channel
    difference = filtered(channel, (0.3, 35.0), 50.0) - filtered(whole, (0.3, 35.0), 50.0)
    assert np.abs(difference[6000:]).max() < 2.7


def test_an_epoch_that_was_not_recorded_shows_the_grid_alone() -> None:
    image = Renderer(montage(ALL_ROLES, (Span(30.0, 60.0),))).image(1)
    assert colours_in(image) == set()
    assert len(grey_lines(image[28])) == 29


def test_processes_draw_the_same_images_in_order() -> None:
    renderer = Renderer(montage(ALL_ROLES))
    epochs = [2, 0, 1] * 12
    drawn = list(renderer.images(epochs, workers=2))
    alone = [renderer.image(epoch) for epoch in range(N_EPOCHS)]
    assert len(drawn) == len(epochs)
    for epoch, image in zip(epochs, drawn, strict=True):
        assert np.array_equal(image, alone[epoch])


def test_the_users_matplotlibrc_changes_nothing() -> None:
    night = montage(ALL_ROLES)
    usual = Renderer(night).image(1)
    with mpl.rc_context({"path.simplify": False, "lines.antialiased": False, "axes.xmargin": 0.2}):
        assert np.array_equal(Renderer(night).image(1), usual)


def test_a_png_keeps_every_pixel() -> None:
    image = Renderer(montage(ALL_ROLES)).image(0)
    with PngImage.open(io.BytesIO(png(image))) as opened:
        assert np.array_equal(np.asarray(opened), image)
