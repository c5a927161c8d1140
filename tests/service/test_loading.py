"""Models as their users have them, served over real HTTP by the command line."""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch

from driftlead.errors import DriftleadError, InvalidDataError, InvalidParameterError, ReferenceMismatchError
from driftlead.reference import ReferenceProfile
from driftlead.service import ArrayPredictor
from driftlead.service.loading import load_predictor, watched_predictor
from driftlead.signals import Signal, feature_signals
from tests.cli.conftest import PORTS, serving, start

ROWS = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
MODULE = """
import numpy as np
from sklearn.linear_model import LogisticRegression
import torch

def by_rows(rows):
    return rows.sum(axis=1)

def fitted():
    rows = np.random.default_rng(0).normal(size=(200, 3))
    return LogisticRegression().fit(rows, rows.sum(axis=1) > 0)

class Network(torch.nn.Module):
    def forward(self, rows):
        return torch.softmax(rows[:, :2], dim=1)

def broken():
    raise OSError("no weights\\nhere")

nothing = 3
"""


@pytest.fixture
def models(tmp_path, monkeypatch) -> Path:
    """A folder with a module of models, from which the process runs."""
    (tmp_path / "models_of_a_user.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("models_of_a_user", None)
    return tmp_path


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()


def test_files_of_pytorch_answer_as_the_network_does(tmp_path):
    model = network()
    expected = model(torch.from_numpy(ROWS)).softmax(dim=1).detach().numpy()
    batch = ({0: torch.export.Dim.AUTO},)
    torch.export.save(
        torch.export.export(model, (torch.zeros(2, 3),), dynamic_shapes=batch), tmp_path / "m.pt2"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(model, torch.zeros(2, 3)), tmp_path / "m.pt")
    for file, shape in (("m.pt2", None), ("m.pt", (3,))):
        predictor = load_predictor(str(tmp_path / file), row_shape=shape, softmax=True)
        answer = predictor.predict({"input": ROWS})
        np.testing.assert_allclose(answer.outputs["probabilities"], expected, rtol=1e-5)
        np.testing.assert_allclose(answer.signals[:, :3], ROWS)
        np.testing.assert_allclose(answer.signals[:, 3], expected.max(axis=1), rtol=1e-5)
        assert (predictor.name, predictor.platform, len(predictor.version)) == ("m", "pytorch", 12)
    with pytest.raises(InvalidDataError, match="Of logits take the softmax"):
        load_predictor(str(tmp_path / "m.pt2"))
    with pytest.raises(InvalidParameterError, match="row_shape must be given"):
        load_predictor(str(tmp_path / "m.pt"))
    (tmp_path / "text.pt2").write_text("no model")
    with pytest.raises(DriftleadError, match=r"is no file of torch\.export\.save"):
        load_predictor(str(tmp_path / "text.pt2"))
    with pytest.raises(DriftleadError, match=r"is no file of torch\.jit\.save"):
        load_predictor(__file__)


def test_import_paths_lead_to_functions_estimators_and_networks(models):
    value = load_predictor("models_of_a_user:by_rows", feature_names=["a", "b", "c"])
    answer = value.predict({"input": ROWS})
    np.testing.assert_allclose(answer.outputs["value"], ROWS.sum(axis=1), rtol=1e-6)
    assert [signal.name for signal in value.signals][-1] == "prediction:value"
    for name in ("fitted", "Network"):
        predictor = load_predictor(f"models_of_a_user:{name}", row_shape=(3,))
        probabilities = predictor.predict({"input": ROWS}).outputs["probabilities"]
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    ours = load_predictor("tests.service.linear:LinearClassifier")
    assert ours.name == "linear"


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("models_of_a_user:absent", "has no attribute 'absent'"),
        ("no_such_module:a", "No module named 'no_such_module'"),
        ("models_of_a_user:broken", "models_of_a_user:broken cannot be loaded: OSError: no weights"),
        ("models_of_a_user:nothing", "it is of type int"),
        ("nothing", "neither a file nor an import path"),
    ],
)
def test_what_is_no_model_is_named(models, target, complaint):
    with pytest.raises(DriftleadError) as refused:
        load_predictor(target, row_shape=(3,))
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_profile_chooses_what_is_watched():
    def half(rows):
        return np.full((len(rows), 2), 0.5)

    def profile(signals, model_hash=""):
        return ReferenceProfile.from_rows(signals, np.zeros((9, len(signals))), model_hash=model_hash)

    def predictor():
        return ArrayPredictor(half, (3,), name="half", version="1", feature_names=["a", "b", "c"])

    few = profile([Signal("prediction:entropy"), Signal("feature:b")])
    watched = watched_predictor(predictor(), few)
    np.testing.assert_allclose(
        watched.predict({"input": ROWS}).signals, np.column_stack([np.full(7, np.log(2)), ROWS[:, 1]])
    )
    with pytest.raises(ReferenceMismatchError, match="belongs to model 2"):
        watched_predictor(predictor(), profile(feature_signals(["a"]), "2"))
    with pytest.raises(ReferenceMismatchError, match="has a signal 'feature:z'"):
        watched_predictor(predictor(), profile(feature_signals(["z"])))
    with pytest.raises(InvalidParameterError, match="feature_names must be one for each of 3"):
        ArrayPredictor(half, (3,), name="half", version="1", feature_names=["a"])
    with pytest.raises(InvalidDataError, match="fails on rows of zeros"):
        ArrayPredictor(lambda rows: 1 / 0, (3,), name="half", version="1")
    with pytest.raises(InvalidDataError, match=r"for 2 rows it gave \(2, 2, 2\)"):
        ArrayPredictor(lambda rows: np.zeros((2, 2, 2)), (3,), name="half", version="1")


def test_missing_values_are_taken_where_the_reference_has_some():
    def filled(rows):
        high = np.nan_to_num(rows[:, 0], nan=0.5)
        return np.column_stack([1.0 - high, high])

    reference = np.full((9, 3), 0.5)
    whole = ReferenceProfile.from_rows(feature_signals("abc"), reference, model_hash="")
    reference[4, 0] = np.nan
    holed = ReferenceProfile.from_rows(feature_signals("abc"), reference, model_hash="")
    row = {"input": np.array([[np.nan, 0.1, 0.2]], np.float32)}
    for function, profile, allowed in ((filled, whole, False), (filled, holed, True)):
        predictor = ArrayPredictor(function, (3,), name="a", version="1", feature_names="abc")
        watched = watched_predictor(predictor, profile)
        assert watched.allows_missing is allowed
        assert watched.predict(row).outputs["label"].tolist() == [0]

    def unfilled(rows):
        return np.column_stack([1.0 - rows[:, 0], rows[:, 0]])

    watched = watched_predictor(
        ArrayPredictor(unfilled, (3,), name="a", version="1", feature_names="abc"), holed
    )
    with pytest.raises(InvalidDataError, match=r"row 0 \(the first is 0\) must not hold missing values"):
        watched.predict(row)


# --- the commands ------------------------------------------------------------------------------------


def wait_for_rows(client: httpx.Client, url: str, rows: int) -> None:
    deadline = time.monotonic() + 20
    while client.get(f"{url}/api/v1/monitor").json()["rows"] < rows:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_users_model_is_profiled_served_and_watched(models):
    rows = np.random.default_rng(1).normal(size=(400, 3))
    np.savetxt("train.csv", rows, delimiter=",", header="a,b,c", comments="")
    model = ("--model", "models_of_a_user:fitted")
    made = start("profile", "train.csv", *model, "-o", "reference.state")
    assert made.communicate(timeout=60)[0] == "reference.state: 6 signals of 400 rows\n"
    served = ("serve", "models_of_a_user:fitted", "-r", "reference.state", "--folder", "kept")
    environment_key = "a key that is long"
    os.environ["DRIFTLEAD_API_KEY"] = environment_key
    try:
        with serving(*served) as said, httpx.Client(timeout=10) as client:
            tensor = {"name": "input", "shape": [2, 3], "datatype": "FP32", "data": [0, 1, 2, 3, 4, 5]}
            answer = client.post(
                f"{said['url']}/v2/models/fitted/infer", json={"id": "r", "inputs": [tensor]}
            )
            assert [output["name"] for output in answer.json()["outputs"]] == ["probabilities", "label"]
            wait_for_rows(client, said["url"], 2)
            labels = {"id": "r", "labels": [1, 1]}
            assert client.post(f"{said['url']}/feedback", json=labels).status_code == 401
            key = {"Authorization": f"Bearer {environment_key}"}
            given = client.post(f"{said['url']}/feedback", json=labels, headers=key)
            assert given.json()["matched"] == 2
            metrics = client.get(said["metrics_url"]).text
            assert 'driftlead_predictions_total{label="1",model="fitted",version="1"} 2.0' in metrics
    finally:
        del os.environ["DRIFTLEAD_API_KEY"]
    assert (models / "kept" / "driftlead.db").is_file()


def test_a_model_served_elsewhere_is_watched(tmp_path):
    profile = ReferenceProfile.from_rows(
        feature_signals(["a", "b", "c"]), np.random.default_rng(0).normal(size=(300, 3)), model_hash=""
    )
    profile.save(tmp_path / "reference.state")
    command = ("watch", "-r", tmp_path / "reference.state", "--model", "credit")
    with serving(*command) as said, httpx.Client(timeout=10) as client:
        headers = {"ce-id": "7", "ce-type": "x.request", "ce-specversion": "1.0"}
        sent = client.post(f"{said['url']}/events", json={"instances": ROWS.tolist()}, headers=headers)
        assert sent.status_code == 202
        wait_for_rows(client, said["url"], 7)
        metrics = client.get(said["metrics_url"]).text
        assert 'driftlead_events_total{model="credit",outcome="watched",version="1"} 1.0' in metrics
        assert 'driftlead_monitor_rows_total{model="credit",version="1"} 7.0' in metrics
        written = start("report", said["url"], "-o", tmp_path / "report.md", "--hours", "1")
        assert written.communicate(timeout=60)[0] == f"{tmp_path / 'report.md'}\n"
        assert "credit" in (tmp_path / "report.md").read_text()
    lost = start("report", said["url"], "-o", tmp_path / "late.md")
    output, errors = lost.communicate(timeout=60)
    assert (lost.returncode, output, len(errors.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("serve", "nothing", "-r", "{profile}"), "driftlead serve: nothing is neither a file"),
        (("serve", "m:f", "-r", "absent.state"), "driftlead serve: cannot read state file absent.state"),
        (("watch", "-r", "{profile}", "--model", "m", "--host", "no.such.invalid"), "the setting is --host"),
        (
            ("watch", "-r", "{profile}", "--model", "m", "--folder", "{profile}"),
            "p.state cannot hold the state (File exists); choose another with --folder",
        ),
    ],
)
def test_what_cannot_start_says_so_in_one_line(tmp_path, arguments, complaint):
    profile = ReferenceProfile.from_rows(feature_signals(["a"]), [[0.0], [1.0]], model_hash="")
    profile.save(tmp_path / "p.state")
    process = start(*(argument.format(profile=tmp_path / "p.state") for argument in arguments), *PORTS)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, "")
    (line,) = errors.splitlines()
    assert complaint in line
