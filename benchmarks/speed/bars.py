"""The bars that the library means to reach, and where it stands against each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Measured = Mapping[str, float]
"""Nanoseconds per value, bytes per signal or seconds, by the name of what was measured."""

KIBIBYTE = 1024.0


@dataclass(frozen=True)
class Bar:
    """One line of the table. ``value`` is None where the peer was not measured."""

    work: str
    against: str
    value: float | None
    limit: float
    at_least: bool = False
    unit: str = "×"

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where it could not be measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def measured(self) -> str:
        """The value as text."""
        return "not measured" if self.value is None else f"{quantity(self.value)}{self._suffix}"

    @property
    def asked(self) -> str:
        """The limit as text."""
        return f"{'≥' if self.at_least else '≤'} {quantity(self.limit)}{self._suffix}"

    @property
    def verdict(self) -> str:
        """Met, or by how much it is missed."""
        if self.value is None or self.met:
            return "—" if self.value is None else "met"
        missed = self.limit / self.value if self.at_least else self.value / self.limit
        return f"missed by {100 * (missed - 1):.0f} %"

    @property
    def _suffix(self) -> str:
        return self.unit if self.unit == "×" else f" {self.unit}"


def quantity(value: float) -> str:
    """Return three significant digits, thousands apart."""
    if value >= 100:
        rounded = float(f"{value:.3g}")
        return f"{rounded:,.0f}".replace(",", " ")
    return f"{value:.3g}"


def bars(got: Measured) -> list[Bar]:
    """Return every bar with its measured value."""
    size = 1_000
    return [
        Bar("IKS, n = w = 1 000, batch", "times river's speed", _over(got, f"river_ks@{size}", f"ks@{size}"),
            1_000, at_least=True),
        Bar("IKS, n = w = 1 000, batch", "times frouros' speed",
            _over(got, f"frouros_ks@{size}", f"ks@{size}"), 4_000, at_least=True),
        Bar("IKS, n = w = 1 000, batch", "cost over `np.searchsorted`",
            _over(got, f"ks@{size}", f"searchsorted@{size}"), 2),
        Bar("IKS, growth from n = w = 100 to 10 000", "cost over that at 100", _growth(got, 10_000), 2.5),
        Bar("IKS, growth from n = w = 100 to 100 000", "cost over that at 100", _growth(got, 100_000), 6),
        Bar("Page-Hinkley, batch", "times river's speed", _over(got, "river_page_hinkley@1", "page_hinkley"),
            25, at_least=True),
        Bar("Page-Hinkley, one float at a time", "cost over river's",
            _over(got, "page_hinkley.single", "river_page_hinkley@1"), 1),
        Bar("NM-DDM, window 500, batch", "cost over `np.searchsorted`",
            _over(got, "nmddm", "nmddm.searchsorted"), 8),
        Bar("all three, 1 000 rows × 100 signals, located once", "cost over `np.searchsorted`",
            _over(got, "block", "block.searchsorted"), 10),
        Bar("all three, 1 000 rows × 100 signals, each from the values", "cost over `np.searchsorted`",
            _over(got, "block.values", "block.searchsorted"), 10),
        Bar("all three, one row of 30 signals, `update_all`", "cost over river's Page-Hinkley alone",
            _over(got, "row.together@30", "river_page_hinkley@30"), 1),
        Bar("all three, one row of 30 signals, three `update` calls", "cost over river's Page-Hinkley alone",
            _over(got, "row.apart@30", "river_page_hinkley@30"), 1),
        Bar("all three, one row of 30 signals, `locate`, three `update_located` calls",
            "cost over river's Page-Hinkley alone", _over(got, "row.located@30", "river_page_hinkley@30"), 1),
        Bar("all three, n = w = 1 000, one reference", "memory per signal",
            _over(got, "memory.traced", KIBIBYTE), 96, unit="KiB"),
        Bar("all three, n = w = 1 000, a reference each", "memory per signal",
            _over(got, "memory.separate", KIBIBYTE), 96, unit="KiB"),
        Bar("second import and first update of all three", "CPU time in a fresh process",
            got.get("startup.cpu"), 1, unit="s"),
    ]  # fmt: skip


def sizes_of(got: Measured, work: str) -> dict[int, float]:
    """Return what was measured of ``work`` at each size, smallest first."""
    found = {
        int(size): ns for name, ns in got.items() for key, _, size in [name.partition("@")] if key == work
    }
    return dict(sorted(found.items()))


def _growth(got: Measured, largest: int) -> float | None:
    """Return the highest cost up to a size over the cost at the smallest one."""
    costs = sizes_of(got, "ks")
    if largest not in costs:
        return None
    return max(ns for size, ns in costs.items() if size <= largest) / next(iter(costs.values()))


def _over(got: Measured, above: str, below: str | float) -> float | None:
    over = got.get(below) if isinstance(below, str) else below
    return None if above not in got or over is None else got[above] / over
