"""The plots of a report as inline SVG: intervals, outcomes, break-downs, distributions, calibration.

Colours come from the page's style sheet. Knows no page and no file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from foveate.evals.contract.tasks import Metric, Published, Scored
from foveate.evals.metrics.calibration import reliability
from foveate.evals.metrics.selective import risk_coverage
from foveate.evals.results import Row, interval_of, right_or_wrong

WIDTH, BAR = 640, 120
FEW, MANY = 20, 14
"""Answers below which calibration, and values of a filter above which a break-down, says nothing."""


@dataclass(frozen=True)
class Plot:
    """One plot with its heading and what it means."""

    title: str
    words: str
    svg: str


def all_plots(metric: str, samples: Sequence[Scored]) -> list[Plot]:
    """Whatever the samples allow, of the metric that comes first."""
    held = [sample for sample in samples if metric in sample.values]
    if not held:
        return []
    values = [sample.values[metric] for sample in held]
    plots = [] if set(values) <= {0.0, 1.0} else [_distribution(metric, values)]
    return [*plots, *_breakdowns(metric, held), *_certainty(samples)]


def interval_bar(row: Row) -> str:
    """A small scale from 0 to 1 with interval, value and published values; empty beyond that scale."""
    numbers = [row.value, row.low or 0.0, row.high or 0.0]
    if row.low is None or row.high is None or not all(0 <= number <= 1 for number in numbers):
        return ""
    place = _Axis(0, 1, 4, BAR - 4)
    parts = [_line(place(0), 10, place(1), 10, "axis")]
    parts += [
        f'<path class="other" d="M{place(p.value):.1f} 3v14"><title>{_told(p)}</title></path>'
        for p in row.published
        if 0 <= p.value <= 1
    ]
    parts.append(_line(place(row.low), 10, place(row.high), 10, "interval"))
    parts.append(f'<circle class="point" cx="{place(row.value):.1f}" cy="10" r="3.5"/>')
    return _svg(BAR, 20, parts)


def outcome_bar(samples: Sequence[Scored]) -> str:
    """All samples in one bar, by what became of them."""
    counted = Counter(sample.reading.outcome for sample in samples).most_common()
    parts, x, legend = [], 0.0, []
    for name, count in counted:
        width = WIDTH * count / len(samples)
        parts.append(
            f'<rect class="o-{name}" x="{x:.1f}" y="0" width="{max(width - 1, 0.5):.1f}" height="18">'
            f"<title>{name}: {count}</title></rect>"
        )
        legend.append((name, count))
        x += width
    x = 0.0
    for name, count in legend:
        text = f"{name.replace('_', ' ')} {count}"
        parts.append(f'<rect class="o-{name}" x="{x:.1f}" y="30" width="10" height="10"/>')
        parts.append(_text(x + 15, 39, text))
        x += 32 + 7.2 * len(text)
    return _svg(WIDTH, 46, parts)


def curve(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]], x_label: str, y_label: str, top: float = 1.0
) -> str:
    """Lines with points over a common pair of axes, `top` at the upper end of y; the legend stands at the
    right."""
    height, left, right = 260, 46, 150
    xs = [x for _, points in series for x, _ in points]
    low, high = min(xs), max(max(xs), min(xs) + 1e-9)
    place_x = _Axis(low, high, left, WIDTH - right)
    place_y = _Axis(0, top, height - 34, 16)
    parts = [
        part
        for y in _round_steps(0.0, top)
        for part in (
            _line(left, place_y(y), WIDTH - right, place_y(y), "grid"),
            _text(left - 6, place_y(y) + 4, f"{y:.2g}", "end"),
        )
    ]
    parts += [_text(place_x(x), height - 16, f"{x:.3g}", "middle") for x in _ticks(sorted(set(xs)))]
    parts += [_text((left + WIDTH - right) / 2, height - 1, x_label, "middle"), _text(left, 12, y_label)]
    for number, (name, points) in enumerate(series):
        path = " ".join(
            f"{'L' if i else 'M'}{place_x(x):.1f} {place_y(y):.1f}" for i, (x, y) in enumerate(points)
        )
        parts.append(f'<path class="series s{number % 8}" d="{path}"/>')
        if len(points) <= 20:
            parts += [
                f'<circle class="dot s{number % 8}" cx="{place_x(x):.1f}" cy="{place_y(y):.1f}" r="3">'
                f"<title>{escape(name)} {x:.3g}: {y:.3f}</title></circle>"
                for x, y in points
            ]
        if name:
            parts += _legend(number, name, WIDTH - right + 14, single=len(points) == 1)
    return _svg(WIDTH, height, parts)


def _legend(number: int, name: str, x: float, *, single: bool) -> list[str]:
    """The name of a series of a curve with a piece of its line, or with its one point."""
    y, style = 26 + 17 * number, f"s{number % 8}"
    mark = (
        f'<circle class="dot {style}" cx="{x + 8:.1f}" cy="{y}" r="3"/>'
        if single
        else _line(x, y, x + 16, y, f"series {style}")
    )
    return [mark, _text(x + 22, y + 4, name)]


def forest(rows: Sequence[tuple[str, float, float, float, str]], low: float = 0.0, high: float = 1.0) -> str:
    """Named intervals (name, value, low, high, remark) under each other on one scale."""
    left, right, step = 190, 90, 24
    height = step * len(rows) + 26
    place = _Axis(low, high, left, WIDTH - right)
    marks = [low + (high - low) * i / 4 for i in range(5)]
    parts = [_line(place(v), 4, place(v), height - 22, "grid") for v in marks]
    parts += [_text(place(v), height - 6, f"{v:.2g}", "middle") for v in marks]
    for number, (name, value, lower, upper, remark) in enumerate(rows):
        y = step * number + 16
        parts += [
            _text(left - 10, y + 4, name if len(name) <= 28 else name[:27] + "…", "end"),
            _line(place(max(lower, low)), y, place(min(upper, high)), y, "interval"),
            f'<circle class="point" cx="{place(min(max(value, low), high)):.1f}" cy="{y}" r="4"/>',
            _text(WIDTH - right + 12, y + 4, remark),
        ]
    return _svg(WIDTH, height, parts)


def _distribution(metric: str, values: Sequence[float]) -> Plot:
    bins = 20
    counted = Counter(min(int(value * bins), bins - 1) for value in values if 0 <= value <= 1)
    top, step, height = max(counted.values(), default=1), (WIDTH - 40) / bins, 150
    parts = [
        f'<rect class="bar" x="{30 + i * step + 1:.1f}" y="{height - 24 - h:.1f}" width="{step - 2:.1f}" '
        f'height="{h:.1f}"><title>{i / bins:.2f} – {(i + 1) / bins:.2f}: {counted[i]}</title></rect>'
        for i in range(bins)
        if (h := counted[i] / top * (height - 40))
    ]
    parts += [_text(30 + step * bins * v, height - 6, f"{v:g}", "middle") for v in (0, 0.25, 0.5, 0.75, 1)]
    parts.append(_text(30, 12, f"{top} questions at most"))
    return Plot(f"{metric}, question by question", "", _svg(WIDTH, height, parts))


def _breakdowns(metric: str, samples: Sequence[Scored]) -> list[Plot]:
    keys = dict.fromkeys(key for sample in samples for key in sample.filters)
    return [plot for key in keys if (plot := _breakdown(metric, key, samples)) is not None]


def _breakdown(metric: str, key: str, samples: Sequence[Scored]) -> Plot | None:
    groups: dict[str, list[Scored]] = {}
    for sample in samples:
        if key in sample.filters:
            groups.setdefault(sample.filters[key], []).append(sample)
    if not 2 <= len(groups) <= MANY:
        return None
    rows = []
    for name, members in sorted(groups.items()):
        found = interval_of(Metric(metric), members)
        assert found is not None
        rows.append((name, found.estimate, found.low, found.high, f"n {found.samples}"))
    return Plot(f"{metric} by {key}", "95 % intervals", forest(rows))


def _certainty(samples: Sequence[Scored]) -> list[Plot]:
    metric = right_or_wrong(samples)
    told = [s for s in samples if s.reading.confidence is not None and metric in s.values]
    if metric is None or len(told) < FEW:
        return []
    sure = [float(s.reading.confidence or 0.0) for s in told]
    right = [s.values[metric] == 1.0 for s in told]
    table = reliability(sure, right, bins=10)
    points = [
        (float(c), float(a))
        for c, a, n in zip(table.confidence, table.accuracy, table.counts, strict=True)
        if n
    ]
    curves = risk_coverage(sure, [float(not good) for good in right])
    risks = [(float(c), float(r)) for c, r in zip(curves.coverage, curves.risk, strict=True)]
    return [
        Plot("Calibration", "how often it was right against how sure it said it was",
             curve([("this run", points), ("perfect", [(0, 0), (1, 1)])], "confidence", "right")),
        Plot("Selective risk", "errors among the questions it was surest of",
             curve([("", risks)], "share answered", "wrong")),
    ]  # fmt: skip


@dataclass(frozen=True)
class _Axis:
    """Maps values from low to high to pixels from start to stop."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)


def _told(published: Published) -> str:
    return f"{escape(published.model)} {published.value:g}"


def _ticks(values: Sequence[float]) -> Sequence[float]:
    """The values themselves where they are few, else round numbers between them."""
    return values if len(values) <= 6 else _round_steps(values[0], values[-1])


def _round_steps(low: float, high: float) -> list[float]:
    """Four to ten round numbers from low to high, in steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / 4
    power = 10.0 ** floor(log10(raw))
    step = max(m * power for m in (1, 2, 5) if m * power <= raw * (1 + 1e-9))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def _line(x0: float, y0: float, x1: float, y1: float, style: str) -> str:
    return f'<path class="{style}" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">{"".join(parts)}</svg>'
