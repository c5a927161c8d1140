"""Streams with known change points: generated from a seed, read from files, or a user's own with drift.

stream = generate(location(shift=0.5), rows=5_000, seed=7)
stream.rows, stream.changes

A stream is plain data, and every function here is a pure function of its arguments and seed.
"""

from __future__ import annotations

from driftlead.streams.concepts import hyperplane, led, sea, sine
from driftlead.streams.files import Recorded, open_recorded
from driftlead.streams.generate import error_stream, generate
from driftlead.streams.injection import INJECTIONS, inject, inject_batches
from driftlead.streams.noise import autoregressive, independent, seasonal
from driftlead.streams.onset import ONSETS, extent, random_rows
from driftlead.streams.sources import MARGINS, correlation, location, scale, shape
from driftlead.streams.stream import Change, Source, Stream

__all__ = [
    "INJECTIONS",
    "MARGINS",
    "ONSETS",
    "Change",
    "Recorded",
    "Source",
    "Stream",
    "autoregressive",
    "correlation",
    "error_stream",
    "extent",
    "generate",
    "hyperplane",
    "independent",
    "inject",
    "inject_batches",
    "led",
    "location",
    "open_recorded",
    "random_rows",
    "scale",
    "sea",
    "seasonal",
    "shape",
    "sine",
]
