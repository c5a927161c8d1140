"""Profiles of more data than fit into memory: from batches, CSV and Parquet files."""

from __future__ import annotations

import json
import sys
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from scipy import stats

from driftlead import state
from driftlead.errors import DriftleadError, InvalidDataError, InvalidParameterError
from driftlead.monitor import SignalBins
from driftlead.ranks import SortedReference
from driftlead.reference import ReferenceProfile
from driftlead.reference.tables import open_table
from driftlead.signals import Signal

SIGNALS = (Signal("a"), Signal("b"))


def cut(rows, size):
    return (rows[start : start + size] for start in range(0, len(rows), size))


def profiled(rows, size=1_000, **options):
    return ReferenceProfile.from_batches(SIGNALS, cut(rows, size), model_hash="1f", **options)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    rows = np.column_stack([rng.normal(size=20_000), rng.exponential(size=20_000)])
    rows[::9, 1] = np.nan
    return rows


def test_few_rows_are_kept_as_they_are(rows):
    whole = ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f")
    batched = profiled(rows)
    for left, right in zip(batched.samples, whole.samples, strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_allclose(batched.means, whole.means, rtol=1e-12)
    np.testing.assert_array_equal(batched.missing, whole.missing)
    assert batched.n_rows == 20_000


def test_batches_make_no_difference_and_the_seed_does(rows):
    first = profiled(rows, 20_000, max_sample=500, seed=7)
    for size in (1, 333, 7_000):
        again = profiled(rows[: 20_000 if size > 1 else 3_000], size, max_sample=500, seed=7)
        whole = first if size > 1 else profiled(rows[:3_000], 3_000, max_sample=500, seed=7)
        for left, right in zip(again.samples, whole.samples, strict=True):
            np.testing.assert_array_equal(left, right)
    other = profiled(rows, max_sample=500, seed=8)
    assert len(np.intersect1d(first.samples[0], other.samples[0])) < 50


def test_a_long_stream_leaves_a_uniform_sample_with_its_extremes(rows):
    pvalues = []
    for seed in range(40):
        profile = profiled(rows, max_sample=400, seed=seed)
        for sample, column in zip(profile.samples, rows.T, strict=True):
            assert len(sample) == 400
            assert (sample[0], sample[-1]) == (np.nanmin(column), np.nanmax(column))
            assert np.isin(sample, column).all()
            pvalues.append(stats.ks_2samp(sample, column[~np.isnan(column)]).pvalue)
        np.testing.assert_allclose(profile.means, np.nanmean(rows, axis=0), rtol=1e-12)
        assert profile.missing.tolist() == [0, len(rows[::9])]
    # Samples of the right size and distribution have uniform p-values; early or late rows alone would not.
    assert stats.kstest(pvalues, "uniform").pvalue > 0.01


def test_early_and_late_rows_are_kept_alike():
    places = np.arange(20_000.0)[:, np.newaxis].repeat(2, axis=1)
    kept = np.concatenate([profiled(places, max_sample=400, seed=seed).samples[0] for seed in range(20)])
    assert stats.kstest(kept / 20_000, "uniform").pvalue > 0.01


def test_rows_cannot_be_put_together_again():
    """Two signals keep the values of other rows: as many in common as chance has it."""
    places = np.arange(20_000.0)[:, np.newaxis].repeat(2, axis=1)
    first, second = profiled(places, max_sample=1_000).samples
    assert len(np.intersect1d(first, second)) == pytest.approx(1_000**2 / 20_000, abs=25)


def test_memory_does_not_grow_with_the_data():
    def stream(batches):
        rng = np.random.default_rng(0)
        return (rng.normal(size=(10_000, 2)) for _ in range(batches))

    def peak(batches):
        tracemalloc.start()
        ReferenceProfile.from_batches(SIGNALS, stream(batches), model_hash="1f", max_sample=2_000)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(80) < 1.1 * peak(4)


def test_infinite_values_are_values():
    rows = np.array([[np.inf, 1.0], [-np.inf, 2.0], [0.0, 3.0]] * 100)
    for profile in (
        profiled(rows, max_sample=50),
        ReferenceProfile.from_rows(SIGNALS, rows, model_hash="1f"),
    ):
        assert (profile.samples[0][0], profile.samples[0][-1]) == (-np.inf, np.inf)
        assert np.isnan(profile.means[0])
        assert profile.means[1] == 2.0


def test_progress_is_told(rows):
    told = []
    profiled(rows, 6_000, progress=lambda done, total: told.append((done, total)))
    assert told == [(6_000, None), (12_000, None), (18_000, None), (20_000, None)]


def test_bad_batches_are_named(rows):
    with pytest.raises(InvalidDataError, match=r"batch 1 must have shape \(rows, 2\), got \(3, 4\)"):
        ReferenceProfile.from_batches(SIGNALS, [rows[:5], np.zeros((3, 4))], model_hash="1f")
    with pytest.raises(InvalidDataError, match="batch 1 must be a table of numbers: could not convert"):
        ReferenceProfile.from_batches(SIGNALS, [rows[:5], [["1", "red"]]], model_hash="1f")
    with pytest.raises(InvalidDataError, match="signal 'a' has no value in any of the 0 rows"):
        ReferenceProfile.from_batches(SIGNALS, [], model_hash="1f")
    with pytest.raises(InvalidDataError, match="signal 'b' has no value in any of the 8 rows"):
        profiled(np.column_stack([np.zeros(8), np.full(8, np.nan)]))
    with pytest.raises(InvalidParameterError, match="max_sample must be at least 2, got 1"):
        profiled(rows, max_sample=1)
    with pytest.raises(InvalidParameterError, match="signals must be named once each, got 'a'"):
        ReferenceProfile.from_batches([Signal("a"), Signal("a")], [rows], model_hash="1f")


# --- files ------------------------------------------------------------------------------------------

CITIES = ("Rome", "Oslo", "Bern, BE", 'the "Hague"')


@pytest.fixture(scope="module")
def trips():
    """A table of 30 000 trips: numbers with gaps, whole numbers, flags, texts with gaps."""
    rng = np.random.default_rng(4)
    n = 30_000
    km = rng.exponential(size=n)
    km[::11] = np.nan
    city = rng.choice(CITIES, n, p=[0.2, 0.5, 0.25, 0.05]).astype(object)
    city[::13] = None
    return pa.table(
        {
            "km": pa.array(km, from_pandas=True),
            "riders": pa.array(rng.integers(0, 5, n)),
            "night": pa.array(rng.random(n) < 0.3),
            "city": pa.array(city),
        }
    )


@pytest.fixture(scope="module")
def paths(trips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trips")
    parquet.write_table(trips, folder / "trips.parquet", row_group_size=5_000)
    csv.write_csv(trips, folder / "trips.csv")
    csv.write_csv(trips, folder / "trips.tsv", csv.WriteOptions(delimiter="\t"))
    return folder


@pytest.mark.parametrize("ending", ["parquet", "csv", "tsv"])
@pytest.mark.parametrize("max_sample", [1_000, 50_000])
def test_a_file_gives_the_profile_of_its_rows(paths, trips, ending, max_sample):
    profile = ReferenceProfile.from_file(
        paths / f"trips.{ending}", model_hash="1f", max_sample=max_sample, seed=3
    )
    assert profile.signals == (
        Signal("feature:km"),
        Signal("feature:riders"),
        Signal("feature:night"),
        Signal("feature:city", "categorical"),
    )
    assert profile.categories == {"feature:city": ("Oslo", "Bern, BE", "Rome", 'the "Hague"')}
    assert profile.n_rows == 30_000
    codes = profile.encode("feature:city", trips["city"].to_pylist())
    numbers = [trips[name].to_numpy().astype(float) for name in ("km", "riders", "night")]
    whole = ReferenceProfile.from_batches(
        profile.signals, [np.column_stack([*numbers, codes])], model_hash="1f", max_sample=max_sample, seed=3
    )
    for left, right in zip(profile.samples[:3], whole.samples[:3], strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_allclose(profile.means, whole.means)
    np.testing.assert_array_equal(profile.missing, whole.missing)
    shares = [np.bincount(each.samples[3].astype(int)) / len(each.samples[3]) for each in (profile, whole)]
    np.testing.assert_allclose(shares[0], shares[1], atol=0.0005 if max_sample > 30_000 else 0.05)
    # Codes are thinned in proportion, to within one of the sample.
    exact = np.bincount(codes[~np.isnan(codes)].astype(int)) / np.sum(~np.isnan(codes))
    np.testing.assert_allclose(shares[0], exact, atol=1.5 / len(profile.samples[3]))


def test_an_unknown_category_is_counted_as_other(paths, tmp_path):
    profile = ReferenceProfile.from_file(paths / "trips.parquet", columns=["city"], model_hash="1f")
    state.save(tmp_path / "profile", "reference_profile", 2, profile.to_state())
    profile = ReferenceProfile.from_state(state.load(tmp_path / "profile", "reference_profile")[1])
    codes = profile.encode("feature:city", ["Oslo", "Paris", None, "", 'the "Hague"'])
    np.testing.assert_array_equal(codes, [0, 4, np.nan, np.nan, 3])
    bins = SignalBins.from_sample(profile.signals[0], profile.samples[0], int(profile.missing[0]))
    slots = SortedReference(profile.samples).locate(codes[:2, np.newaxis])
    assert [bins.labels[bins.of_slot[slot]] for slot in slots[:, 0]] == ["0", "other"]
    with pytest.raises(InvalidParameterError, match="signal must be one of 'feature:city', got 'feature:km'"):
        profile.encode("feature:km", ["a"])


def test_signals_and_columns_can_be_chosen(paths):
    profile = ReferenceProfile.from_file(
        paths / "trips.csv",
        [Signal("where", "categorical"), Signal("how many", "categorical")],
        ["city", "riders"],
        model_hash="1f",
    )
    assert [signal.name for signal in profile.signals] == ["where", "how many"]
    assert set(profile.samples[1]) == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert set(profile.categories) == {"where"}


def test_whole_numbers_may_have_fractions_after_the_first_megabyte(tmp_path):
    path = tmp_path / "late.csv"
    path.write_text("x,y\n" + "12345678,\n" * 200_000 + "0.5,7\n")
    profile = ReferenceProfile.from_file(path, model_hash="1f")
    assert profile.samples[0][0] == 0.5
    assert profile.missing.tolist() == [0, 200_000]
    path.write_text("x\n" + "12345678\n" * 200_000 + "many\n")
    with pytest.raises(InvalidDataError, match=r"late\.csv cannot be read as csv: .*invalid value 'many'"):
        ReferenceProfile.from_file(path, model_hash="1f")


def test_a_parquet_file_is_read_in_pieces(tmp_path):
    numbers = pa.table({"x": np.random.default_rng(0).normal(size=800_000)})
    parquet.write_table(numbers, tmp_path / "long.parquet", row_group_size=20_000)
    del numbers
    allocated = [pa.total_allocated_bytes()]
    ReferenceProfile.from_file(
        tmp_path / "long.parquet",
        model_hash="1f",
        max_sample=1_000,
        progress=lambda *_: allocated.append(pa.total_allocated_bytes()),
    )
    assert len(allocated) > 10
    assert max(allocated) - allocated[0] < 3_200_000  # half of the numbers


def test_coded_columns_of_parquet_are_texts_or_numbers(tmp_path):
    table = pa.table(
        {
            "city": pa.array(["b", "a", "b", None]).dictionary_encode(),
            "size": pa.array([2, 1, 2, None]).dictionary_encode(),
            "cost": pa.array([1, 2, 3, 4], pa.decimal128(5, 2)),
        }
    )
    parquet.write_table(table, tmp_path / "coded.parquet")
    profile = ReferenceProfile.from_file(tmp_path / "coded.parquet", model_hash="1f")
    assert profile.categories == {"feature:city": ("b", "a")}
    assert [sample.tolist() for sample in profile.samples] == [[0, 0, 1], [1, 2, 2], [1, 2, 3, 4]]
    assert profile.missing.tolist() == [1, 1, 0]


def test_columns_that_are_neither_numbers_nor_text_are_refused_by_name(tmp_path):
    for name, values, kind in (
        ("when", pa.array([0], pa.timestamp("s")), "timestamp"),
        ("day", pa.array([0], pa.date32()), "date32"),
        ("path", pa.array([[1.0]]), "list"),
        ("place", pa.array([{"x": 1}]), "struct"),
        ("blob", pa.array([b"x"]), "binary"),
    ):
        parquet.write_table(pa.table({"x": pa.array([1.0]), name: values}), tmp_path / "t.parquet")
        with pytest.raises(
            InvalidDataError, match=f"column '{name}' must hold numbers or text, got {kind}.*; leave it out"
        ):
            ReferenceProfile.from_file(tmp_path / "t.parquet", model_hash="1f")
        ReferenceProfile.from_file(tmp_path / "t.parquet", columns=["x"], model_hash="1f")
    (tmp_path / "t.csv").write_text("x,day\n1,2024-01-31\n")
    with pytest.raises(InvalidDataError, match="column 'day' must hold numbers or text, got date32"):
        ReferenceProfile.from_file(tmp_path / "t.csv", model_hash="1f")


@pytest.mark.parametrize(
    ("ending", "text", "complaint"),
    [
        ("csv", b"\xe9,b\n1,2\n", r"must be UTF-8 text \(.* 0xe9 .*\); save it anew as UTF-8"),
        ("csv", b"a,b\n\xe9,2\n", "column 'a' must hold numbers or UTF-8 text"),
        ("csv", b"a,b\n" + b"x,2\n" * 400_000 + b"\xe9,2\n", "must be UTF-8 text .*; save it anew as UTF-8"),
        ("jsonl", b'{"a": "\xe9"}\n', "must be UTF-8 text .*; save it anew as UTF-8"),
    ],
)
def test_a_table_in_another_encoding_says_so(tmp_path, ending, text, complaint):
    path = tmp_path / f"export.{ending}"
    path.write_bytes(text)
    with pytest.raises(InvalidDataError, match=complaint):
        ReferenceProfile.from_file(path, model_hash="1f")


def test_texts_that_are_no_categories_are_refused_by_name(tmp_path):
    (tmp_path / "notes.csv").write_text("note\n" + "".join(f"n{row}\n" for row in range(10_001)))
    with pytest.raises(
        InvalidDataError,
        match="column 'note' must hold at most 10000 different texts, got more, such as 'n0'",
    ):
        ReferenceProfile.from_file(tmp_path / "notes.csv", model_hash="1f")


def test_mistakes_are_said_in_one_line(paths, tmp_path):
    def message(name, content=None, **options):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DriftleadError) as caught:
            ReferenceProfile.from_file(path, model_hash="1f", **options)
        assert "\n" not in str(caught.value)
        return str(caught.value).removeprefix(f"{tmp_path}/")

    assert message("none.csv") == "none.csv not found"
    assert message("a.xlsx", b"x") == "a.xlsx must end in .csv, .tsv, .jsonl or .parquet, got '.xlsx'"
    assert message("a.csv", b"").startswith("a.csv cannot be read as csv: Empty CSV file")
    assert message("a.parquet", b"PAR1").startswith("a.parquet cannot be read as parquet: ")
    assert message("b.csv", b"x,y\n1,2\n3\n").startswith("b.csv cannot be read as csv: ")
    assert message("c.csv", b"x,x\n1,2\n") == "c.csv: columns must differ in name, got 'x' more than once"
    assert message("c.csv", columns=["x"]) == "c.csv: columns must differ in name, got 'x' more than once"
    assert message("d.csv", b"price\n1\n", columns=["prize"]) == (
        "d.csv has no column 'prize': did you mean 'price'?"
    )
    assert message("d.csv", columns=["zzz"]) == "d.csv has no column 'zzz': its columns are price"
    assert message("d.csv", columns=[]) == "d.csv must have at least one chosen column, got none"
    assert message("d.csv", b"x\n") == "signal 'feature:x' has no value in any of the 0 rows"
    assert message("e.csv", b"x,city\n1,Rome\n", signals=SIGNALS) == (
        "signals must be categorical for 'city', a column of text, got Signal(name='b', kind='numeric')"
    )
    assert message("e.csv", signals=SIGNALS[:1]) == "signals must be one for each of 2 columns, got 1"


def test_without_pyarrow_the_extra_is_named(paths, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DriftleadError, match=r"needs pyarrow: pip install 'driftlead\[tables\]'"):
        ReferenceProfile.from_file(paths / "trips.csv", model_hash="1f")


def test_json_lines_and_texts_that_look_like_numbers_are_read_row_by_row(tmp_path):
    lines = [{"km": number + 0.5 * (number % 2), "line": f"0{number % 3}", "x": []} for number in range(9)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "a.csv").write_text(
        "line,km\n" + "".join(f"{each['line']},{each['km']}\n" for each in lines) + ",\n"
    )
    profile = ReferenceProfile.from_file(tmp_path / "a.jsonl", columns=["km", "line"], model_hash="1f")
    assert profile.categories == {"feature:line": ("00", "01", "02")}
    for name in ("a.jsonl", "a.csv"):
        table = open_table(tmp_path / name, ["km", "line"], texts=["line"])
        rows = np.concatenate(
            list(table.rows(lambda column, texts: profile.encode(f"feature:{column}", texts)))
        )
        np.testing.assert_array_equal(rows[:9], [[each["km"], int(each["line"])] for each in lines])
        assert np.isnan(rows[9:]).all()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_progress_knows_about_how_long_a_file_is(tmp_path, suffix):
    rows = np.random.default_rng(2).normal(size=(40_000, 3))
    path = tmp_path / f"rows{suffix}"
    if suffix == ".csv":
        np.savetxt(path, rows, delimiter=",", header="a,b,c", comments="")
    elif suffix == ".jsonl":
        path.write_text("".join(f'{{"a": {a}, "b": {b}, "c": {c}}}\n' for a, b, c in rows))
    else:
        parquet.write_table(pa.table(dict(zip("abc", rows.T, strict=True))), path)
    told = []
    ReferenceProfile.from_file(path, model_hash="1f", progress=lambda done, total: told.append((done, total)))
    assert [total for _, total in told] == pytest.approx([40_000] * len(told), rel=0.01)
    assert told[-1][0] == 40_000


def test_progress_knows_about_how_long_a_file_is_whose_lines_grow_shorter(tmp_path):
    path = tmp_path / "rows.csv"
    with path.open("w") as file:
        file.write("a,b\n")
        for row in range(200_000):
            file.write(f"{row}.0000000000,{row}.0000000000\n" if row < 60_000 else f"{row},1\n")
    assert path.stat().st_size > 2**21
    assert open_table(path, None).expected_rows == pytest.approx(200_000, rel=0.05)
