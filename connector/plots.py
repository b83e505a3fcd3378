"""Epochs as a sleep technologist reads them, with what was found marked: an image each.

One page of 30 s, negative up, a band a channel. What is clearly there has a solid edge; a
candidate is dashed, hatched, and its name carries a question mark. What is clearly not there is
left out. The page is laid out in pixels, downwards from its upper left corner.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from auditor.vocabulary import (
    EEG_ROLES,
    EPOCH_S,
    Channel,
    Epoch,
    EpochEvidence,
    Event,
    Evidence,
    Measure,
    Montage,
    Phenomenon,
    Role,
    Samples,
)
from auditor.wording import spoken
from connector.looks import LOOKS, is_clear, marked, shown_by_epoch
from connector.traces import BRAIN_AND_EYES, MUSCLE, Passband, display_trace, thinned
from staging.stager import Progress

# ── what things look like ─────────────────────────────────────────────────────────────────


_OF_BOTH_EYES = frozenset(
    {
        Phenomenon.EYE_BLINKS,
        Phenomenon.READING_EYE_MOVEMENTS,
        Phenomenon.RAPID_EYE_MOVEMENTS,
        Phenomenon.SLOW_EYE_MOVEMENTS,
    }
)
"""Found by how the eyes move against each other: marked on both, whichever reports them."""


@dataclass(frozen=True, slots=True)
class _Display:
    """How signals of one kind are shown: pixels a µV, height of the band, scale bar."""

    passband: Passband
    pixels_per_uv: float
    height: float
    bar_uv: float


_EEG_EOG = _Display(BRAIN_AND_EYES, 0.65, 168.0, 50.0)
_EMG = _Display(MUSCLE, 2.0, 128.0, 10.0)

_SLOW_WAVE_UV = 75.0
"""Peak to peak, for stage N3 (AASM scoring manual, section on adult stage N3)."""

_DPI = 100
_LEFT, _RIGHT, _WIDTH = 132.0, 1572.0, 1600.0
_PER_S = (_RIGHT - _LEFT) / EPOCH_S
_HEAD = 58.0
_AXIS = 22.0
_LANE, _LANES = 10.5, 4
"""Names of events stand above a band's trace, in so many lanes."""
_LINE = 15.0
_COLUMNS = ((_LEFT, 110), (860.0, 120))
"""At the foot: where each begins, and how many characters a line holds."""
_INK, _FAINT = "#101418", "#5a6470"


_Foot: TypeAlias = tuple[Sequence[str], ...]
"""The lines of each column at the foot."""

# ── the public function ───────────────────────────────────────────────────────────────────


def draw_epochs(
    montage: Montage, evidence: Evidence, epochs: Sequence[int], folder: Path, progress: Progress
) -> None:
    """Writes ``epoch-0003.png`` and so on, each whole or not at all.

    Args:
        montage: the signals.
        evidence: what was measured in them.
        epochs: which epochs to draw, by number from 0.
        folder: made where it does not exist; images of other epochs in it are left alone.
        progress: told the share of images written.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = shown_by_epoch(evidence.events)
    feet = {index: _foot(evidence, evidence.epochs[index]) for index in epochs}
    n_lines = max((len(column) for foot in feet.values() for column in foot), default=0)
    page = _Page.of(montage, evidence, n_lines)
    for done, index in enumerate(epochs):
        progress("plots", done / len(epochs))
        page.draw(Epoch(index), found.get(index, ()), feet[index])
        page.save(folder / f"epoch-{index:04d}.png")
    progress("plots", 1.0)


# ── the page ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Band:
    """One channel's strip of the page.

    Attributes:
        channel: the signal.
        roles: what it is for.
        display: how it is shown.
        passband: what its rate can show of what the display would; None where that is nothing.
        top: of the strip, in pixels.
    """

    channel: Channel
    roles: tuple[Role, ...]
    display: _Display
    passband: Passband | None
    top: float

    @property
    def bottom(self) -> float:
        return self.top + self.display.height

    @property
    def zero(self) -> float:
        """Where 0 µV lies: in the middle of what the lanes leave."""
        return (self.top + _LANES * _LANE + self.bottom) / 2

    def heights(self, uv: Samples, page_bottom: float) -> Samples:
        """Where a trace runs; negative is up. It may reach half a band into its neighbours'."""
        half = self.display.height / 2
        return np.clip(
            self.zero + uv * self.display.pixels_per_uv,
            max(self.top - half, _HEAD),
            min(self.bottom + half, page_bottom),
        )


def _bands(montage: Montage) -> tuple[_Band, ...]:
    """One band for each distinct channel, in the usual order."""
    roles: dict[str, list[Role]] = {}
    channels: dict[str, Channel] = {}
    for role in Role:
        channel = montage.channel(role)
        if channel is not None:
            channels[channel.label] = channel
            roles.setdefault(channel.label, []).append(role)
    displays = [_EMG if Role.CHIN in roles[label] else _EEG_EOG for label in channels]
    tops = accumulate((display.height for display in displays), initial=_HEAD)
    return tuple(
        _Band(c, tuple(roles[c.label]), display, display.passband.of(c.sampling_rate_hz), top)
        for c, display, top in zip(channels.values(), displays, tops, strict=False)
    )


@dataclass(frozen=True, slots=True)
class _Page:
    """The figure, reused from epoch to epoch: what never changes is drawn once and restored."""

    montage: Montage
    evidence: Evidence
    bands: tuple[_Band, ...]
    bottom: float
    canvas: Any
    axes: Axes
    blank: Any
    lines: tuple[Line2D, ...]

    @classmethod
    def of(cls, montage: Montage, evidence: Evidence, n_lines: int) -> _Page:
        """The page without any epoch, with room for so many lines at its foot."""
        bands = _bands(montage)
        bottom = bands[-1].bottom if bands else _HEAD
        height = bottom + _AXIS + (n_lines + 1) * _LINE
        figure = Figure(figsize=(_WIDTH / _DPI, height / _DPI), dpi=_DPI)
        canvas: Any = FigureCanvasAgg(figure)  # half of it ships without types
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_xlim(0.0, _WIDTH)
        axes.set_ylim(height, 0.0)
        axes.set_axis_off()
        _draw_grid(axes, bottom)
        _draw_legend(axes, canvas.get_renderer(), evidence)
        for band in bands:
            _draw_margin(axes, band)
        _draw_criterion(axes, bands)
        canvas.draw()
        lines = tuple(axes.add_line(Line2D([], [], color=_INK, linewidth=0.65)) for _ in bands)
        blank = canvas.copy_from_bbox(figure.bbox)
        return cls(montage, evidence, bands, bottom, canvas, axes, blank, lines)

    def draw(self, epoch: Epoch, events: Sequence[Event], foot: _Foot) -> None:
        """Draws one epoch over the blank page."""
        self.canvas.restore_region(self.blank)
        for artist in (
            *self._gaps(epoch),
            *self._marks(epoch, events),
            *self._names(epoch, events),
            *self._words(epoch, foot),
        ):
            self.axes.add_artist(artist)
            self.axes.draw_artist(artist)
            artist.remove()
        for band, line in zip(self.bands, self.lines, strict=True):
            if band.passband is not None:
                seconds, uv = display_trace(band.channel, epoch, band.passband)
                seconds, uv = thinned(seconds, uv, _PER_S)
                line.set_data(_LEFT + seconds * _PER_S, band.heights(uv, self.bottom))
                self.axes.draw_artist(line)

    def save(self, path: Path) -> None:
        partial = path.with_name(path.name + ".partial")
        try:
            self._image().save(partial, "png", compress_level=4)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _image(self) -> Image.Image:
        """In 256 colours: written in half the time, read from a third of the bytes."""
        page = Image.frombuffer("RGBA", self.canvas.get_width_height(), self.canvas.buffer_rgba())
        return page.convert("RGB").quantize(
            256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
        )

    def _gaps(self, epoch: Epoch) -> Iterator[Rectangle | Text]:
        for gap in self.montage.recording.gaps:
            if gap.start_s < epoch.end_s and gap.end_s > epoch.start_s:
                left, right = _across(epoch, gap.start_s, gap.end_s)
                yield Rectangle(
                    (left, _HEAD), right - left, self.bottom - _HEAD, color="#d8d8d8", linewidth=0
                )
                yield _text(left + 3, self.bottom - 4, "not recorded", _FAINT, va="bottom")

    def _marks(self, epoch: Epoch, events: Sequence[Event]) -> Iterator[Rectangle]:
        for event in events:
            left, right = _across(epoch, event.start_s, event.end_s)
            for band in self._bands_of(event):
                top = band.top + _LANES * _LANE + 2
                yield _mark(event, (left, top), right - left, band.bottom - 2 - top)

    def _bands_of(self, event: Event) -> Iterator[_Band]:
        for band in self.bands:
            if band.channel.label == event.channel or (
                event.kind in _OF_BOTH_EYES
                and not {Role.LEFT_EYE, Role.RIGHT_EYE}.isdisjoint(band.roles)
            ):
                yield band

    def _names(self, epoch: Epoch, events: Sequence[Event]) -> Iterator[Text | Rectangle]:
        """Each event's name above its band, in the first lane that is free, over its extent."""
        for band in self.bands:
            ends = [0.0] * _LANES
            for event in sorted(events, key=lambda e: e.start_s):
                if event.channel != band.channel.label:
                    continue
                left, right = _across(epoch, event.start_s, event.end_s)
                name = marked(LOOKS[event.kind].short, event)
                width = max(right - left, 5.8 * len(name) + 4)
                at = min(left, _RIGHT - width)
                lane = next((i for i, end in enumerate(ends) if end <= at), None)
                if lane is None:
                    lane = ends.index(min(ends))
                ends[lane] = at + width
                bottom = band.top + (lane + 1) * _LANE + 2
                colour = LOOKS[event.kind].colour
                yield Rectangle((left, bottom - 1.5), right - left, 1.5, color=colour, linewidth=0)
                yield _text(at + 1, bottom - 1, name, colour, va="bottom", size=6.5)

    def _words(self, epoch: Epoch, foot: _Foot) -> Iterator[Text]:
        start = self.evidence.start
        clock = f"   {start + timedelta(seconds=epoch.start_s):%H:%M:%S}" if start else ""
        title = f"Epoch {epoch.index}{clock}   {epoch.start_s:g}–{epoch.end_s:g} s"
        yield _text(_LEFT, 20, title, size=11, weight="bold")
        for column, (x, _) in zip(foot, _COLUMNS, strict=True):
            for i, line in enumerate(column):
                yield _text(x, self.bottom + _AXIS + i * _LINE, line, va="top", size=8)


def _across(epoch: Epoch, start_s: float, end_s: float) -> tuple[float, float]:
    """Where a stretch of time lies on the page, as far as it lies in the epoch."""
    left = max(start_s - epoch.start_s, 0.0)
    right = min(end_s - epoch.start_s, EPOCH_S)
    return _LEFT + left * _PER_S, _LEFT + right * _PER_S


def _mark(event: Event, corner: tuple[float, float], width: float, height: float) -> Rectangle:
    return _span(LOOKS[event.kind].colour, corner, width, height, clear=is_clear(event))


def _span(
    colour: str, corner: tuple[float, float], width: float, height: float, *, clear: bool
) -> Rectangle:
    """A translucent span: solid for what is clearly there, dashed and hatched for candidates."""
    return Rectangle(
        corner,
        width,
        height,
        facecolor=to_rgba(colour, 0.22) if clear else "none",
        edgecolor=to_rgba(colour, 0.9 if clear else 0.45),
        linestyle="solid" if clear else (0, (4, 3)),
        linewidth=0.9 if clear else 0.8,
        hatch=None if clear else "//",
    )


def _text(
    x: float,
    y: float,
    words: str,
    colour: str = _INK,
    *,
    size: float = 7.5,
    va: Literal["top", "center", "bottom"] = "center",
    ha: Literal["left", "center", "right"] = "left",
    weight: str = "normal",
) -> Text:
    """Words as they are: a dollar sign in a channel's label begins no formula."""
    return Text(
        x,
        y,
        words,
        color=colour,
        fontsize=size,
        verticalalignment=va,
        horizontalalignment=ha,
        fontweight=weight,
        parse_math=False,
    )


# ── what never changes ────────────────────────────────────────────────────────────────────


def _draw_grid(axes: Axes, bottom: float) -> None:
    for second in range(int(EPOCH_S) + 1):
        x = _LEFT + second * _PER_S
        fifth = second % 5 == 0
        axes.vlines(
            x,
            _HEAD,
            bottom,
            colors="#9aa4ae" if fifth else "#d9dee3",
            linewidth=0.8 if fifth else 0.5,
        )
        if fifth:
            axes.add_artist(_text(x, bottom + 9, f"{second} s", _FAINT, ha="center"))


def _draw_legend(axes: Axes, renderer: RendererAgg, evidence: Evidence) -> None:
    """What the short names and the edges stand for, and how the page is to be read."""
    x = _LEFT
    for kind in sorted({event.kind for event in evidence.events}, key=list(Phenomenon).index):
        look = LOOKS[kind]
        entry = _text(x, 42, f"{look.short} = {spoken(kind)}", look.colour, weight="bold", size=7)
        axes.add_artist(entry)
        x = entry.get_window_extent(renderer).x1 + 16
    x = 1000.0
    for clear, words in ((True, "clearly there"), (False, "candidate, with its probability")):
        axes.add_artist(_span(_INK, (x, 13), 26, 14, clear=clear))
        axes.add_artist(_text(x + 32, 20, words))
        x += 130
    axes.add_artist(_text(_RIGHT, 20, "negative up", _FAINT, ha="right"))


def _draw_margin(axes: Axes, band: _Band) -> None:
    """A channel's name, its scale, and what is shown of it."""
    axes.hlines(band.top, 0, _RIGHT, colors="#9aa4ae", linewidth=0.5)
    axes.hlines(band.zero, _LEFT, _RIGHT, colors="#d9dee3", linewidth=0.5)
    roles = ", ".join(spoken(role) for role in band.roles)
    shown = f"{band.passband}" if band.passband else "too slow to show"
    label = textwrap.shorten(band.channel.label, 16, placeholder="…")
    axes.add_artist(_text(8, band.zero - 16, label, weight="bold", size=9))
    axes.add_artist(_text(8, band.zero, roles, _FAINT))
    axes.add_artist(_text(8, band.zero + 14, shown, _FAINT, size=6.5))
    half = band.display.bar_uv * band.display.pixels_per_uv / 2
    x = _LEFT - 8
    axes.vlines(x, band.zero - half, band.zero + half, colors=_INK, linewidth=1.5)
    bar = f"{band.display.bar_uv:g} µV"
    axes.add_artist(_text(x - 3, band.zero + half + 7, bar, ha="right", size=6.5))


def _draw_criterion(axes: Axes, bands: Sequence[_Band]) -> None:
    """Guides 75 µV apart on the foremost EEG, to measure slow waves by."""
    foremost = next((b for role in EEG_ROLES for b in bands if role in b.roles), None)
    if foremost is None:
        return
    half = _SLOW_WAVE_UV / 2 * foremost.display.pixels_per_uv
    for y in (foremost.zero - half, foremost.zero + half):
        axes.hlines(y, _LEFT, _RIGHT, colors="#c00000", linewidth=0.6, linestyles="dotted")
    words = f"{_SLOW_WAVE_UV:g} µV"
    axes.add_artist(_text(_RIGHT - 2, foremost.zero + half + 6, words, "#c00000", ha="right"))


# ── the foot ──────────────────────────────────────────────────────────────────────────────


def _foot(evidence: Evidence, epoch: EpochEvidence) -> _Foot:
    """Measures to the left; what is not assessable, and odd about channels, to the right."""
    by_channel: dict[str, list[str]] = {}
    for name, measure in epoch.measures.items():
        by_channel.setdefault(measure.channel, []).append(_measure(name, measure))
    by_reason: dict[str, list[str]] = {}
    for phenomenon, why in epoch.not_assessable.items():
        by_reason.setdefault(why, []).append(spoken(phenomenon))
    measured = [f"{label}: {',  '.join(words)}" for label, words in by_channel.items()]
    remarks = [f"Not assessable: {', '.join(names)} ({why})" for why, names in by_reason.items()]
    remarks.append("; ".join(channel.how for channel in evidence.channels.values() if channel.how))
    return tuple(
        [part for line in lines for part in textwrap.wrap(line, width)]
        for lines, (_, width) in zip((measured, remarks), _COLUMNS, strict=True)
    )


def _measure(name: str, measure: Measure) -> str:
    """A measure in words, with the range that detection leaves open."""
    value, low, high = (
        _quantity(name, v, measure.unit) for v in (measure.value, measure.low, measure.high)
    )
    open_range = f" ({low} to {high})" if low != high else ""
    return f"{spoken(name)} {value}{open_range}"


def _quantity(name: str, value: float | str, unit: str) -> str:
    if isinstance(value, str):
        return value
    if name.endswith("_fraction"):
        return f"{value:.0%}"
    return f"{value:.2g}" if unit == "1" else f"{value:.1f} {unit}"
