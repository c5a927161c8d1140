"""Forward hooks see what the layers put out, per row, and leave no trace."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

from driftlead.activations import watch
from driftlead.errors import InvalidDataError, InvalidParameterError


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()


def test_take_is_mean_and_std_of_each_row(network):
    images = torch.randn(7, 1, 8, 8)
    with watch(network, ["1", "3"]) as watched, torch.inference_mode():
        output = network(images)
        seen = watched.take()
        hidden = network[1](network[0](images)).flatten(1).numpy()
    expected = np.column_stack([hidden.mean(1), hidden.std(1), output.numpy().mean(1), output.numpy().std(1)])
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-7)
    assert [signal.name for signal in watched.signals] == [
        "activation:1.mean",
        "activation:1.std",
        "activation:3.mean",
        "activation:3.std",
    ]


def test_one_row_and_one_unit_have_a_spread_of_zero():
    network = nn.Linear(2, 1)
    wrapped = nn.Sequential(network)
    with watch(wrapped, ["0"]) as watched:
        wrapped(torch.ones(1, 2))
        assert watched.take()[0, 1] == 0.0


def test_no_rows_are_no_statistics(network):
    with watch(network, ["0", "3"]) as watched:
        network(torch.zeros(0, 1, 8, 8))
        assert watched.take().shape == (0, 4)


def test_removed_hooks_leave_the_network_as_it_was(network):
    before = [len(module._forward_hooks) for module in network.modules()]
    watched = watch(network, ["0", "3"])
    watched.remove()
    watched.remove()
    assert [len(module._forward_hooks) for module in network.modules()] == before
    network(torch.zeros(2, 1, 8, 8))
    with pytest.raises(InvalidDataError, match="no forward pass went through layer '0'"):
        watched.take()


def test_statistics_are_taken_once(network):
    with watch(network, ["3"]) as watched:
        network(torch.zeros(2, 1, 8, 8))
        watched.take()
        with pytest.raises(InvalidDataError):
            watched.take()


def test_threads_do_not_see_each_other(network):
    with watch(network, ["3"]) as watched:
        network(torch.zeros(2, 1, 8, 8))

        def other() -> None:
            network(torch.zeros(9, 1, 8, 8))
            shapes.append(watched.take().shape)

        shapes: list[tuple[int, ...]] = []
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert shapes == [(9, 2)]
        assert watched.take().shape == (2, 2)


def test_a_layer_that_answers_with_a_tuple_gives_its_first_output():
    network = nn.Sequential(nn.LSTM(3, 4, batch_first=True))
    with watch(network, ["0"]) as watched:
        output, _ = network(torch.randn(6, 5, 3))
        np.testing.assert_allclose(
            watched.take()[:, 0], output.detach().flatten(1).mean(1).numpy(), rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["nope"], r"layers must be among the network's layers \(0, 1, 2, 3\), got 'nope'"),
        ([""], "layers must be among"),
        (["0", "0"], "layers must be without repetition"),
    ],
)
def test_bad_layers_are_refused(network, layers, message):
    with pytest.raises(InvalidParameterError, match=message):
        watch(network, layers)
