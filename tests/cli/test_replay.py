"""What a person is told of a recorded file, in three forms, from three kinds of files."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from numpy.testing import assert_equal

from driftlead.cli.reference import batches
from driftlead.reference import ReferenceProfile
from driftlead.reference.tables import Table
from driftlead.signals import feature_signals
from tests.cli.conftest import CHANGE

WINDOW = ("--window", 100)


def outcome(run, data, reference, *options):
    result = run("replay", data, "--reference", reference, "--format", "json", *WINDOW, *options)
    return result.exit_code, json.loads(result.stdout)


def test_a_change_is_told_with_its_row_and_its_signals(run, recorded):
    code, told = outcome(run, recorded["drifted"], recorded["reference"])
    assert (code, told["drift"], told["rows"], told["reference_rows"]) == (1, True, 1_500, 2_000)
    (episode,) = told["episodes"]
    assert abs(episode["change_row"] - CHANGE) <= 10
    assert CHANGE < episode["opened_row"] < CHANGE + 50
    assert [signal["signal"] for signal in episode["signals"]] == ["feature:b", "feature:city"]
    assert episode["resolved_row"] is None
    assert not [key for key in episode if key.endswith("_at")]


def test_no_change_is_told_as_none(run, recorded):
    code, told = outcome(run, recorded["clean"], recorded["reference"])
    assert (code, told["drift"], told["episodes"]) == (0, False, [])
    result = run("replay", recorded["clean"], "-r", recorded["reference"], *WINDOW)
    assert "No drift." in result.stdout
    assert "\x1b" not in result.stdout


def test_a_person_reads_the_same_as_a_program(run, recorded):
    text = run("replay", recorded["drifted"], "-r", recorded["reference"], *WINDOW)
    assert text.exit_code == 1
    assert "Drift: 1 episode" in text.stdout
    assert "noticed at" in text.stdout
    assert re.search(r"(Rome 6|Oslo 3|Oslo 4|Rome 5)\d% +(Rome|Oslo) (1|9|8)\d?%", text.stdout)
    assert "--calibrate" in text.stdout
    markdown = run("replay", recorded["drifted"], "-r", recorded["reference"], *WINDOW, "--format", "md")
    assert "| feature:b |" in markdown.stdout
    assert markdown.stdout.startswith("**Drift: 1 episode")
    one = run("replay", recorded["drifted"], "-r", recorded["reference"], *WINDOW, "--shown", 1)
    assert "and 1 more" in one.stdout
    assert "feature:city" not in one.stdout.partition("evidence")[2]


def written(path, columns):
    names, values = zip(*columns.items(), strict=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *zip(*values, strict=True)])
    return path


def test_columns_that_always_drift_are_named(run, tmp_path):
    rng = np.random.default_rng(3)
    number = np.arange(3_000)
    reference = written(tmp_path / "before.csv", {"number": number[:2_000], "x": rng.normal(size=2_000)})
    data = written(tmp_path / "after.csv", {"number": number[2_000:], "x": rng.normal(3, size=1_000)})
    text = run("replay", data, "-r", reference, *WINDOW).stdout
    assert "feature:x" in text
    assert "Note: number rose with every row" in text
    assert "rose with every row" not in run("replay", data, "-r", reference, "--columns", "x", *WINDOW).stdout


def test_missing_values_are_told_by_their_share(run, tmp_path):
    rng = np.random.default_rng(4)
    reference = written(tmp_path / "before.csv", {"x": rng.normal(size=2_000)})
    values = [value if row % 2 else "" for row, value in enumerate(rng.normal(size=1_000))]
    data = written(tmp_path / "after.csv", {"x": values, "y": values})
    text = run("replay", data, "-r", reference, *WINDOW, "--format", "md").stdout
    before, after = re.search(r"\| feature:x \| missing (\d+)\.\d% \| missing (\d+)\.\d% \|", text).groups()
    assert before == "0"
    assert 45 <= int(after) <= 55


def test_too_few_rows_are_no_proof_of_calm(run, recorded, tmp_path):
    few = written(tmp_path / "few.csv", {"a": [0.1, 0.2, 0.1]})
    half = written(tmp_path / "half.csv", {"a": np.random.default_rng(0).normal(size=60)})
    told = run("replay", few, "-r", recorded["reference"], "--columns", "a", *WINDOW)
    assert told.exit_code == 0
    assert "No drift, but too few rows to tell: they fill no window of 100." in told.stdout
    assert "--window" not in told.stdout, "smaller ones would see nothing"
    told = run("replay", half, "-r", recorded["reference"], "--columns", "a", *WINDOW)
    assert "Note: --window 15 takes smaller windows" in told.stdout
    code, document = outcome(run, half, recorded["reference"], "--columns", "a")
    assert (code, len(document["notes"])) == (0, 1)
    compared = run("replay", recorded["clean"], "-r", few, "--columns", "a", *WINDOW)
    assert "The reference has 3 rows, fewer than a window of 100" in compared.stdout


def test_one_is_said_in_the_singular(run, recorded, tmp_path):
    row = tmp_path / "row.csv"
    row.write_text("a\n0.5\n")
    text = run("replay", row, "-r", recorded["reference"], "--columns", "a", *WINDOW).stdout
    assert text.startswith("row.csv: 1 row, 1 signal, compared with 2,000 rows of reference;")
    drifted = run("replay", recorded["drifted"], "-r", recorded["reference"], "--columns", "b", *WINDOW)
    assert "; 1 of 1 signal\n" in drifted.stdout
    saved = run("profile", recorded["reference"], "--columns", "a", "-o", tmp_path / "reference.state")
    assert saved.stdout.endswith(": 1 signal of 2,000 rows\n")


def test_parquet_json_lines_and_profiles_are_read_alike(run, recorded, tmp_path):
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    expected = outcome(run, recorded["drifted"], recorded["reference"])[1]["episodes"]
    parquet.write_table(arrow_csv.read_csv(recorded["drifted"]), tmp_path / "data.parquet")
    with recorded["drifted"].open() as file:
        rows = [{**row, "a": float(row["a"]), "b": float(row["b"])} for row in csv.DictReader(file)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    saved = run("profile", recorded["reference"], "-o", tmp_path / "reference.state")
    assert saved.stdout == f"{tmp_path / 'reference.state'}: 3 signals of 2,000 rows\n"
    for data in ("data.parquet", "data.jsonl"):
        for reference in (recorded["reference"], tmp_path / "reference.state"):
            found = outcome(run, tmp_path / data, reference)[1]["episodes"]
            assert [{**each, "id": ""} for each in found] == [{**each, "id": ""} for each in expected]


def test_batches_are_as_long_whatever_those_of_the_file():
    profile = ReferenceProfile.from_rows(feature_signals(["a"]), [[0.0], [1.0]], model_hash="")
    pieces = (pyarrow.record_batch({"a": np.arange(float(rows))}) for rows in (5_000, 100, 4_000))
    table = Table(Path("t.csv"), ("a",), (False,), None, pieces)
    found = list(batches(table, profile))
    assert [len(rows) for rows in found] == [4_096, 4_096, 908]
    assert_equal(np.concatenate(found)[:, 0], np.r_[0:5_000, 0:100, 0:4_000])


def test_columns_and_detectors_are_chosen(run, recorded):
    code, told = outcome(run, recorded["drifted"], recorded["reference"], "--columns", "a")
    assert (code, told["episodes"]) == (0, [])
    told = outcome(run, recorded["drifted"], recorded["reference"], "--detectors", "nmddm")[1]
    peaks = {name for signal in told["episodes"][0]["signals"] for name in signal["peaks"]}
    assert peaks == {"nmddm"}


def test_thresholds_are_simulated_where_that_is_asked_for(run, recorded):
    options = ("--calibrate", "--false-alarm-every", "1e4", "--columns", "a,b")
    code, told = outcome(run, recorded["drifted"], recorded["reference"], *options)
    assert (code, told["calibrated"]) == (1, True)
    assert abs(told["episodes"][0]["change_row"] - CHANGE) <= 10


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nowhere.csv", "-r", "{reference}"), "nowhere.csv not found"),
        (("{clean}", "-r", "nowhere.state"), "cannot read state file nowhere.state"),
        (("{clean}", "-r", "{reference}", "--columns", "aa"), "no column 'aa': did you mean 'a'?"),
        (("{clean}", "-r", "{reference}", "--window", "1"), "window must be at least 2, got 1"),
        (("{clean}", "-r", "{reference}", "--detectors", "ddm"), "detectors must be among"),
        (("{other}", "-r", "{reference}"), "column 'b' holds text, and numbers in the reference"),
        (("{empty}", "-r", "{reference}"), "must have at least one row"),
        (("{folder}", "-r", "{reference}"), "folder.csv is no file"),
        (("{escapes}", "-r", "{reference}"), "Expected 3 columns, got 1: [31mred"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, recorded, tmp_path, arguments, complaint):
    (tmp_path / "other.csv").write_text("a,b,city\n1,x,Rome\n")
    (tmp_path / "empty.csv").write_text("a,b,city\n")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "escapes.csv").write_text("a,b,city\n1,2,Rome\n\x1b[31mred\n")
    places = recorded | {name: tmp_path / f"{name}.csv" for name in ("other", "empty", "folder", "escapes")}
    result = run("replay", *(argument.format(**places) for argument in arguments))
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("driftlead replay: ")
    assert line.isprintable()
    assert complaint in line
