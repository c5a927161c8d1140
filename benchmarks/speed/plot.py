"""The growth curves as one SVG, readable on light and dark pages: five lines need no drawing library."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 800, 470
LEFT, RIGHT, TOP, BOTTOM = 72, 168, 64, 56
LABEL = 16  # pixels between two labels

_STYLE = """
  .page { fill: #ffffff } .text { fill: #24292f } .mute { fill: #656d76 } .grid { stroke: #d8dee4 }
  .c0 { stroke: #0a7d5a } .t0 { fill: #0a7d5a } .c1 { stroke: #6e7781 } .t1 { fill: #656d76 }
  .c2 { stroke: #2563c9 } .t2 { fill: #2563c9 } .c3 { stroke: #b4540a } .t3 { fill: #b4540a }
  .c4 { stroke: #8a3fb8 } .t4 { fill: #8a3fb8 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .text { fill: #e6edf3 } .mute { fill: #9198a1 } .grid { stroke: #2b323b }
    .c0 { stroke: #3fd29b } .t0 { fill: #3fd29b } .c1 { stroke: #9198a1 } .t1 { fill: #9198a1 }
    .c2 { stroke: #6ea8fe } .t2 { fill: #6ea8fe } .c3 { stroke: #f0984a } .t3 { fill: #f0984a }
    .c4 { stroke: #c792ea } .t4 { fill: #c792ea }
  }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
  .title { font-size: 16px; font-weight: 600 } .label { font-weight: 600 }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
  .c0.line { stroke-width: 3.5 } .c1.line { stroke-dasharray: 2 6 }
  .dot { fill: none; stroke-width: 5; stroke-linecap: round }
"""


@dataclass(frozen=True)
class Curve:
    """A named line: nanoseconds per value by size."""

    name: str
    points: Mapping[int, float]


def growth(curves: list[Curve], title: str, subtitle: str) -> str:
    """Return the SVG of cost against size, both axes logarithmic."""
    curves = [curve for curve in curves if curve.points]
    sizes = [size for curve in curves for size in curve.points]
    costs = [ns for curve in curves for ns in curve.points.values()]
    x = _axis(min(sizes), max(sizes), LEFT, WIDTH - RIGHT)
    lowest, highest = math.floor(math.log10(min(costs))), math.ceil(math.log10(max(costs)))
    y = _axis(10.0**lowest, 10.0 ** max(highest, lowest + 1), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        f'<text class="text title" x="{LEFT}" y="26">{escape(title)}</text>',
        f'<text class="mute" x="{LEFT}" y="46">{escape(subtitle)}</text>',
    ]
    for power in range(lowest, max(highest, lowest + 1) + 1):
        at = y(10.0**power)
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(_text(LEFT - 8, at + 4, duration(10.0**power), "end"))
    for power in range(math.ceil(math.log10(min(sizes))), math.floor(math.log10(max(sizes))) + 1):
        at = x(10.0**power)
        parts.append(f'<path class="grid" d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(_text(at, HEIGHT - BOTTOM + 20, f"{10**power:,}".replace(",", "\N{NO-BREAK SPACE}")))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(middle, HEIGHT - 14, "values in reference and window, n = w"))
    parts.extend(_lines(curves, x, y))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )


def duration(ns: float) -> str:
    """Return nanoseconds in the unit that a reader would choose."""
    for limit, scale, unit in ((1e3, 1.0, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms"), (math.inf, 1e9, "s")):
        if ns < limit:
            return f"{ns / scale:.3g} {unit}"
    raise ValueError("a duration is not a number")


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text class="mute" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _axis(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Return the place of a value on a logarithmic axis."""
    span = math.log(high / low) or 1.0
    return lambda value: start + (end - start) * math.log(value / low) / span


def _lines(curves: list[Curve], x: Callable[[float], float], y: Callable[[float], float]) -> Iterator[str]:
    """Yield each curve with its name at its end; names at the right edge are kept apart."""
    ends = {curve.name: (max(curve.points), curve.points[max(curve.points)]) for curve in curves}
    edge = max(size for size, _ in ends.values())
    places: dict[str, float] = {}
    for name in sorted((name for name in ends if ends[name][0] == edge), key=lambda name: y(ends[name][1])):
        places[name] = max(y(ends[name][1]) + 4, max(places.values(), default=0.0) + LABEL)
    for number, curve in enumerate(curves):
        points = " ".join(f"{x(size):.1f},{y(ns):.1f}" for size, ns in curve.points.items())
        yield f'<polyline class="line c{number}" points="{points}"/>'
        dots = "".join(f"M{x(size):.1f} {y(ns):.1f}h0" for size, ns in curve.points.items())
        yield f'<path class="dot c{number}" d="{dots}"/>'
        size, ns = ends[curve.name]
        across, down, anchor = x(size) + 10, places.get(curve.name), "start"
        if down is None:  # the curve ends early: its name stands above its end
            across, down, anchor = x(size), y(ns) - 10, "middle"
        yield (
            f'<text class="label t{number}" x="{across:.1f}" y="{down:.1f}" '
            f'text-anchor="{anchor}">{escape(curve.name)}</text>'
        )
