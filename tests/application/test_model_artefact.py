import io
import pickle
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from driftlead.calibration import calibrate
from driftlead.monitor import MonitorSettings
from driftlead.monitor.watch import detector_specs
from model import artefact
from model.artefact import ArtefactError, load, save

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tamper(trained_model_path, tmp_path):
    """Write a copy of the trained file after changing its contents."""

    def write(change):
        contents = torch.load(trained_model_path, weights_only=True)
        change(contents)
        path = tmp_path / "model.pt"
        torch.save(contents, path)
        return path

    return write


def message(path):
    with pytest.raises(ArtefactError) as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert "train_model.py" in text, "it must say how to mend it"
    return text.removeprefix(f"{path} ")


def test_a_model_comes_back_as_it_was(trained, tmp_path):
    path = tmp_path / "new" / "folder" / "model.pt"
    save(path, trained)
    again = load(path)
    for field in (
        "name",
        "input_shape",
        "class_names",
        "feature_names",
        "allows_missing",
        "fingerprint",
        "model_hash",
    ):
        assert getattr(again, field) == getattr(trained, field)
    assert again.settings == trained.settings
    assert all(np.array_equal(a, b) for a, b in zip(again.splits, trained.splits, strict=True))
    assert again.weights.keys() == trained.weights.keys()
    assert all(torch.equal(again.weights[key], trained.weights[key]) for key in trained.weights)
    assert all(torch.equal(again.preprocessing[key], trained.preprocessing[key]) for key in ("mean", "std"))
    assert again.profile.signals == trained.profile.signals
    for mine, theirs in zip(again.profile.samples, trained.profile.samples, strict=True):
        assert np.array_equal(mine, theirs)


def test_any_program_reads_the_file_without_running_code(trained_model_path):
    contents = torch.load(trained_model_path, weights_only=True)
    assert contents["class_names"] == list("0123456789")
    assert contents["input_shape"] == [8, 8]
    assert contents["config"]["training"]["epochs"] == 20
    assert set(contents["preprocessing"]) == {"mean", "std"}
    assert set(contents["splits"]) == {"train", "reference", "holdout"}
    assert len(contents["data_fingerprint"]) == 64
    assert contents["reference"]["model_hash"] == contents["model_hash"]
    assert contents["weights"]["output.weight"].shape == (10, 64)


def test_equal_models_are_equal_files(trained, trained_model_path, tmp_path):
    save(tmp_path / "other.pt", trained)
    assert (tmp_path / "other.pt").read_bytes() == trained_model_path.read_bytes()


def test_the_hash_is_of_what_decides_an_answer(trained):
    settings = trained.settings
    elsewhere = replace(trained, settings=settings.model_copy(update={"output": Path("x.pt")}))
    assert elsewhere.model_hash == trained.model_hash
    flipped = {**trained.weights, "output.bias": trained.weights["output.bias"].flip(0)}
    others = [
        replace(trained, weights=flipped),
        replace(trained, preprocessing={**trained.preprocessing, "std": trained.preprocessing["std"] * 2}),
        replace(trained, class_names=trained.class_names[::-1]),
        replace(trained, settings=settings.model_copy(update={"seed": 1})),
    ]
    assert len({each.model_hash for each in [trained, *others]}) == 5
    assert len(trained.model_hash) == 12


def test_no_file(tmp_path):
    assert message(tmp_path / "model.pt") == "not found: run `python train_model.py` first"


@pytest.mark.parametrize("share", [0.999, 0.9, 0.5, 0.01])
def test_a_truncated_file(trained_model_path, tmp_path, share):
    whole = trained_model_path.read_bytes()
    path = tmp_path / "model.pt"
    path.write_bytes(whole[: int(share * len(whole))])
    assert message(path).startswith("is truncated; copy it again or train it anew")


def test_an_empty_file(tmp_path):
    (tmp_path / "model.pt").touch()
    assert message(tmp_path / "model.pt").startswith("is empty")


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("sprung"),))


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"PK\x03\x04 but no zip PK\x05\x06",
        pickle.dumps({"weights": [1, 2]}),
        pickle.dumps(Trap()),
        pytest.param("tensor", id="a tensor"),
        pytest.param("module", id="a whole module"),
        pytest.param("trap", id="a trap"),
        pytest.param("dictionary", id="another dictionary"),
    ],
)
def test_something_else(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    objects = {
        "tensor": torch.ones(3),
        "module": torch.nn.Linear(2, 2),
        "trap": Trap(),
        "dictionary": {"state_dict": {}},
    }
    if isinstance(content, str):
        buffer = io.BytesIO()
        torch.save(objects[content], buffer)
        content = buffer.getvalue()
    (tmp_path / "model.pt").write_bytes(content)
    assert message(tmp_path / "model.pt").startswith("is no model of this program; train it anew")
    assert not (tmp_path / "sprung").exists(), "loading ran code from the file"


def test_a_foreign_pickle_is_said_by_us_alone(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"weights": [1, 2]}, protocol=4))
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        assert message(path).startswith("is no model of this program")
    assert [str(remark.message) for remark in remarks] == []


def test_a_folder_in_its_place(tmp_path):
    with pytest.raises(ArtefactError, match=r"cannot be read \(Is a directory\)"):
        load(tmp_path)


def test_another_number_of_classes(tamper):
    path = tamper(lambda contents: contents["class_names"].pop())
    assert message(path).startswith("names 9 classes but its weights tell 10 apart")


def test_weights_of_another_shape(tamper):
    path = tamper(lambda contents: contents["config"]["network"].update(hidden=[32]))
    assert message(path).startswith(
        "holds weights that do not fit its configuration (size mismatch for hidden1"
    )
    path = tamper(lambda contents: contents["weights"].pop("hidden1.0.bias"))
    assert message(path).startswith("holds weights that do not fit its configuration (Missing key")


def test_changed_weights(tamper):
    def change(contents):
        contents["weights"]["output.bias"][0] += 1

    assert "it was changed after training" in message(tamper(change))


def test_the_reference_of_another_model(tamper):
    path = tamper(lambda contents: contents["reference"].update(model_hash="0" * 12))
    assert "and the reference profile of model 000000000000" in message(path)


def test_damage_elsewhere(tamper):
    def change(contents):
        contents["reference"]["values"][100] += 1

    assert message(tamper(change)).startswith("is damaged, its checksum does not match")


@pytest.mark.parametrize(
    "key", ["weights", "config", "reference", "splits", "model_hash", "checksum", "class_names"]
)
def test_a_missing_part(tamper, key):
    assert message(tamper(lambda contents: contents.pop(key))).startswith(
        f"is no complete model, it lacks '{key}'"
    )


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("config", {"sed": 1}, "config sed: Extra inputs are not permitted"),
        ("config", 3, "config"),
        ("reference", {"version": 99}, "reference profile has version 99"),
        ("reference", None, "reference"),
        ("splits", {"train": 1, "reference": 2, "holdout": 3}, "no attribute"),
        ("input_shape", ["a"], "invalid literal"),
        ("weights", [1, 2], ""),
    ],
)
def test_parts_of_another_kind(tamper, key, value, reason):
    text = message(tamper(lambda contents: contents.update({key: value})))
    assert text.startswith("is no model that this version reads")
    assert reason in text


def test_a_newer_format(tamper):
    assert message(tamper(lambda contents: contents.update(format_version=2))).startswith(
        "has format 2, this version reads up to 1; update"
    )


def test_a_failed_save_leaves_no_trace(trained, tmp_path):
    occupied = tmp_path / "model.pt"
    occupied.mkdir()
    with pytest.raises(ArtefactError, match=r"\(not a regular file\); choose another output"):
        save(occupied, trained)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.pt"]
    (tmp_path / "file").touch()
    with pytest.raises(ArtefactError, match="cannot be written"):
        save(tmp_path / "file" / "model.pt", trained)


def test_a_model_that_is_written_anew_stays_as_open_as_it_was(trained, tmp_path):
    path = tmp_path / "model.pt"
    path.touch()
    path.chmod(0o660)
    save(path, trained)
    assert load(path).model_hash == trained.model_hash
    assert path.stat().st_mode & 0o777 == 0o660


def test_a_reader_never_sees_half_a_file(trained, trained_model_path, tmp_path):
    """Kill a process that overwrites a model again and again: whole is what remains, old or new."""
    path = tmp_path / "model.pt"
    save(path, trained)
    code = (
        "import sys; from pathlib import Path; from model.artefact import load, save\n"
        "artefact = load(Path(sys.argv[1])); print('ready', flush=True)\n"
        "while True: save(Path(sys.argv[2]), artefact)"
    )
    command = [sys.executable, "-c", code, str(trained_model_path), str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "ready\n"
        for _ in range(10):
            assert load(path).model_hash == trained.model_hash
        writer.kill()
    assert load(path).model_hash == trained.model_hash


def test_thresholds_travel_with_the_model_and_only_with_theirs(trained, tmp_path):
    watched = MonitorSettings(detectors=("nmddm",), window=100)
    calibration = calibrate(
        trained.profile, false_alarm_every=watched.false_alarm_every, detectors=detector_specs(watched)
    )
    path = tmp_path / "model.pt"
    save(path, replace(trained, calibration=calibration))
    again = load(path).calibration
    assert again == calibration
    again.require(trained.profile, watched.false_alarm_every, detector_specs(watched))
    save(path, replace(trained, calibration=replace(calibration, model_hash="0" * 12)))
    assert "the thresholds of 000000000000" in message(path)


def test_a_file_of_an_earlier_release_has_no_thresholds(tamper):
    def forget(contents):
        del contents["calibration"], contents["checksum"]
        contents["checksum"] = artefact._digest(contents)

    assert load(tamper(forget)).calibration is None
