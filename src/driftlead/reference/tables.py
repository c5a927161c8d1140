"""CSV, JSON Lines and Parquet files of any size, a batch of rows at a time (extra ``tables``)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driftlead.errors import DriftleadError, InvalidDataError

__all__ = ["Table", "open_table"]

_BATCH_ROWS = 65_536
Column = NDArray[np.float64] | Mapping[str | None, int]


@dataclass(frozen=True)
class Table:
    """A table on disk, opened.

    Attributes
    ----------
    path : Path
    columns : tuple of str
        Names of the chosen columns.
    is_text : tuple of bool
        Which of them hold text; the others hold numbers or booleans.
    expected_rows : int
        Number of rows: as the file says, or estimated from the lines in a megabyte of it.
    """

    path: Path
    columns: tuple[str, ...]
    is_text: tuple[bool, ...]
    expected_rows: int
    _batches: Iterator[Any] = field(repr=False)

    def batches(self) -> Iterator[tuple[int, list[Column]]]:
        """Yield the number of rows and the columns of one batch after the other, once.

        A column of numbers is an array, NaN where missing; of a column of text come the different texts and
        how often each occurs, None where missing.

        Raises
        ------
        InvalidDataError
            The file cannot be read on, or a value is of another type than the first megabyte of its column.
        """
        import pyarrow as pa

        try:
            for batch in self._batches:
                yield (
                    batch.num_rows,
                    [
                        _counts(batch.column(name)) if text else _numbers(batch.column(name))
                        for name, text in zip(self.columns, self.is_text, strict=True)
                    ],
                )
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _unreadable(self.path, error) from None

    def rows(self, encode: Callable[[str, Sequence[str | None]], ArrayLike]) -> Iterator[NDArray[np.float64]]:
        """Yield the rows in batches of shape (rows, n_columns), once.

        Parameters
        ----------
        encode : callable
            From the name of a column of text, and texts in it, None where missing, to their codes.

        Raises
        ------
        InvalidDataError
            As for `batches`.
        """
        import pyarrow as pa

        try:
            for batch in self._batches:
                yield np.column_stack(
                    [
                        _codes(batch.column(name), partial(encode, name))
                        if text
                        else _numbers(batch.column(name))
                        for name, text in zip(self.columns, self.is_text, strict=True)
                    ]
                )
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _unreadable(self.path, error) from None


def open_table(path: Path, columns: Sequence[str] | None, texts: Collection[str] = ()) -> Table:
    """Open a file by its ending.

    Parameters
    ----------
    path : Path
        ``.parquet``, ``.jsonl``, or ``.csv`` and ``.tsv`` with names in the first line.
    columns : sequence of str, optional
        Columns to read, in this order; all by default.
    texts : collection of str
        Those of them that are read as text even where they look like numbers.

    Raises
    ------
    DriftleadError
        pyarrow is not installed.
    InvalidDataError
        The file is missing, unreadable, or has another ending; a column is missing, named twice, or neither
        numbers nor text.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise DriftleadError(f"reading {path} needs pyarrow: pip install 'driftlead[tables]'") from None

    if not path.is_file():
        raise InvalidDataError(f"{path} is no file" if path.exists() else f"{path} not found")
    suffix = path.suffix.lower()
    if suffix not in (".parquet", ".csv", ".tsv", ".jsonl"):
        raise InvalidDataError(
            f"{path} must end in .csv, .tsv, .jsonl or .parquet, got {suffix or 'no ending'!r}"
        )
    try:
        if suffix == ".parquet":
            file = parquet.ParquetFile(path, pre_buffer=False)  # which would hold the whole file in the end
            chosen = _chosen(path, file.schema_arrow, columns)
            batches = file.iter_batches(_BATCH_ROWS, columns=list(chosen))
            expected_rows = file.metadata.num_rows
        else:
            open_text = (
                _open_jsonl if suffix == ".jsonl" else partial(_open_csv, "\t" if suffix == ".tsv" else ",")
            )
            schema = open_text(path, None).schema
            chosen = _chosen(path, schema, columns)
            # The first megabyte decides a column's type; whole numbers there may well have fractions later.
            types = {name: schema.field(name).type for name in chosen}
            types |= {
                name: pa.float64()
                for name, kind in types.items()
                if pa.types.is_integer(kind) or pa.types.is_null(kind)
            }
            types |= {name: pa.string() for name in texts if name in chosen}
            batches = iter(open_text(path, types))
            expected_rows = _lines(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None
    is_text = tuple(text or name in texts for name, text in chosen.items())
    return Table(path, tuple(chosen), is_text, expected_rows, batches)


def _open_csv(delimiter: str, path: Path, types: Mapping[str, Any] | None) -> Any:
    """Open the columns of the given types, or all of them; so does `_open_jsonl`."""
    from pyarrow import csv

    return csv.open_csv(
        path,
        parse_options=csv.ParseOptions(delimiter=delimiter),
        convert_options=csv.ConvertOptions(include_columns=list(types or ()), column_types=types),
    )


def _open_jsonl(path: Path, types: Mapping[str, Any] | None) -> Any:
    import pyarrow as pa
    from pyarrow import json

    if types is None:
        return json.open_json(path)
    # Fields are found by name; those that are not asked for are passed over.
    return json.open_json(
        path,
        parse_options=json.ParseOptions(
            explicit_schema=pa.schema(types.items()), unexpected_field_behavior="ignore"
        ),
    )


def _lines(path: Path, looked_at: int = 2**20, places: int = 16) -> int:
    """Estimate the number of lines from those at places all over the file.

    Not from the bytes read so far: pyarrow reads many blocks ahead of the rows that it hands over.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= looked_at:
            return file.read().count(b"\n")
        each = looked_at // places
        found = 0
        for start in np.linspace(0, size - each, places, dtype=np.int64):
            file.seek(start)
            found += file.read(each).count(b"\n")
    return round(found * size / (each * places))


def _chosen(path: Path, schema: Any, columns: Sequence[str] | None) -> dict[str, bool]:
    """Names of the chosen columns, and whether each is text."""
    names = list(schema.names)
    wanted = list(names if columns is None else columns)
    if not wanted:
        raise InvalidDataError(f"{path} must have at least one chosen column, got none")
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"its columns are {', '.join(names[:20])}"
            raise InvalidDataError(f"{path} has no column {name!r}: {hint}")
        if names.count(name) > 1 or wanted.count(name) > 1:
            raise InvalidDataError(f"{path}: columns must differ in name, got {name!r} more than once")
    return {name: _is_text(path, schema.field(name)) for name in wanted}


def _is_text(path: Path, column: Any) -> bool:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return True
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if numeric or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return False
    if pa.types.is_binary(kind) and path.suffix.lower() != ".parquet":
        raise InvalidDataError(
            f"{path}: column {column.name!r} must hold numbers or UTF-8 text; save the file anew as UTF-8"
        )
    raise InvalidDataError(
        f"{path}: column {column.name!r} must hold numbers or text, got {kind}; "
        "leave it out by naming the columns"
    )


def _numbers(column: Any) -> NDArray[np.float64]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _counts(column: Any) -> dict[str | None, int]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    counted = column.value_counts()
    return dict(zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True))


def _codes(column: Any, encode: Callable[[Sequence[str | None]], ArrayLike]) -> NDArray[np.float64]:
    """Encode each different text once."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    # One more code, of what is missing, for the index -1.
    known = np.asarray(encode(column.dictionary.to_pylist()), dtype=np.float64)
    codes: NDArray[np.float64] = np.append(known, np.nan)
    indices: NDArray[np.int64] = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes[indices]


def _unreadable(path: Path, error: Exception) -> InvalidDataError:
    reason = str(error).strip().splitlines()[0]
    if isinstance(error, UnicodeDecodeError) or "UTF8" in reason or "conversion error to string" in reason:
        return InvalidDataError(f"{path} must be UTF-8 text ({reason}); save it anew as UTF-8")
    return InvalidDataError(f"{path} cannot be read as {path.suffix.lower()[1:]}: {reason}")
