"""The job: 50 independent features, three of which change at a random row."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from driftlead.streams import MARGINS, Source, generate, location, scale

__all__ = ["CHANGED", "ROWS", "Job", "write"]

ROWS, REFERENCE = 100_000, 10_000
CHANGED = {"moved_half": "mean +0.5 sd", "moved_quarter": "mean +0.25 sd", "spread": "sd ×1.5"}
UNCHANGED = {"normal": 17, "uniform": 10, "lognormal": 10, "poisson": 5, "rare": 5}


@dataclass(frozen=True)
class Job:
    """A stream in a folder: `reference.f64` and `stream.f64` by rows, and this in `job.json`.

    Attributes
    ----------
    seed, rows, change : int
        The first changed row of the stream is `change`.
    reference : int
        Rows of the reference.
    names : list of str
        Of the columns.
    """

    seed: int
    rows: int
    reference: int
    change: int
    names: list[str]


def write(folder: Path, seed: int, rows: int = ROWS, reference: int = REFERENCE) -> Job:
    """Write the stream of a seed; the change comes after 40 to 90 % of its rows."""
    change = int(np.random.default_rng([seed, 1]).integers(int(0.4 * rows), int(0.9 * rows)))
    sources: dict[str, tuple[Source, bool]] = {
        "moved_half": (location(0.5), True),
        "moved_quarter": (location(0.25), True),
        "spread": (scale(1.5), True),
    }
    for margin, count in UNCHANGED.items():
        assert margin in MARGINS
        sources |= {f"{margin}_{number}": (location(margin=margin), False) for number in range(count)}
    columns = [
        generate(
            source, reference + rows, 1_000 * seed + number, changes=[reference + change] if changes else []
        ).rows
        for number, (source, changes) in enumerate(sources.values())
    ]
    values = np.hstack(columns)
    folder.mkdir(parents=True, exist_ok=True)
    values[:reference].tofile(folder / "reference.f64")
    values[reference:].tofile(folder / "stream.f64")
    job = Job(seed, rows, reference, change, list(sources))
    (folder / "job.json").write_text(json.dumps(asdict(job)), encoding="utf-8")
    return job
