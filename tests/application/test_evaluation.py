import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from driftlead.errors import InvalidDataError
from evaluation.__main__ import app
from evaluation.quality import calibration_error, evaluate, measure
from model.artefact import load, save


def test_measures_by_hand():
    shares = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]])
    quality = measure(shares, [0, 0, 1, 1], ("a", "b", "c"))
    assert quality.accuracy == 0.75
    assert quality.confusion.tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert quality.precision.tolist() == pytest.approx([2 / 3, 1, 0])
    assert quality.recall.tolist() == pytest.approx([1, 0.5, 0])
    assert quality.f1.tolist() == pytest.approx([0.8, 2 / 3, 0])
    assert quality.support.tolist() == [2, 2, 0]


def naive_calibration_error(confidence, correct, bins):
    """Guo et al. 2017, equation 3, read aloud."""
    total = 0.0
    for b in range(1, bins + 1):
        inside = [i for i, c in enumerate(confidence) if (b - 1) / bins < c <= b / bins]
        if inside:
            accuracy = sum(correct[i] for i in inside) / len(inside)
            mean_confidence = sum(confidence[i] for i in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - mean_confidence)
    return total


@given(
    rows=st.lists(st.tuples(st.integers(1, 1000), st.booleans()), min_size=1, max_size=60),
    bins=st.sampled_from([1, 7, 15, 16]),
)
def test_calibration_error_is_its_definition(rows, bins):
    # Off the edges of bins, where rounding decides; edges have a test of their own.
    confidence = [(step - 0.37) / 1000 for step, _ in rows]
    correct = [right for _, right in rows]
    assert calibration_error(confidence, correct, bins) == pytest.approx(
        naive_calibration_error(confidence, correct, bins), abs=1e-12
    )


def test_a_confidence_on_an_edge_belongs_to_the_bin_beneath():
    # 0.5 falls into (0, 0.5]: the two errors of opposite sign do not meet and cancel.
    assert calibration_error([0.5, 0.9], [True, False], bins=2) == pytest.approx((0.5 + 0.9) / 2)
    assert calibration_error([1.0, 1.0], [True, True], bins=2) == 0.0


def test_changed_data_are_not_measured_on(trained):
    with pytest.raises(
        InvalidDataError, match=r"digits changed since the model was trained .* train it anew"
    ):
        evaluate(replace(trained, fingerprint="0" * 64))


@pytest.fixture
def run():
    return lambda *flags: CliRunner().invoke(app, [str(flag) for flag in flags])


def test_the_command_reports_and_writes_json(run, trained_model_path, tmp_path):
    answer = run("--model", trained_model_path, "--json", tmp_path / "quality.json")
    assert answer.exit_code == 0, answer.output
    written = json.loads((tmp_path / "quality.json").read_text())
    model = load(trained_model_path)
    assert written["version"] == model.model_hash
    assert written["accuracy"] >= 0.98
    assert f"accuracy {written['accuracy']:.2%} on 450 held-out rows" in answer.stdout
    confusion = np.array(written["confusion"])
    assert confusion.trace() / confusion.sum() == written["accuracy"]
    assert [each["class"] for each in written["classes"]] == list("0123456789")
    recall = confusion.diagonal() / confusion.sum(axis=1)
    assert [each["recall"] for each in written["classes"]] == pytest.approx(recall.tolist())
    for heading in ("precision", "Confusion matrix"):
        assert heading in answer.stdout


def test_the_command_answers_a_mistake_in_one_line(run, trained, trained_model_path, tmp_path):
    answer = run("--model", tmp_path / "none.pt")
    assert answer.exit_code == 2
    assert (
        answer.stderr == f"evaluation: {tmp_path / 'none.pt'} not found: run `python train_model.py` first\n"
    )
    save(tmp_path / "old.pt", replace(trained, fingerprint="0" * 64))
    answer = run("--model", tmp_path / "old.pt")
    assert answer.exit_code == 2
    assert answer.stderr.startswith("evaluation: digits changed since")
    answer = run("--model", trained_model_path, "--json", tmp_path / "no" / "folder.json")
    assert answer.exit_code == 2
    assert answer.stderr.endswith("folder.json cannot be written: No such file or directory\n")
    assert Path(trained_model_path).exists()
