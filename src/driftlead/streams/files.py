"""Recorded files as batches of rows: CSV, Parquet, NumPy; larger than memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import DriftleadError, InvalidDataError, InvalidParameterError

__all__ = ["Recorded", "open_recorded"]


@dataclass(frozen=True)
class Recorded:
    """A file of rows in the order of time.

    Attributes
    ----------
    path : Path
    names : tuple of str
        Its columns.
    """

    path: Path
    names: tuple[str, ...]

    def batches(self, size: int = 10_000) -> Iterator[NDArray[np.float64]]:
        """Yield the rows in batches, shape (size, d), the last one shorter; an empty cell is NaN.

        Raises
        ------
        InvalidParameterError
            When the size is below 1.
        InvalidDataError
            A cell is no number, or a row has another length; line and column are named.
        """
        if size < 1:
            raise InvalidParameterError("size", "at least 1", size)
        read = {".csv": _csv_batches, ".parquet": _parquet_batches, ".npy": _npy_batches}
        return read[self.path.suffix.lower()](self, size)


def open_recorded(path: str | Path) -> Recorded:
    """Open a recorded file; nothing but its columns is read yet.

    Parameters
    ----------
    path : str or Path
        ``.csv`` with a header, ``.parquet`` (with pyarrow installed), or ``.npy`` of shape (n, d) or (n,).

    Raises
    ------
    InvalidDataError
        The file is missing, of another kind, or has no columns.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "rows.npy"
    >>> np.save(file, np.arange(6.0).reshape(3, 2))
    >>> recorded = open_recorded(file)
    >>> recorded.names, [batch.shape for batch in recorded.batches(2)]
    (('0', '1'), [(2, 2), (1, 2)])
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in (".csv", ".parquet", ".npy"):
        raise InvalidDataError(f"{file} must end in .csv, .parquet or .npy")
    try:
        if suffix == ".csv":
            with file.open(newline="", encoding="utf-8") as lines:
                names = next(csv.reader(lines), [])
        elif suffix == ".parquet":
            names = _parquet(file).schema_arrow.names
        else:
            names = [str(column) for column in range(_npy(file).shape[1])]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDataError(f"{file} cannot be read: {error}") from None
    if not names:
        raise InvalidDataError(f"{file} has no columns")
    return Recorded(file, tuple(names))


def _csv_batches(recorded: Recorded, size: int) -> Iterator[NDArray[np.float64]]:
    with recorded.path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        next(lines)
        rows: list[list[float]] = []
        for cells in lines:
            if cells:
                rows.append(_numbers(recorded, cells, lines.line_num))
            if len(rows) == size:
                yield np.array(rows)
                rows = []
        if rows:
            yield np.array(rows)


def _numbers(recorded: Recorded, cells: list[str], line: int) -> list[float]:
    where = f"{recorded.path}, line {line}"
    if len(cells) != len(recorded.names):
        raise InvalidDataError(f"{where}: {len(cells)} cells, the header has {len(recorded.names)}")
    values = []
    for name, cell in zip(recorded.names, cells, strict=True):
        try:
            values.append(float(cell) if cell.strip() else np.nan)
        except ValueError:
            raise InvalidDataError(f"{where}, column {name}: {cell!r} is not a number") from None
    return values


def _parquet(file: Path):  # type: ignore[no-untyped-def]  # pyarrow has no types
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise DriftleadError(f"reading {file} needs pyarrow: pip install 'driftlead[tables]'") from None
    try:
        return parquet.ParquetFile(file, pre_buffer=False)  # which would hold the whole file in the end
    except ArrowException as error:
        raise InvalidDataError(f"{file} cannot be read: {str(error).splitlines()[0]}") from None


def _parquet_batches(recorded: Recorded, size: int) -> Iterator[NDArray[np.float64]]:
    for batch in _parquet(recorded.path).iter_batches(size):
        columns = []
        for name, column in zip(recorded.names, batch.columns, strict=True):
            try:
                values = column.to_numpy(zero_copy_only=False).astype(np.float64)
            except (TypeError, ValueError):
                raise InvalidDataError(
                    f"{recorded.path}, column {name}: {column.type} are no numbers"
                ) from None
            columns.append(values)
        yield np.column_stack(columns)


def _npy(file: Path) -> NDArray[np.float64]:
    try:
        table = np.load(file, mmap_mode="r")
    except ValueError as error:
        raise InvalidDataError(f"{file} cannot be read: {error}") from None
    table = table[:, np.newaxis] if table.ndim == 1 else table
    if table.ndim != 2 or table.dtype.kind not in "fiub":
        raise InvalidDataError(f"{file} must hold numbers of shape (n, d), got {table.dtype} {table.shape}")
    return np.asanyarray(table)


def _npy_batches(recorded: Recorded, size: int) -> Iterator[NDArray[np.float64]]:
    table = _npy(recorded.path)
    for start in range(0, len(table), size):
        yield np.asarray(table[start : start + size], dtype=np.float64)
