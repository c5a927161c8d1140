"""What each corruption promises, on images like the demo's."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from executor.demo.corruptions import BLUR_PIXELS, CORRUPTIONS, corrupt

LOW, HIGH = 0.0, 16.0


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(3).uniform(LOW, HIGH, size=(40, 8, 8))


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_severity_counts_row_by_row_and_zero_leaves_a_row_as_it_was(kind, images):
    severity = np.where(np.arange(len(images)) % 2, 0.7, 0.0)
    bad = corrupt(kind, images, severity, LOW, HIGH, np.random.default_rng(0))
    np.testing.assert_array_equal(bad[::2], images[::2])
    assert (np.abs(bad[1::2] - images[1::2]).max(axis=(1, 2)) > 0.5).all()


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_more_severity_goes_further_and_stays_in_range(kind, images):
    steps = [
        corrupt(kind, images, np.full(40, s), LOW, HIGH, np.random.default_rng(0)) for s in (0.1, 0.5, 1.0)
    ]
    distance = [np.abs(step - images).mean() for step in steps]
    assert distance == sorted(distance)
    assert distance[0] < 0.5 * distance[-1]
    for step in steps:
        assert step.min() >= LOW
        assert step.max() <= HIGH


def test_noise_has_the_stated_spread():
    grey = np.full((400, 8, 8), 8.0)
    noisy = corrupt("sensor_noise", grey, np.full(400, 0.25), LOW, HIGH, np.random.default_rng(1))
    assert noisy.std() == pytest.approx(0.25 * 8.0, rel=0.02)
    assert noisy.mean() == pytest.approx(8.0, abs=0.05)


def test_blur_is_scipys_on_each_image_and_channel(images):
    coloured = images.reshape(10, 8, 8, 4)[..., :3]
    blurred = corrupt("blur", coloured, np.full(10, 0.5), LOW, HIGH, np.random.default_rng(0))
    for image in (0, 9):
        for channel in range(3):
            expected = gaussian_filter(coloured[image, ..., channel], BLUR_PIXELS * 0.5, mode="nearest")
            np.testing.assert_allclose(blurred[image, ..., channel], expected, atol=1e-12)


def test_full_contrast_loss_is_flat_grey(images):
    flat = corrupt("contrast", images, np.ones(40), LOW, HIGH, np.random.default_rng(0))
    np.testing.assert_allclose(flat, 8.0)


def test_a_table_has_a_range_for_each_column():
    table = np.array([[0.0, 100.0], [1.0, 300.0], [np.nan, 200.0]])
    low, high = np.array([0.0, 100.0]), np.array([1.0, 300.0])
    halved = corrupt("contrast", table, np.full(3, 0.5), low, high, np.random.default_rng(0))
    np.testing.assert_allclose(halved, [[0.25, 150.0], [0.75, 250.0], [np.nan, 200.0]])
