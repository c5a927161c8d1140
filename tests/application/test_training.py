import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import structlog
import torch
from typer.testing import CliRunner

import train_model
from dataloader import load
from driftlead.errors import InvalidParameterError
from driftlead.monitor import MonitorSettings
from driftlead.monitor.watch import detector_specs
from evaluation.quality import evaluate
from executor.serving import compose
from executor.settings import MonitorSection, ServingSettings
from executor.training import TrainingError, train
from model import artefact
from model.config import ModelSettings
from model.predictor import TorchPredictor

ROOT = Path(__file__).parents[2]


def short(**changes):
    """Settings that train in a fraction of a second."""
    return ModelSettings.model_validate({"training": {"epochs": 1, "batch_size": 128}, **changes})


def test_the_digits_are_learnt(trained):
    quality = evaluate(trained)
    assert quality.n_rows == 450
    assert quality.accuracy >= 0.98
    assert quality.calibration_error < 0.03


def test_the_same_seed_gives_the_same_model_bit_for_bit():
    first, again, other = (train(short(seed=seed)).artefact for seed in (3, 3, 4))
    assert first.model_hash == again.model_hash
    for key, value in first.weights.items():
        assert value.numpy().tobytes() == again.weights[key].numpy().tobytes()
    assert not torch.equal(first.weights["output.weight"], other.weights["output.weight"])
    assert not np.array_equal(first.splits.train, other.splits.train)


def test_the_profile_is_of_the_reference_rows_as_served(trained):
    data = load(trained.settings.data)
    predictor = TorchPredictor(trained)
    rows = trained.splits.reference
    assert not np.intersect1d(rows, trained.splits.train).size
    assert not np.intersect1d(rows, trained.splits.holdout).size
    assert trained.profile.n_rows == len(rows)
    served = predictor.predict_all(data.features[rows]).signals
    for column, sample in enumerate(trained.profile.samples):
        assert np.allclose(np.sort(served[:, column]), sample, rtol=1e-6)


def test_thresholds_are_found_where_it_is_known_how_the_model_will_be_watched():
    watched = MonitorSettings(window=100, detectors=("incremental_ks", "nmddm"))
    trained = train(short(), monitor=watched).artefact
    rows = watched.for_rows(trained.profile)
    trained.calibration.require(trained.profile, rows.false_alarm_every, detector_specs(rows))
    assert "without rows in the order of time" in trained.calibration.report()
    assert train(short()).artefact.calibration is None


def test_a_table_in_the_order_of_time_is_calibrated_with_its_dependence(tmp_path, monkeypatch):
    monkeypatch.setattr("driftlead.calibration.pricing._ROWS_PER_SIGNAL", (20_000, 20_000))
    monkeypatch.setattr("driftlead.calibration.correlated._MOST_ROWS", 50_000)
    rng = np.random.default_rng(3)
    value, lines = np.zeros(2), ["slow,fast,y"]
    for _ in range(1_600):
        value = np.array([0.8, 0.0]) * value + rng.normal(size=2)
        lines.append(f"{value[0]:.6f},{value[1]:.6f},{int(value.sum() + rng.normal() > 0)}")
    path = tmp_path / "ordered.csv"
    path.write_text("\n".join(lines) + "\n")
    table = {"source": "table", "path": path, "target": "y", "time_ordered": True}
    watched = MonitorSettings(window=20, detectors=("page_hinkley",), guarantee=0.9)
    settings = short(data=table, network={"hidden": [4]}, monitored_layers=["hidden1"])
    steps = []
    trained = train(settings, monitor=watched, on_calibration=lambda *step: steps.append(step)).artefact
    assert steps[0][1] == 0
    assert steps[-1][1] == steps[-1][2]
    assert trained.splits.reference.tolist() == list(range(800, 1_200))
    orders = {pair.signal: pair.order for pair in trained.calibration.pairs}
    assert (orders["feature:slow"], orders["feature:fast"]) == (1, 0)
    assert trained.calibration.guarantee == 0.9
    assert "without rows in the order of time" not in trained.calibration.report()
    asked = {"window": 20, "detectors": ["page_hinkley"], "guarantee": 0.9}
    for changed, warnings in (({}, 0), ({"false_alarm_every": 2e6}, 1)):  # rows are kept nowhere
        with structlog.testing.capture_logs() as said:
            service = compose(
                trained, ServingSettings(monitor=MonitorSection(**asked, **changed), storage={"folder": None})
            )
        service.monitor.close()
        assert sum("those of independent rows" in each["event"] for each in said) == warnings


def test_the_profile_knows_how_good_the_model_was_on_the_reference_rows(trained):
    data = load(trained.settings.data)
    rows = trained.splits.reference
    probabilities = TorchPredictor(trained).predict_all(data.features[rows]).outputs["probabilities"]
    known = trained.profile.quality
    assert (known.n_rows, known.class_names) == (len(rows), data.class_names)
    wrong = probabilities.argmax(axis=1) != data.labels[rows]
    assert known.errors.sum() == wrong.sum()
    assert known.metrics["accuracy"] == pytest.approx(1 - wrong.mean())
    assert known.calibration.correct.sum() == len(rows) - wrong.sum()


def test_progress_is_told():
    epochs = []
    train(short(training={"epochs": 3, "batch_size": 256}), on_epoch=epochs.append)
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert epochs[-1].loss < epochs[0].loss
    assert epochs[-1].accuracy > epochs[0].accuracy


def test_an_unknown_layer_is_refused_before_training():
    epochs = []
    with pytest.raises(
        InvalidParameterError, match=r"monitored_layers must be 'all' or a list of conv1, conv2, hidden1"
    ):
        train(short(monitored_layers=["conv3"]), on_epoch=epochs.append)
    with pytest.raises(InvalidParameterError, match="without repetition"):
        train(short(monitored_layers=["conv1", "conv1"]), on_epoch=epochs.append)
    assert epochs == []


def test_divergence_is_said(tmp_path):
    path = tmp_path / "huge.csv"
    path.write_text("x,y\n" + "".join(f"{-3.4e38 if row % 4 else 3.4e38:g},{row % 2}\n" for row in range(40)))
    data = {"source": "table", "path": path, "target": "y"}
    with pytest.raises(
        TrainingError, match=r"no finite number in epoch 1: lower training\.learning_rate, now 0\.005"
    ):
        train(short(data=data, training={"epochs": 2}))


# --- the script -------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Call ``train_model.py`` in an empty folder with the text of a configuration."""
    monkeypatch.chdir(tmp_path)

    def call(text, *flags):
        (tmp_path / "my.yaml").write_text(text)
        return CliRunner().invoke(app(), ["--config", "my.yaml", *flags])

    return call


def app():
    import typer

    program = typer.Typer()
    program.command()(train_model.main)
    return program


SHORT = "training: {epochs: 1, batch_size: 128}\n"


def test_the_script_writes_a_model_and_says_what_is_next(run):
    answer = run(SHORT, "--seed", "5", "--output", "made/here.pt")
    assert answer.exit_code == 0, answer.output
    model = artefact.load(Path("made/here.pt"))
    assert model.settings.seed == 5
    assert model.model_hash in answer.stdout
    assert "hold-out accuracy" in answer.stdout
    assert "python deployed_model.py --model made/here.pt" in answer.stdout


def test_a_table_by_editing_the_configuration_alone(run, iris_csv):
    text = f"data: {{source: table, path: {iris_csv}, target: species, ignore: [row], missing: impute}}\n"
    answer = run(text + "training: {epochs: 30, batch_size: 16}\nnetwork: {hidden: [16, 8]}\n")
    assert answer.exit_code == 0, answer.output
    model = artefact.load(Path("model.pt"))
    assert (model.name, model.input_shape, model.allows_missing) == ("iris", (4,), True)
    assert evaluate(model).accuracy > 0.85
    predictor = TorchPredictor(model)
    assert [signal.name for signal in predictor.signals[:5]] == [
        "feature:sepal length",
        "feature:sepal width",
        "feature:petal length",
        "feature:petal width",
        "activation:hidden1.mean",
    ]
    answer = predictor.predict({"input": np.array([[np.nan, 3.0, np.nan, 0.2]], np.float32)})
    assert np.isfinite(answer.outputs["probabilities"]).all()
    assert np.isnan(np.asarray(answer.signals)[0, :4]).tolist() == [True, False, True, False]


@pytest.mark.parametrize(("mode", "shape"), [("grayscale", (8, 8)), ("rgb", (8, 8, 3))])
def test_images_by_editing_the_configuration_alone(run, digit_folder, mode, shape):
    text = f"data: {{source: folder, path: '{digit_folder}', mode: {mode}, size: [8, 8]}}\n"
    answer = run(text + "training: {epochs: 8, batch_size: 16}\n")
    assert answer.exit_code == 0, answer.output
    model = artefact.load(Path("model.pt"))
    assert (model.input_shape, model.class_names) == (shape, ("nought", "one"))
    assert evaluate(model).accuracy > 0.9


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        ("traning: {}", [], "my.yaml: unknown key traning: did you mean training?"),
        ("training: {epochs: 0}", [], "my.yaml: training.epochs must be greater than or equal to 1, got 0"),
        ("", ["--seed", "-1"], "seed must be greater than or equal to 0, got -1"),
        ("", ["--config", "none.yaml"], "none.yaml not found in {folder}"),
        ("data: {source: table, path: x.csv, target: y}", [], "x.csv not found"),
        (
            "data: {source: folder, path: x}",
            [],
            "x must be a folder with one folder of images per class, found none",
        ),
        ("split: {train: 0.9}", [], "my.yaml: split: train, reference and holdout must add up to 1, got 1.4"),
        (
            "monitored_layers: [conv7]",
            [],
            "monitored_layers must be 'all' or a list of conv1, conv2, hidden1, got 'conv7'",
        ),
        ("", ["--output", "."], ". cannot be written (not a regular file); choose another output"),
        (
            "",
            ["--output", "my.yaml/m.pt"],
            "my.yaml/m.pt cannot be written (File exists); choose another output",
        ),
    ],
)
def test_the_script_answers_a_mistake_in_one_line(run, text, flags, message):
    answer = run(text, *flags)
    assert answer.exit_code == 2
    assert answer.stderr == f"train_model: {message.replace('{folder}', str(Path.cwd()))}\n"
    assert not Path("model.pt").exists()


def test_variables_reach_the_script(run, monkeypatch):
    monkeypatch.setenv("DRIFTLEAD_TRAINING__EPOCHS", "none")
    answer = run("")
    assert answer.exit_code == 2
    assert "DRIFTLEAD_TRAINING__EPOCHS (training.epochs) must be a whole number" in answer.stderr


def test_control_c_stops_cleanly_while_training(tmp_path):
    (tmp_path / "long.yaml").write_text("training: {epochs: 10000}\n")
    command = [sys.executable, str(ROOT / "train_model.py"), "--config", "long.yaml"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "FORCE_COLOR": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes) as process:
        process.stdout.read(1)  # the progress bar is there
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "train_model: stopped, nothing was written\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["long.yaml"]


@pytest.mark.parametrize("program", [["train_model.py"], ["deployed_model.py"], ["-m", "evaluation"]])
def test_control_c_leaves_no_traceback_while_pytorch_is_imported(tmp_path, program):
    # A module of this name is found before PyTorch, says that it is being imported, and takes its time.
    (tmp_path / "torch.py").write_text("import time; print('importing', flush=True); time.sleep(60)")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, *program], cwd=ROOT, env=environment, **pipes) as process:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == ""
