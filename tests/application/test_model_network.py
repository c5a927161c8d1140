import numpy as np
import pytest
import torch

from model.config import NetworkSettings
from model.network import Standardise, build


@pytest.mark.parametrize("shape", [(7,), (1,), (8, 8), (16, 12), (9, 9, 3), (4, 4, 3), (64, 48)])
@pytest.mark.parametrize("hidden", [(8,), (8, 6)])
def test_networks_take_rows_of_their_shape(shape, hidden):
    torch.manual_seed(0)
    network = build(NetworkSettings(channels=(4, 6, 8), hidden=hidden), shape, 5).eval()
    rows = torch.randn(3, *shape)
    logits = network(rows)
    assert logits.shape == (3, 5)
    assert torch.allclose(network(rows[1:2]), logits[1:2], atol=1e-5)
    assert network(rows[:0]).shape == (0, 5)


def test_every_hidden_layer_is_found_by_its_name():
    network = build(NetworkSettings(channels=(4, 6), hidden=(8, 7)), (8, 8), 3)
    assert network.layer_names == ("conv1", "conv2", "hidden1", "hidden2")
    assert set(network.layer_names) <= dict(network.named_modules()).keys()


def test_the_size_of_an_image_does_not_swell_the_network():
    small, large = (build(NetworkSettings(), (side, side), 10) for side in (16, 256))
    assert sum(map(torch.numel, small.parameters())) == sum(map(torch.numel, large.parameters()))


def test_columns_are_standardised_and_missing_values_become_the_mean():
    random = np.random.default_rng(0)
    rows = random.normal([0, 100, 1e7], [1, 5, 30], size=(500, 3)).astype(np.float32)
    rows[random.random(rows.shape) < 0.1] = np.nan
    layer = Standardise((3,))
    layer.fit(torch.from_numpy(rows))
    assert np.allclose(layer.mean, np.nanmean(rows.astype(float), axis=0), rtol=1e-6)
    assert np.allclose(layer.std, np.nanstd(rows.astype(float), axis=0), rtol=1e-5)
    out = layer(torch.from_numpy(rows)).numpy()
    assert np.array_equal(out == 0, np.isnan(rows) | (rows == layer.mean.numpy()))


def test_constant_and_empty_columns_are_harmless():
    rows = torch.tensor([[0.1, 5.0, torch.nan, 0.0], [0.1, 5.0, torch.nan, 0.0], [0.1, 5.0, torch.nan, 0.0]])
    layer = Standardise((4,))
    layer.fit(rows)
    assert layer.std.tolist() == [1, 1, 1, 1]
    assert torch.isfinite(layer(rows)).all()


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_images_are_standardised_by_colour(shape):
    images = np.random.default_rng(1).normal(40, 7, size=(20, *shape)).astype(np.float32)
    layer = Standardise(shape)
    layer.fit(torch.from_numpy(images))
    assert np.allclose(layer.mean.squeeze(), images.mean(axis=(0, 1, 2)), rtol=1e-5)
    assert np.allclose(layer.std.squeeze(), images.std(axis=(0, 1, 2)), rtol=1e-4)
    assert layer(torch.from_numpy(images)).shape == images.shape
