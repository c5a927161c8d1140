from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from dataloader import load
from driftlead.activations import Layer, outputs
from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.service.predictor import Predictor
from driftlead.signals import join_rows
from model.predictor import TorchPredictor


@pytest.fixture(scope="module")
def predictor(trained):
    return TorchPredictor(trained)


@pytest.fixture(scope="module")
def images(trained):
    return load(trained.settings.data).features[trained.splits.holdout]


def test_it_is_a_predictor_of_the_service(predictor, trained):
    assert isinstance(predictor, Predictor)
    assert (predictor.name, predictor.version, predictor.platform) == (
        "digits",
        trained.model_hash,
        "pytorch",
    )
    assert predictor.inputs[0].shape == (-1, 8, 8)
    assert [(spec.name, spec.datatype, spec.shape) for spec in predictor.outputs] == [
        ("probabilities", "FP32", (-1, 10)),
        ("label", "INT64", (-1,)),
    ]


def test_outputs_and_signals_are_what_the_network_did(predictor, trained, images):
    answer = predictor.predict({"input": images[:40]})
    network = trained.network()
    with torch.no_grad():
        rows = torch.from_numpy(images[:40])
        hidden = network.conv1(network.preprocessing(rows)[:, None])
        expected = network(rows).softmax(1).numpy()
    assert np.allclose(answer.outputs["probabilities"], expected, atol=1e-6)
    assert answer.outputs["probabilities"].dtype == np.float32
    assert np.array_equal(answer.outputs["label"], expected.argmax(1))
    assert answer.outputs["label"].dtype == np.int64
    assert np.array_equal(answer.scores, answer.outputs["probabilities"])
    column = {signal.name: index for index, signal in enumerate(predictor.signals)}
    signals = np.asarray(answer.signals)
    assert len(column) == signals.shape[1] == 64 + 2 * 3 + 3
    assert np.array_equal(signals[:, column["feature:pixel_3_4"]], images[:40, 3, 4])
    flat = hidden.flatten(1).double().numpy()
    assert np.allclose(signals[:, column["activation:conv1.mean"]], flat.mean(1), rtol=1e-4)
    assert np.allclose(signals[:, column["activation:conv1.std"]], flat.std(1), rtol=1e-4)
    assert np.allclose(signals[:, column["prediction:confidence"]], expected.max(1), atol=1e-6)
    assert np.allclose(signals[:, column["prediction:entropy"]], entropy(expected, axis=1), atol=1e-5)
    assert np.array_equal(signals[:, column["prediction:class"]], expected.argmax(1))
    assert predictor.signals[column["prediction:class"]].kind == "categorical"


def test_a_request_of_too_many_rows_to_reduce_at_once_computes_no_signals(predictor, images, monkeypatch):
    """They are for the monitor's thread, many requests at once; moments of few rows cost less than copies."""
    monkeypatch.setattr(outputs, "_ROWS_AT_ONCE", 1)
    computed = []
    reduce = Layer.reduce
    monkeypatch.setattr(
        Layer, "reduce", lambda self, output: computed.append(len(output)) or reduce(self, output)
    )
    parts = [predictor.predict({"input": images[row : row + 2]}).signals for row in range(5)]
    assert computed == []
    assert join_rows(parts).shape == (10, len(predictor.signals))
    assert computed == [10] * 3


def test_sure_predictions_do_not_tie(trained, images):
    """In single precision a network this sure would answer 1 exactly, to most images."""
    surer = {key: value * 3 if key.startswith("output.") else value for key, value in trained.weights.items()}
    answer = TorchPredictor(replace(trained, weights=surer)).predict_all(images)
    assert np.mean(answer.outputs["probabilities"].max(axis=1) == 1) > 0.5
    for signal in (-3, -2):
        assert len(np.unique(answer.signals[:, signal])) > 0.95 * len(images)


def test_the_batch_does_not_change_a_row(predictor, images):
    whole = predictor.predict({"input": images[:30]})
    single = [predictor.predict({"input": images[row : row + 1]}) for row in range(30)]
    joined = join_rows([each.signals for each in single])
    assert np.allclose(whole.signals, joined, rtol=1e-4, atol=1e-5)
    parts = predictor.predict_all(images[:30], batch_size=7)
    assert np.array_equal(parts.scores, parts.outputs["probabilities"])
    assert np.allclose(whole.signals, parts.signals, rtol=1e-4, atol=1e-5)
    assert np.array_equal(whole.outputs["label"], parts.outputs["label"])


def test_read_only_memory_of_a_request_is_fine(predictor, images):
    frozen = np.frombuffer(images[:2].tobytes(), np.float32).reshape(2, 8, 8)
    assert not frozen.flags.writeable
    assert predictor.predict({"input": frozen}).outputs["label"].shape == (2,)


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ({}, "none"),
        ({"input": np.ones((2, 64))}, r"\(2, 64\)"),
        ({"input": np.ones((8, 8))}, r"\(8, 8\)"),
        ({"input": np.ones((0, 8, 8))}, r"\(0, 8, 8\)"),
    ],
)
def test_another_shape_is_refused(predictor, inputs, found):
    with pytest.raises(
        InvalidDataError, match=rf"input must have shape \(rows, 8, 8\) with at least one row, got {found}"
    ):
        predictor.predict(inputs)


def test_chosen_layers(trained, images):
    def signals(layers):
        settings = trained.settings.model_copy(update={"monitored_layers": layers})
        chosen = TorchPredictor(replace(trained, settings=settings))
        assert chosen.predict({"input": images[:3]}).signals.shape == (3, len(chosen.signals))
        return [signal.name for signal in chosen.signals if signal.name.startswith("activation:")]

    assert signals(("hidden1",)) == ["activation:hidden1.mean", "activation:hidden1.std"]
    assert signals(()) == []
    with pytest.raises(InvalidParameterError, match="conv9"):
        signals(("conv9",))
