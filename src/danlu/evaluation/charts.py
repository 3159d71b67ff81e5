"""Charts as inline SVG, coloured by the classes of report.css. Knows nothing of reports.

A chart is drawn 360 units wide, the width of a telephone, where its letters are read at their true size.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from danlu.evaluation.markup import NOTHING, Markup, joined, tag
from danlu.evaluation.numerals import number

WIDTH, HEIGHT = 360, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 16, 10, 38
COUNTED, LABELLED = 12, 40  # classes up to which a matrix shows counts, and names
LARGEST_CELL = 76
LETTER = 6.2  # width of a Latin letter

Range = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A curve through points; `style` is a class of report.css, `dots` the radius of each point (0: none)."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: str
    dots: Sequence[float] = ()
    joined: bool = True


@dataclass(frozen=True)
class Plane:
    """Data coordinates on paper."""

    x: Range
    y: Range
    log: bool = False

    @property
    def left(self) -> float:
        """Room for the axis' name and its widest number."""
        return max(LEFT, 24 + LETTER * max((len(number(value)) for value in self.marks), default=0))

    @property
    def marks(self) -> list[float]:
        """The values that are written beside the vertical axis."""
        return _decades(self.y) if self.log else ticks(*self.y)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies on the paper."""
        low, high = self.x
        across = self.left + (x - low) / (high - low) * (WIDTH - self.left - RIGHT)
        low, high, value = (*self.y, y) if not self.log else (*map(math.log10, self.y), math.log10(y))
        return across, HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def line_chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    x_range: Range | None = None,
    y_range: Range | None = None,
    diagonal: bool = False,
) -> Markup:
    """Curves and points over two axes; the vertical one is logarithmic where the values span two decades."""
    plane = _plane(lines, x_range, y_range)
    drawn = [_axes(plane, x_label, y_label)]
    if diagonal:
        low, high = max(plane.x[0], plane.y[0]), min(plane.x[1], plane.y[1])
        drawn.append(_stroke([plane.at(low, low), plane.at(high, high)], "diagonal"))
    drawn += [_drawn(line, plane) for line in lines]
    return _figure(title, [(line.name, line.style) for line in lines if line.name], _svg(title, HEIGHT, drawn))


def histogram(title: str, edges: Sequence[float], counts: Sequence[int], x_label: str, y_label: str) -> Markup:
    """Bars between the edges, with a line at 0."""
    plane = Plane((edges[0], edges[-1]), (0.0, max(max(counts) * 1.05, 5.0)))
    drawn = [_axes(plane, x_label, y_label)]
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        (left, top), (right, bottom) = plane.at(low, count), plane.at(high, 0)
        what = tag("title", f"{number(low)} … {number(high)}: {count}")
        size = {"x": f"{left + 0.5:.1f}", "y": f"{top:.1f}", "height": f"{bottom - top:.1f}"}
        drawn.append(tag("rect", what, class_="bar", width=f"{max(right - left - 1, 0.5):.1f}", **size))
    if edges[0] < 0 < edges[-1]:
        drawn.append(_stroke([plane.at(0, plane.y[0]), plane.at(0, plane.y[1])], "diagonal"))
    return _figure(title, [], _svg(title, HEIGHT, drawn))


def matrix(
    title: str, names: Sequence[str], cells: Sequence[Sequence[int]], true_label: str, said_label: str
) -> Markup:
    """Confusion matrix of (true, answered, count): true classes downwards, answers across, shaded by share of a row."""
    letters = max(_length(_cut(n)) for n in names) if len(names) <= LABELLED else 0
    left = 26 + LETTER * letters if letters else 22.0
    side = min((WIDTH - left - 4) / len(names), LARGEST_CELL)
    slanted = LETTER * letters > side - 8
    top = (36 + 4.6 * letters if slanted else 36) if letters else 22.0
    left += (WIDTH - left - 4 - side * len(names)) / 2
    totals: dict[int, int] = {}
    for true, _, count in cells:
        totals[true] = totals.get(true, 0) + count
    height = top + side * len(names) + 6
    drawn = [tag("rect", class_="field", x=f"{left:.1f}", y=f"{top:.1f}", **_square(side * len(names)))]
    drawn += [_cell(names, cell, totals[cell[0]], (left, top), side) for cell in cells if cell[0] >= 0]
    if letters:
        drawn += [_row_and_column_name(name, i, (left, top), side, slanted) for i, name in enumerate(names)]
    half = side * len(names) / 2
    middle = top + half
    drawn.append(tag("text", said_label, class_="label", x=f"{left + half:.1f}", y=12, text_anchor="middle"))
    turned = {"transform": f"rotate(-90 12 {middle:.1f})", "text_anchor": "middle"}
    drawn.append(tag("text", true_label, class_="label", x=12, y=f"{middle:.1f}", **turned))
    return _figure(title, [], _svg(title, height, drawn))


def sparkline(title: str, channels: Sequence[Sequence[float | None]]) -> Markup:
    """Each channel as a small curve over its own range; a missing step is a gap."""
    drawn = []
    for i, channel in enumerate(channels):
        known = [v for v in channel if v is not None]
        if known:
            low, high = min(known), max(known)
            drawn += [_stroke(run, f"s{i + 1}") for run in _runs(channel, low, (high - low) or 1.0)]
    return _svg(title, 60, drawn, width=200)


def _runs(channel: Sequence[float | None], low: float, span: float) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for i, value in enumerate(channel):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((2 + 196 * i / max(len(channel) - 1, 1), 56 - 52 * (value - low) / span))
    return [run for run in runs if run]


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round values between low and high: at most `most` steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def _plane(lines: Sequence[Line], x_range: Range | None, y_range: Range | None) -> Plane:
    xs, ys = [x for line in lines for x in line.x], [y for line in lines for y in line.y]
    low, high = y_range or (min(ys), max(ys))
    if y_range is None and low > 0 and high / low > 100:
        return Plane(x_range or _apart(min(xs), max(xs)), (low / 1.2, high * 1.2), log=True)
    pad = 0.0 if y_range else 0.05 * (high - low)
    return Plane(x_range or _apart(min(xs), max(xs)), _apart(low - pad, high + pad))


def _apart(low: float, high: float) -> Range:
    """A range of more than one point."""
    return (low, high) if high > low else (low - (abs(low) or 1) / 2, low + (abs(low) or 1) / 2)


def _axes(plane: Plane, x_label: str, y_label: str) -> Markup:
    (left, bottom), (right, top) = plane.at(plane.x[0], plane.y[0]), plane.at(plane.x[1], plane.y[1])
    parts: list[Markup] = []
    for value in plane.marks:
        _, y = plane.at(plane.x[0], value)
        parts.append(_stroke([(left, y), (right, y)], "grid-line"))
        parts.append(tag("text", number(value), x=f"{left - 6:.1f}", y=f"{y + 3.5:.1f}", text_anchor="end"))
    for value in ticks(*plane.x):
        x, _ = plane.at(value, plane.y[0])
        parts.append(tag("text", number(value), x=f"{x:.1f}", y=f"{bottom + 15:.1f}", text_anchor="middle"))
    parts.append(_stroke([(left, bottom), (right, bottom)], "axis"))
    middle, half = (left + right) / 2, (top + bottom) / 2
    parts.append(tag("text", x_label, class_="label", x=f"{middle:.1f}", y=HEIGHT - 6, text_anchor="middle"))
    turned = {"transform": f"rotate(-90 10 {half:.1f})", "text_anchor": "middle"}
    parts.append(tag("text", y_label, class_="label", x=10, y=f"{half:.1f}", **turned))
    return joined(*parts)


def _decades(values: Range) -> list[float]:
    low, high = math.ceil(math.log10(values[0])), math.floor(math.log10(values[1]))
    stride = max(1, (high - low) // 5)
    return [10.0**e for e in range(low, high + 1, stride)]


def _drawn(line: Line, plane: Plane) -> Markup:
    points = [plane.at(x, y) for x, y in zip(line.x, line.y, strict=True)]
    curve = _stroke(points, line.style) if line.joined and len(points) > 1 else NOTHING
    radii = line.dots or ([2.5] if len(points) == 1 else [])
    dots = [
        tag("circle", class_=f"dot {line.style}", cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{r:.1f}")
        for (x, y), r in zip(points, radii, strict=False)
    ]
    return joined(curve, *dots)


def _stroke(points: Sequence[tuple[float, float]], style: str) -> Markup:
    return tag("polyline", class_=style, points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points))


def _cell(names: Sequence[str], cell: Sequence[int], total: int, corner: tuple[float, float], side: float) -> Markup:
    true, said, count = cell
    share = count / total
    x, y = corner[0] + side * said, corner[1] + side * true
    gap = 0.75 if side > 8 else 0
    what = f"{names[true]} → {names[said]}: {count}"
    # an error is seen from its first per cent on: opacity follows the root of the share
    shade = {"class_": "hit" if true == said else "miss", "fill_opacity": f"{0.08 + 0.92 * share**0.5:.2f}"}
    box = tag("rect", tag("title", what), x=f"{x + gap:.1f}", y=f"{y + gap:.1f}", **_square(side - 2 * gap), **shade)
    if len(names) > COUNTED:
        return box
    place = {"x": f"{x + side / 2:.1f}", "y": f"{y + side / 2 + 4:.1f}", "text_anchor": "middle"}
    return joined(box, tag("text", str(count), class_="on" if share > 0.35 else "count", **place))


def _square(side: float) -> dict[str, str]:
    return {"width": f"{side:.1f}", "height": f"{side:.1f}"}


def _row_and_column_name(name: str, i: int, corner: tuple[float, float], side: float, slanted: bool) -> Markup:
    left, top = corner
    middle = side * (i + 0.5)
    size = f"{min(11, side):.1f}"
    row = {"x": f"{left - 6:.1f}", "y": f"{top + middle + 4:.1f}", "text_anchor": "end", "font_size": size}
    x, y = left + middle + 3, top - 6
    column = {"x": f"{x:.1f}", "y": f"{y:.1f}", "font_size": size}
    if slanted:
        column["transform"] = f"rotate(-45 {x:.1f} {y:.1f})"
    else:
        column |= {"x": f"{left + middle:.1f}", "text_anchor": "middle"}
    return joined(tag("text", _cut(name), **row), tag("text", _cut(name), **column))


def _cut(name: str, most: int = 12) -> str:
    """The name, or what fits of it into `most` Latin letters."""
    if _length(name) <= most:
        return name
    kept = name[:most]
    while _length(kept) > most - 1:
        kept = kept[:-1]
    return kept + "…"


def _length(name: str) -> int:
    """In Latin letters; a Chinese character is two wide."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in name)


def _svg(title: str, height: float, drawn: Sequence[Markup], width: int = WIDTH) -> Markup:
    return tag("svg", tag("title", title), *drawn, viewBox=f"0 0 {width} {height:.0f}", role="img", aria_label=title)


def _figure(title: str, keys: Sequence[tuple[str, str]], svg: Markup) -> Markup:
    legend = [tag("span", tag("i", class_=f"key {style}"), name) for name, style in keys if len(keys) > 1]
    caption = tag("figcaption", tag("strong", title), tag("span", *legend, class_="legend") if legend else NOTHING)
    return tag("figure", caption, svg, class_="chart")
