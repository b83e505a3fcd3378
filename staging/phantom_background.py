"""The ongoing activity beneath the events of a simulated night: EEG, eyes, mastoids, chin.

Gaussian noise whose spectrum follows the stage, drawn as overlapping 8-s pieces that blend into
one another. Each piece is a Fourier series on its 8 s, drawn up to 128 Hz whatever the rate, so
that the same night at another rate is the same continuous signal, less what lies above half that
rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import scipy.fft

from auditor.vocabulary import Phenomenon, Samples, Stage
from staging.phantom_plan import NightPlan, Site, Subject

Array32 = npt.NDArray[np.float32]

PIECE_S = 8
HOP_S = PIECE_S // 2
TOP_HZ = 128
_LINES = PIECE_S * TOP_HZ + 1
_FREQUENCIES = np.arange(_LINES) / PIECE_S
_PIECES_AT_ONCE = 256

# ── spectra ───────────────────────────────────────────────────────────────────────────────

_KNOTS_HZ = (0.15, 0.3, 0.5, 1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 30, 40, 60, 100)
_STAGE_DB: Mapping[Stage, tuple[float, ...]] = {
    # Power density over the centre, dB re 1 µV²/Hz at the knots, without alpha runs, spindles
    # and slow waves, which are events. Shaped to the spectra by stage of an expert-scored
    # recording (doi:10.1093/sleep/zsac223, example data); steeper above 20 Hz the deeper the
    # sleep, steepest in R (doi:10.7554/eLife.55092); muscle flattens wake.
    Stage.W: (21, 18, 15, 12, 9, 6.5, 5.5, 5, 4.5, 3, 1.5, 0.5, -1, -3, -5, -7, -11),
    Stage.N1: (20, 17, 15, 13, 11, 10, 8.5, 5.5, 4, 1.5, -0.5, -2, -4, -8, -11, -14, -18),
    Stage.N2: (19, 17.5, 16.5, 15, 12, 9, 7.5, 6.5, 6, 4, 1.5, -1.5, -5, -10, -14, -18, -22),
    Stage.N3: (19, 18, 17, 17, 16.5, 12, 8.5, 7, 6, 3.5, 1, -2, -7, -12, -16, -19, -23),
    Stage.R: (19, 16.5, 14, 11, 9.5, 8.5, 7, 5, 4, 1.5, -1, -2, -3, -7, -12, -17, -21),
}

_BAND_KNOTS_HZ = (0.3, 1, 2.5, 5, 7, 10, 18, 30)
_BAND_SHAPES: Mapping[str, tuple[float, ...]] = {
    # How far a person's, or a moment's, difference in a band reaches; between 0 and 1.
    "delta": (1, 1, 0.8, 0, 0, 0, 0, 0),
    "theta": (0, 0, 0.2, 1, 0.8, 0.2, 0, 0),
    "beta": (0, 0, 0, 0, 0, 0.2, 0.9, 1),
}

_TILT_KNOTS_HZ = (1, 4, 8, 12, 16, 30)
_REGION_DB: Mapping[Site, tuple[float, ...]] = {
    # Power at a site against the centre: delta and beta frontal, alpha and beta less there
    # , as is usual.
    **dict.fromkeys((Site.FPZ, Site.F3, Site.F4, Site.FZ), (1, 0.3, -0.5, -0.8, -0.5, 0)),
    **dict.fromkeys((Site.C3, Site.C4, Site.CZ), (0, 0, 0, 0, 0, 0)),
    **dict.fromkeys((Site.O1, Site.O2, Site.OZ), (-2.5, -1.5, 0.5, -0.5, -1, -1)),
    **dict.fromkeys((Site.E1, Site.E2), (-2.5, -3.5, -4, -4.5, -4, -3)),
    **dict.fromkeys((Site.M1, Site.M2), (-13, -12, -11, -11, -10, -8)),
}
_COMMON_KNOTS_HZ = (0.5, 4, 12, 30, 60)
_COMMON_SHARE = (0.65, 0.65, 0.55, 0.2, 0.05)
"""Share of a site's power that all sites have in common, in phase (volume conduction)."""

_CHIN_KNOTS_HZ = (5, 10, 20, 35, 80, 110, 128)
_CHIN_DB = (-25, -7, -1, 0, 0, -4, -20)
"""Surface EMG of the chin: 10 to beyond 100 Hz, broad."""


def _at_lines(knots_hz: Sequence[float], values: Sequence[float]) -> Array32:
    """Interpolated over the logarithm of frequency, at every line of the series."""
    at_lines: Array32 = np.interp(
        np.log(np.maximum(_FREQUENCIES, 0.01)), np.log(knots_hz), np.asarray(values, float)
    ).astype(np.float32)
    return at_lines


def _power(db: Array32) -> Array32:
    power = np.asarray(10.0 ** (db / 10.0), np.float32)
    power[..., 0] = 0.0
    return power


# ── the course of the night ───────────────────────────────────────────────────────────────


def _stage_weights(plan: NightPlan, centres_s: Samples) -> Array32:
    """Share of each stage at each piece: ``(n_pieces, 5)``; arousals lean towards wake."""
    order = list(_STAGE_DB)
    times = np.array([time for time, _ in plan.changes])
    index = np.maximum(np.searchsorted(times, centres_s, side="right") - 1, 0)
    column = np.array([order.index(stage) for _, stage in plan.changes])[index]
    weights: Array32 = np.eye(len(order), dtype=np.float32)[column]
    for event in plan.events:
        if event.kind is Phenomenon.AROUSAL:
            inside = (centres_s > event.start_s - 1) & (centres_s < event.end_s + 1)
            weights[inside] *= 0.4
            weights[inside, order.index(Stage.W)] += 0.6
    return weights


def _wander(n_pieces: int, rng: np.random.Generator) -> Array32:
    """How the bands drift over minutes, dB: ``(n_pieces, 3)``, first-order autoregression."""
    memory = np.exp(-HOP_S / 45.0)
    steps = rng.standard_normal((n_pieces, 3)) * np.sqrt(1 - memory**2) * 1.2
    drift = np.empty_like(steps)
    value = rng.standard_normal(3) * 1.2
    for i, step in enumerate(steps):
        value = memory * value + step
        drift[i] = value
    wander: Array32 = drift.astype(np.float32)
    return wander


# ── drawing ───────────────────────────────────────────────────────────────────────────────


def eeg_background(
    plan: NightPlan,
    sites: Iterable[Site],
    sampling_rate_hz: int,
    noise_uv: float,
    gain: float,
    seed: int,
) -> Mapping[Site, Array32]:
    """The potential at each site, ``(n_samples,)`` µV, referenced to nothing.

    A site's own noise depends on the seed and the site alone: with other electrodes beside it,
    it is the same.
    """
    n_pieces = _n_pieces(plan.duration_s)
    centres_s: Samples = np.arange(n_pieces, dtype=np.float64) * float(HOP_S)
    weights = _stage_weights(plan, centres_s)
    shapes = np.stack([_at_lines(_BAND_KNOTS_HZ, shape) for shape in _BAND_SHAPES.values()])
    wander = _wander(n_pieces, np.random.default_rng([seed, 10]))
    by_stage = _power(_person_db(plan.subject, shapes))
    common_share = _at_lines(_COMMON_KNOTS_HZ, _COMMON_SHARE)
    region = {site: _power(_at_lines(_TILT_KNOTS_HZ, _REGION_DB[site])) for site in sites}
    white = np.float32(noise_uv**2 / TOP_HZ)

    common_rng = np.random.default_rng([seed, 11])
    own_rng = {site: np.random.default_rng([seed, 12, list(Site).index(site)]) for site in region}
    out = {site: _Overlap(plan.duration_s, sampling_rate_hz) for site in region}
    for part in _parts(n_pieces):
        amplitude = (weights[part] @ by_stage) * _power(wander[part] @ shapes)
        amplitude = gain * np.sqrt(amplitude)
        common = _normal(common_rng, len(amplitude))
        for site, topography in region.items():
            own = _normal(own_rng[site], len(amplitude))
            own *= np.sqrt(amplitude**2 * (topography * (1 - common_share)) + white)
            own += common * (amplitude * np.sqrt(topography * common_share))
            out[site].add(part.start, own)
    return {site: overlap.samples for site, overlap in out.items()}


def chin_noise(duration_s: float, sampling_rate_hz: int, seed: int) -> Array32:
    """EMG at constant tone, ``(n_samples,)``, root mean square 1 over its whole band."""
    n_pieces = _n_pieces(duration_s)
    power = _power(_at_lines(_CHIN_KNOTS_HZ, _CHIN_DB))
    amplitude = np.sqrt(power / (power.sum() / PIECE_S))
    rng = np.random.default_rng([seed, 13])
    out = _Overlap(duration_s, sampling_rate_hz)
    for part in _parts(n_pieces):
        out.add(part.start, _normal(rng, part.stop - part.start) * amplitude)
    return out.samples


def _person_db(subject: Subject, shapes: Array32) -> Array32:
    """This person's spectrum of each stage, dB: ``(5, n_lines)``."""
    average = np.stack([_at_lines(_KNOTS_HZ, db) for db in _STAGE_DB.values()])
    bands = np.array([subject.delta_db, subject.theta_db, subject.beta_db], np.float32)
    return np.asarray(average + subject.background_db + bands @ shapes, np.float32)


def _n_pieces(duration_s: float) -> int:
    """Pieces start a hop before the recording, so that its first samples are blended too."""
    return int(np.ceil(duration_s / HOP_S)) + 1


def _parts(n_pieces: int) -> Iterator[slice]:
    for start in range(0, n_pieces, _PIECES_AT_ONCE):
        yield slice(start, min(start + _PIECES_AT_ONCE, n_pieces))


def _normal(rng: np.random.Generator, n_pieces: int) -> npt.NDArray[np.complex64]:
    """Complex Gaussian Fourier coefficients: ``(n_pieces, n_lines)``."""
    drawn = rng.standard_normal((n_pieces, 2 * _LINES), dtype=np.float32)
    return drawn.view(np.complex64)


class _Overlap:
    """Adds pieces, each half a piece later than the one before, into one signal."""

    def __init__(self, duration_s: float, sampling_rate_hz: int) -> None:
        self._hop = HOP_S * sampling_rate_hz
        self._piece = 2 * self._hop
        self._window = np.sin(np.pi * np.arange(self._piece) / self._piece).astype(np.float32)
        self._all = np.zeros((_n_pieces(duration_s) + 1) * self._hop, np.float32)
        self._n_samples = round(duration_s * sampling_rate_hz)
        self._lines = min(_LINES, (self._piece + 1) // 2)

    def add(self, first: int, coefficients: npt.NDArray[np.complex64]) -> None:
        """Pieces ``first`` and on; coefficients scaled so that their square is power density."""
        pieces = scipy.fft.irfft(coefficients[:, : self._lines], n=self._piece, axis=1)
        # Coefficients of variance 2S give a signal of variance 4 Σ S / n²; the power density S
        # over lines 1/PIECE_S apart asks for Σ S / PIECE_S.
        pieces *= self._window * np.float32(self._piece / (2.0 * np.sqrt(PIECE_S)))
        for offset in (0, 1):
            half = pieces[offset::2].reshape(-1)
            start = (first + offset) * self._hop
            self._all[start : start + len(half)] += half

    @property
    def samples(self) -> Array32:
        return self._all[self._hop : self._hop + self._n_samples]
