"""What each corruption promises, on images like the demo's."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits

from dataloader.corruptions import BLUR_PIXELS, CORRUPTIONS, corrupt

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
def test_more_severity_goes_further_and_stays_in_range(kind):
    images = load_digits().images[:40]  # of noise, any turn is as far as any other
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


def one(kind, image, severity, seed=0):
    return corrupt(kind, image[np.newaxis], [severity], LOW, HIGH, np.random.default_rng(seed))[0]


STROKE = np.zeros((8, 8))
STROKE[2:6, 3] = 16.0


def test_photons_are_counted():
    grey = np.full((400, 8, 8), 4.0)
    seen = corrupt("shot_noise", grey, np.full(400, 0.25), LOW, HIGH, np.random.default_rng(1))
    steps = seen / 16.0 * 12.0  # twelve photons at the top of the range
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)
    assert (steps.mean(), steps.var()) == pytest.approx((3.0, 3.0), rel=0.03)


def test_impulses_are_white_or_black():
    grey = np.full((400, 8, 8), 8.0)
    seen = corrupt("impulse_noise", grey, np.full(400, 0.4), LOW, HIGH, np.random.default_rng(1))
    shares = [(seen == value).mean() for value in (0.0, 8.0, 16.0)]
    assert shares == pytest.approx([0.1, 0.8, 0.1], abs=0.01)


def test_speckle_leaves_the_dark_alone():
    seen = np.array([one("speckle_noise", STROKE / 2, 0.5, seed) for seed in range(400)])
    assert (seen[:, STROKE == 0] == 0.0).all()
    assert np.median(seen[:, STROKE > 0]) == pytest.approx(8.0, abs=0.2)
    assert np.quantile(seen[:, STROKE > 0], 0.8413) == pytest.approx(12.0, abs=0.4)  # one deviation more


def test_motion_smears_along_rows_and_keeps_the_ink():
    seen = one("motion_blur", STROKE, 0.5)
    np.testing.assert_allclose(seen.sum(axis=1), STROKE.sum(axis=1))
    assert (seen[2:6, 2:5] > 0).all()
    np.testing.assert_allclose(seen, seen[:, [0, 5, 4, 3, 2, 1, 6, 7]], atol=1e-9)  # to both sides alike


def test_brightness_adds_half_of_the_range():
    np.testing.assert_array_equal(one("brightness", STROKE, 1.0), np.where(STROKE > 0, 16.0, 8.0))


def test_pixels_grow():
    image = np.arange(64.0).reshape(8, 8) / 4
    seen = one("pixelate", image, 1.0)
    expected = image.reshape(2, 4, 2, 4).mean(axis=(1, 3)).repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_allclose(seen, expected)
    assert len(np.unique(one("pixelate", image, 0.67))) == 16


def test_a_square_is_covered_somewhere():
    seen = np.array([one("occlusion", np.full((8, 8), 9.0), 0.5, seed) for seed in range(200)])
    assert ((seen == 0).sum(axis=(1, 2)) == 16).all()
    assert (seen == 0).any(axis=0).all()


def test_a_stroke_moves_to_the_right_and_turns():
    np.testing.assert_allclose(one("shift", STROKE, 0.5), np.roll(STROKE, 2, axis=1))
    np.testing.assert_allclose(one("rotation", STROKE, 1.0), np.rot90(STROKE), atol=1e-9)


def test_stuck_pixels_are_the_same_in_every_image_and_stay_stuck():
    black = np.zeros((30, 8, 8))
    stuck = {
        severity: corrupt(
            "stuck_pixels", black, np.full(30, severity), LOW, HIGH, np.random.default_rng(seed)
        )
        for seed, severity in enumerate((0.01, 0.5, 1.0))
    }
    assert [int((images[0] == 16.0).sum()) for images in stuck.values()] == [1, 8, 16]
    for images in stuck.values():
        assert (images == images[0]).all()
    assert (stuck[0.5] <= stuck[1.0]).all()


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_coloured_images_are_corrupted_too(kind, images):
    coloured = np.repeat(images[:5, ..., np.newaxis], 3, axis=3)
    bad = corrupt(kind, coloured, np.full(5, 0.6), LOW, HIGH, np.random.default_rng(0))
    assert bad.shape == coloured.shape
    assert not np.array_equal(bad, coloured)
