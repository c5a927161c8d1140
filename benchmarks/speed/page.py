"""The published page: bars, growth curves, and where the time goes."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.speed.bars import KIBIBYTE, Bar, Measured, bars, quantity, sizes_of
from benchmarks.speed.ours import Sizes
from benchmarks.speed.plot import Curve, duration, growth

IMAGE = "images/benchmark-growth.svg"
CURVES = {
    "ks": "driftlead",
    "searchsorted": "searchsorted",
    "river_ks": "river",
    "frouros_ks": "frouros",
    "scipy_ks": "SciPy, from scratch",
}

_HOW = """\
Written by `make bench`: everything in one run on one machine, ours and the peers' work in turn, the peers
from their packages in environments of their own. Times are CPU time of the working thread, the fastest of
{rounds} passes over fresh standard normal values, kernels compiled, windows full. `np.searchsorted` is timed
on as many such values in the same process as ours: it is one binary search, the least that placing a value
in a reference can cost."""

_PEERS = """\
The peers are fed as their interfaces allow, favoured where there is a choice. river's KS changes pairs only,
so a window value is replaced by reverting it together with a reference value and adding that back. frouros
sorts its window anew and computes a p-value for every value, and raises an error beyond 10 000. SciPy runs
`ks_2samp(..., method="asymp")` for every value. river's Page-Hinkley gets Python floats and the same
parameters as ours (`alpha=1`, both directions), and is not even asked for its verdict."""

_ROWS = """\
One row at a time: with one signal nearly all of it is the calls themselves, from Python into compiled code
and back, which a batch pays once."""


def page(got: Measured, sizes: Sizes, versions: Mapping[str, str]) -> str:
    """Return the page as Markdown."""
    tested = bars(got)
    return "\n\n".join([
        "# Benchmarks",
        _HOW.format(rounds=sizes.rounds * 3),
        f"Machine: {machine()}. {', '.join(f'{name} {version}' for name, version in versions.items())}.",
        "## The bars",
        table(("work", "measured as", "measured", "bar", ""), (cells(bar) for bar in tested)),
        *_missed(tested, got),
        "## Growth",
        f"![CPU time per value against reference and window size, both axes logarithmic]({IMAGE})",
        table(("n = w", *(name for key, name in CURVES.items() if sizes_of(got, key))), _growth_rows(got)),
        _PEERS,
        "## Where the time goes",
        f"All three on {_count(sizes.block[0])} rows × {_count(sizes.block[1])} signals, references of "
        f"{_count(sizes.reference)} values, per value and stage:",
        table(("stage", "per value"), _stages(got)),
        _ROWS,
        table(("one row of", "1 signal", f"{sizes.row} signals"), _rows(got, (1, sizes.row))),
        "The rest:",
        table(("work", "cost"), _others(got)),
    ]) + "\n"  # fmt: skip


def write(folder: Path, got: Measured, sizes: Sizes, versions: Mapping[str, str]) -> None:
    """Write page and plot into ``folder``."""
    image = folder / IMAGE
    image.parent.mkdir(parents=True, exist_ok=True)
    image.write_text(plot(got), encoding="utf-8")
    (folder / "benchmarks.md").write_text(page(got, sizes, versions), encoding="utf-8")


def plot(got: Measured) -> str:
    """Return the growth curves as SVG."""
    return growth(
        [Curve(name, sizes_of(got, key)) for key, name in CURVES.items()],
        "Two-sample KS statistic after every value",
        "CPU time per value, one signal; searchsorted is one binary search and no statistic",
    )


def machine() -> str:
    """Return the machine in words: nothing that names it."""
    models = [
        line.partition(":")[2].strip()
        for line in (_CPU.read_text().splitlines() if _CPU.exists() else [])
        if line.startswith("model name")
    ]
    cores = os.cpu_count() or 1
    model = " ".join((models[0] if models else platform.machine()).split())
    return f"{cores} core{'s' if cores > 1 else ''} of {model}, {platform.system()}"


def our_versions() -> dict[str, str]:
    """Return the versions of Python and of what the library stands on."""
    found = {package: importlib.metadata.version(package) for package in ("numpy", "numba")}
    return {"Python": platform.python_version(), "NumPy": found["numpy"], "numba": found["numba"]}


def cells(bar: Bar) -> tuple[str, ...]:
    """Return a bar as the cells of a row."""
    return bar.work, bar.against, bar.measured, bar.asked, bar.verdict


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


_CPU = Path("/proc/cpuinfo")


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _missed(tested: list[Bar], got: Measured) -> list[str]:
    """Say how close a missed bar came; the profile is under "Where the time goes"."""
    missed = [bar for bar in tested if bar.met is False]
    if not missed:
        return []
    lines = [f"- {bar.work}: {bar.measured}, bar {bar.asked}, {bar.verdict}." for bar in missed]
    return [
        "Missed, with the profile under [Where the time goes](#where-the-time-goes):\n\n" + "\n".join(lines)
    ]


def _growth_rows(got: Measured) -> Iterable[list[str]]:
    known = [costs for key in CURVES if (costs := sizes_of(got, key))]
    for size in sizes_of(got, "ks"):
        row = [duration(costs[size]) if size in costs else "—" for costs in known]
        yield [_count(size), *row]


def _stages(got: Measured) -> Iterable[tuple[str, str]]:
    yield "`np.searchsorted`, for comparison", duration(got["block.searchsorted"])
    yield "locate", duration(got["block.locate"])
    yield "Page-Hinkley on normal scores", duration(got["block.page_hinkley"])
    yield "incremental KS", duration(got["block.incremental_ks"])
    yield "NM-DDM", duration(got["block.nmddm"])
    yield "together, located once", duration(got["block"])
    yield "together, each from the values", duration(got["block.values"])


def _rows(got: Measured, signals: tuple[int, ...]) -> Iterable[tuple[str, ...]]:
    works = {
        "all three, `update_all`": "row.together",
        "all three, three `update` calls": "row.apart",
        "all three, `locate` and three `update_located` calls": "row.located",
        "river's Page-Hinkley alone": "river_page_hinkley",
    }
    for work, key in works.items():
        if all(f"{key}@{each}" in got for each in signals):
            yield work, *(duration(got[f"{key}@{each}"]) for each in signals)


def _others(got: Measured) -> Iterable[tuple[str, str]]:
    yield "Page-Hinkley, raw values, batch, per value", duration(got["page_hinkley"])
    yield "Page-Hinkley, normal scores, batch, per value", duration(got["page_hinkley.scores"])
    yield "Page-Hinkley, raw values, one float at a time", duration(got["page_hinkley.single"])
    yield "memory per signal, all three, arrays reachable", f"{quantity(got['memory.arrays'] / KIBIBYTE)} KiB"
    yield "memory per signal, all three, allocated", f"{quantity(got['memory.traced'] / KIBIBYTE)} KiB"
    yield "second import and first update of all three, CPU time", f"{quantity(got['startup.cpu'])} s"
    yield "the same on the clock", f"{quantity(got['startup.wall'])} s"
