"""CSV and Parquet tables as arrays."""

from __future__ import annotations

import difflib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv, parquet

from dataloader.config import TableSource
from dataloader.dataset import Dataset, served_name
from driftlead.errors import InvalidDataError

__all__ = ["read_table"]


def read_table(source: TableSource) -> Dataset:
    """Read a table: numbers and booleans are features, one column is the target.

    Text is rejected rather than encoded: the deployed model takes numbers over HTTP, and a code that only the
    training script knows would leave every client to guess it.

    Raises
    ------
    InvalidDataError
        The file is missing or unreadable; the target is missing or not made of classes; a column is text, a
        date or nested; a value is missing where none may be, or no 32-bit number.
    """
    table = _read(source)
    names = table.column_names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidDataError(f"{source.path}: column names must differ, got {repeated[0]!r} more than once")
    for name in (source.target, *source.ignore):
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"its columns are {', '.join(names[:20])}"
            raise InvalidDataError(f"{source.path} has no column {name!r}: {hint}")
    feature_names = tuple(name for name in names if name != source.target and name not in source.ignore)
    if not feature_names:
        raise InvalidDataError(
            f"{source.path} must have at least one column besides {source.target!r}, got none"
        )
    if table.num_rows == 0:
        raise InvalidDataError(f"{source.path} must have at least one row below the column names, got none")
    labels, class_names = _classes(source, table.column(source.target))
    columns = [_numbers(source, name, table.column(name)) for name in feature_names]
    return Dataset(
        name=served_name(source.path),
        features=np.stack(columns, axis=1),
        labels=labels,
        feature_names=feature_names,
        class_names=class_names,
        allows_missing=source.missing == "impute",
        time_ordered=source.time_ordered,
    )


def _read(source: TableSource) -> pa.Table:
    suffix = source.path.suffix.lower()
    if not source.path.is_file():
        raise InvalidDataError(f"{source.path} not found")
    try:
        match suffix:
            case ".parquet":
                return parquet.read_table(source.path)
            case ".csv" | ".tsv":
                parsing = csv.ParseOptions(delimiter="\t" if suffix == ".tsv" else ",")
                return csv.read_csv(source.path, parse_options=parsing)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InvalidDataError(f"{source.path} cannot be read as {suffix[1:]}: {reason}") from None
    raise InvalidDataError(f"{source.path} must end in .csv, .tsv or .parquet, got {suffix or 'no ending'!r}")


def _classes(source: TableSource, column: pa.ChunkedArray) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Code a target column: text in alphabetical, numbers in numerical order."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)):
        if not pa.types.is_boolean(kind):
            raise InvalidDataError(
                f"{source.path}: target {source.target!r} must be text, whole numbers or booleans, got {kind}"
            )
        column = column.cast(pa.string())
    row = _first(pc.or_kleene(pc.is_null(column), pc.equal(column.cast(pa.string()), "")))
    if row is not None:
        raise InvalidDataError(f"{source.path}: target {source.target!r} must not be empty, row {row + 1} is")
    values, labels = np.unique(column.to_numpy(), return_inverse=True)
    return labels.astype(np.int64), tuple(str(value) for value in values)


def _numbers(source: TableSource, name: str, column: pa.ChunkedArray) -> NDArray[np.float32]:
    kind = column.type
    where = f"{source.path}: column {name!r}"
    if pa.types.is_null(kind) or column.null_count == len(column):
        raise InvalidDataError(f"{where} is empty; list it under data.ignore")
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (numeric or pa.types.is_boolean(kind)):
        example = next(value for value in column.to_pylist() if value is not None)
        raise InvalidDataError(
            f"{where} must be numbers, got {kind} such as {str(example)[:40]!r}; encode it as numbers "
            "or list it under data.ignore"
        )
    wide = column.cast(pa.float64(), safe=False).to_numpy()
    with np.errstate(over="ignore"):
        values: NDArray[np.float32] = wide.astype(np.float32)
    bad = _first(pa.array(np.isinf(values)))
    if bad is not None:
        raise InvalidDataError(
            f"{where} must be finite in 32-bit precision, got {wide[bad]:g} in row {bad + 1}"
        )
    bad = _first(pa.array(np.isnan(values)))
    if bad is not None and source.missing == "reject":
        raise InvalidDataError(
            f"{where} must not miss a value, row {bad + 1} does; set data.missing: impute to fill in the mean"
        )
    return values


def _first(mask: pa.ChunkedArray | pa.Array) -> int | None:
    """Find the first true position."""
    position = pc.index(mask, pa.scalar(True)).as_py()
    return None if position < 0 else int(position)
