"""Plots as places in a drawing, which a template writes as SVG: no script draws them.

Everything is in the drawing's own units; the page scales it to its width.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from auditor.vocabulary import Verdict
from auditor.wording import spoken
from connector.rulebook_book import Rate
from connector.shelf.agreement_figures import Week, monday_of

WIDTH, HEIGHT = 640.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 14.0, 12.0, 26.0
_BAR_WIDTH = 26.0
_ROW, _ROW_VALUES = 24.0, 130.0
_LETTER = 6.8
"""How wide a letter of a row's name is at most, on average."""

_MOST_DATES = 8


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the drawing, or a place along it, with its words."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """One value of a line; ``low`` and ``high`` are the ends of its interval, if it has one."""

    x: float
    y: float
    words: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What a drawing by week stands in.

    Attributes:
        across: lines across it, with their values.
        dates: some weeks along it.
        description: in words.
    """

    across: tuple[Tick, ...]
    dates: tuple[Tick, ...]
    description: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    bottom: float = HEIGHT - _BOTTOM


@dataclass(frozen=True, slots=True)
class LineChart:
    """Values by week."""

    frame: Frame
    dots: tuple[Dot, ...]
    path: str


@dataclass(frozen=True, slots=True)
class Block:
    """A part of one week's bar."""

    x: float
    y: float
    width: float
    height: float
    verdict: str
    words: str


@dataclass(frozen=True, slots=True)
class StackedChart:
    """Counts by week, one verdict on the other."""

    frame: Frame
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class RateRow:
    """A share as a bar, with its 95 % interval as a line over it.

    Attributes:
        name: of what.
        y: the middle of its row.
        x: the bar's end; None where nothing was counted.
        low, high: the interval's ends.
        value: in words, at the row's end.
    """

    name: str
    y: float
    x: float | None
    low: float
    high: float
    value: str


@dataclass(frozen=True, slots=True)
class RateChart:
    """Shares from 0 to 100 %, a row each."""

    rows: tuple[RateRow, ...]
    across: tuple[Tick, ...]
    height: float
    description: str
    left: float
    width: float = WIDTH
    right: float = WIDTH - _ROW_VALUES
    bar: float = 11.0


def kappa_chart(weeks: Sequence[Week]) -> LineChart | None:
    """Kappa by week; None where it is defined in none."""
    shown = [(week, week.kappa) for week in weeks if week.kappa is not None]
    if not shown:
        return None
    lowest = min(0.0, *(kappa for _, kappa in shown))
    x = _dates_scale([week.monday for week, _ in shown])
    return _line(
        [
            Dot(x[week.monday], _y(kappa, lowest), _of_week(week, f"kappa {kappa:.2f}"))
            for week, kappa in shown
        ],
        tuple(Tick(_y(step, lowest), f"{step:g}") for step in _kappa_steps(lowest)),
        x,
        "Cohen’s kappa between the stages as scored and as signed, by week",
    )


def precision_chart(weeks: Sequence[Week]) -> LineChart | None:
    """The share of the decided flagged epochs that were overridden, by week."""
    shown = [week for week in weeks if week.overridden.n]
    if not shown:
        return None
    x = _dates_scale([week.monday for week in shown])
    return _line(
        [
            Dot(
                x[week.monday],
                _y(week.overridden.wrong / week.overridden.n),
                _of_week(week, _counted(week.overridden)),
                _y(week.overridden.low or 0.0),
                _y(week.overridden.high or 0.0),
            )
            for week in shown
        ],
        tuple(Tick(_y(step / 4), f"{step * 25} %") for step in range(5)),
        x,
        "Share of the decided flagged epochs that were overridden, by week",
    )


def rate_chart(rates: Mapping[str, Rate], description: str) -> RateChart:
    """A row for each share, in the order given."""
    left = 16 + _LETTER * max(map(len, rates), default=0)
    right = WIDTH - _ROW_VALUES
    height = _ROW * len(rates) + _BOTTOM

    def place(share: float | None) -> float:
        return left + (share or 0.0) * (right - left)

    return RateChart(
        rows=tuple(
            RateRow(
                name,
                _ROW * index + _ROW / 2,
                place(each.wrong / each.n) if each.n else None,
                place(each.low),
                place(each.high),
                _counted(each) if each.n else "none decided",
            )
            for index, (name, each) in enumerate(rates.items())
        ),
        across=tuple(Tick(place(step / 4), f"{step * 25} %") for step in range(5)),
        height=height,
        description=description,
        left=left,
    )


def verdicts_chart(counted: Iterable[tuple[datetime, Verdict, int]]) -> StackedChart | None:
    """Findings by week, one verdict on the other; None where there are none."""
    weeks: dict[date, Counter[Verdict]] = defaultdict(Counter)
    for at, verdict, n in counted:
        weeks[monday_of(at)][verdict] += n
    if not weeks:
        return None
    most = max(sum(found.values()) for found in weeks.values())
    top = _round_up(most)
    x = _dates_scale(list(weeks))
    apart = min((WIDTH - _LEFT - _RIGHT) / len(x), _BAR_WIDTH * 2)
    width = min(_BAR_WIDTH, apart * 0.8)
    blocks = []
    for monday, found in sorted(weeks.items()):
        below = 0
        for verdict in Verdict:
            n = found[verdict]
            if n:
                upper = _y((below + n) / top)
                words = f"week of {monday.isoformat()}: {n} {spoken(verdict)}"
                height = _y(below / top) - upper
                blocks.append(
                    Block(x[monday] - width / 2, upper, width, height, verdict.value, words)
                )
            below += n
    across = tuple(Tick(_y(step / 2), f"{top * step // 2}") for step in range(3))
    description = "How the rule came out, by the week of the audit"
    return StackedChart(Frame(across, _date_ticks(x), description), tuple(blocks))


def _line(
    dots: Sequence[Dot], across: tuple[Tick, ...], x: Mapping[date, float], description: str
) -> LineChart:
    path = " ".join(
        f"{'L' if index else 'M'}{dot.x:.1f} {dot.y:.1f}" for index, dot in enumerate(dots)
    )
    return LineChart(Frame(across, _date_ticks(x), description), tuple(dots), path)


def _dates_scale(mondays: Sequence[date]) -> Mapping[date, float]:
    """Where each week is; a single one is in the middle."""
    first, last = min(mondays), max(mondays)
    days = (last - first).days
    inset = _BAR_WIDTH
    span = WIDTH - _LEFT - _RIGHT - 2 * inset
    return {
        monday: _LEFT + inset + span * ((monday - first).days / days if days else 0.5)
        for monday in sorted(set(mondays))
    }


def _date_ticks(x: Mapping[date, float]) -> tuple[Tick, ...]:
    """Some weeks by name, evenly among those that are there."""
    each = -(-len(x) // _MOST_DATES)
    ticks: list[Tick] = []
    for monday, at in list(x.items())[::each]:
        if not ticks or at - ticks[-1].at >= WIDTH / (_MOST_DATES + 2):
            ticks.append(Tick(at, monday.strftime("%d %b")))
    return tuple(ticks)


def _y(share: float, lowest: float = 0.0) -> float:
    return HEIGHT - _BOTTOM - (share - lowest) / (1 - lowest) * (HEIGHT - _TOP - _BOTTOM)


def _kappa_steps(lowest: float) -> tuple[float, ...]:
    steps = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    return steps if lowest >= 0 else (round(lowest, 1), *steps)


def _round_up(most: int) -> int:
    """The next even number with one digit that is not zero, such as 40, 600 or 8000."""
    unit = int(10 ** (len(str(most)) - 1))
    top = -(-most // unit) * unit
    return top if top % 2 == 0 else top + unit if unit > 1 else top + 1


def _of_week(week: Week, value: str) -> str:
    nights = "1 night" if week.nights == 1 else f"{week.nights} nights"
    until = week.monday + timedelta(days=6)
    return f"{week.monday.isoformat()} to {until.isoformat()}: {value}, {nights}"


def _counted(each: Rate) -> str:
    return f"{each.wrong / each.n:.0%}, {each.wrong} of {each.n}"
