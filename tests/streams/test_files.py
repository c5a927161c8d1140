"""Recorded files come back as the rows that were written, in batches, without being held."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.streams import open_recorded

TABLE = np.random.default_rng(0).normal(size=(1_003, 3))
TABLE[5, 1] = np.nan


def write(path, table=TABLE):
    if path.suffix == ".npy":
        np.save(path, table)
    elif path.suffix == ".parquet":
        columns = dict(zip("abc", table.T, strict=True))
        parquet.write_table(pa.table(columns), path, row_group_size=10_000)
    else:
        lines = [",".join("" if np.isnan(x) else repr(float(x)) for x in row) for row in table]
        path.write_text("a,b,c\n" + "\n".join(lines) + "\n\n")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy"])
@pytest.mark.parametrize("size", [1, 100, 1_003, 5_000])
def test_rows_come_back_bit_for_bit(suffix, size, tmp_path):
    recorded = open_recorded(write(tmp_path / f"rows{suffix}"))
    batches = list(recorded.batches(size))
    assert all(len(batch) == size for batch in batches[:-1])
    np.testing.assert_array_equal(np.concatenate(batches), TABLE)
    assert recorded.names == (("0", "1", "2") if suffix == ".npy" else ("a", "b", "c"))
    assert len(list(recorded.batches(500))) == 3  # a second reading begins anew


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy"])
def test_a_file_is_never_held_as_a_whole(suffix, tmp_path):
    recorded = open_recorded(write(tmp_path / f"rows{suffix}", np.tile(TABLE[10:510], (100, 1))))
    sum(len(batch) for batch in recorded.batches(500))
    tracemalloc.start()
    rows = sum(len(batch) for batch in recorded.batches(500))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 50_000
    assert peak < 50_000 * 3 * 8 / 4


def test_other_numbers_and_one_column(tmp_path):
    np.save(tmp_path / "counts.npy", np.arange(5))
    (batch,) = open_recorded(tmp_path / "counts.npy").batches()
    np.testing.assert_array_equal(batch, np.arange(5.0)[:, np.newaxis])
    parquet.write_table(pa.table({"n": [1, None, 3], "yes": [True, False, True]}), tmp_path / "t.parquet")
    (batch,) = open_recorded(tmp_path / "t.parquet").batches()
    np.testing.assert_array_equal(batch, [[1.0, 1.0], [np.nan, 0.0], [3.0, 1.0]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "none.csv cannot be read: .*No such file"),
        ("rows.txt", "1", r"rows.txt must end in .csv, .parquet or .npy"),
        ("empty.csv", "", "empty.csv has no columns"),
        ("text.csv", "a,b\n1,2\n3,x\n", "text.csv, line 3, column b: 'x' is not a number"),
        ("short.csv", "a,b\n1,2\n3\n", "short.csv, line 3: 1 cells, the header has 2"),
        ("fake.parquet", "a,b\n", "fake.parquet cannot be read"),
        ("fake.npy", "a,b\n", "fake.npy cannot be read"),
    ],
)
def test_faulty_files_are_named(name, content, message, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidDataError, match=message):
        list(open_recorded(path).batches())


def test_texts_are_no_numbers(tmp_path):
    parquet.write_table(pa.table({"a": [1.0], "who": ["x"]}), tmp_path / "t.parquet")
    with pytest.raises(InvalidDataError, match="column who: string are no numbers"):
        list(open_recorded(tmp_path / "t.parquet").batches())
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    with pytest.raises(InvalidDataError, match=r"must hold numbers of shape \(n, d\)"):
        open_recorded(tmp_path / "cube.npy")
    np.save(tmp_path / "rows.npy", TABLE)
    with pytest.raises(InvalidParameterError, match="size must be at least 1, got 0"):
        open_recorded(tmp_path / "rows.npy").batches(0)
