"""A small table as signals and rows, with faults named by their line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import InvalidDataError
from driftlead.signals import Signal

__all__ = ["read_table"]


def read_table(path: Path) -> tuple[list[Signal], NDArray[np.float64]]:
    """Read a CSV file with a header; an empty cell is a missing value.

    A column without a single number is categorical: its texts are coded 0, 1, … in alphabetical order.

    Returns
    -------
    signals : list of Signal
    rows : float64 array, shape (n, len(signals))

    Raises
    ------
    InvalidDataError
        The file is empty, a row has another length, or a column mixes numbers and text; the line is named.
    OSError
        The file cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            names = next(reader, [])
            table = [(reader.line_num, cells) for cells in reader if cells]
    except UnicodeDecodeError:
        raise InvalidDataError(f"{path} is not a text file") from None
    if not names or not table:
        raise InvalidDataError(f"{path} must hold a header and at least one row")
    for line, cells in table:
        if len(cells) != len(names):
            raise InvalidDataError(f"{path}, line {line}: {len(cells)} cells, the header has {len(names)}")
    columns = [[cells[j].strip() for _, cells in table] for j in range(len(names))]
    rows, signals = np.empty((len(table), len(names))), []
    for j, (name, column) in enumerate(zip(names, columns, strict=True)):
        values = [_number(cell) for cell in column]
        texts = [row for row, value in enumerate(values) if value is None]
        if texts and any(value is not None and cell for cell, value in zip(column, values, strict=True)):
            raise InvalidDataError(f"{path}, line {table[texts[0]][0]}: {column[texts[0]]!r} is not a number")
        codes = {text: code for code, text in enumerate(sorted(set(column) - {""}))}
        rows[:, j] = [codes.get(cell, np.nan) for cell in column] if texts else values
        signals.append(Signal(name, "categorical" if texts else "numeric"))
    return signals, rows


def _number(cell: str) -> float | None:
    """Return a cell's number, NaN for an empty one, None for text."""
    try:
        return float(cell) if cell else float("nan")
    except ValueError:
        return None
