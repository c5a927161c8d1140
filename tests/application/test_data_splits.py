from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dataloader import load, split
from dataloader.batches import batches, shift_images
from dataloader.config import DigitsSource, SplitFractions
from dataloader.dataset import Dataset
from dataloader.schema import check
from driftlead.errors import InvalidDataError


def labelled(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    names = tuple(f"class {label}" for label in range(len(counts)))
    return Dataset("d", np.zeros((len(labels), 1), np.float32), labels, ("x",), names)


@given(
    counts=st.lists(st.integers(12, 60), min_size=2, max_size=5),
    train=st.floats(0.2, 0.6),
    reference=st.floats(0.1, 0.3),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_row_is_in_one_part_and_classes_keep_their_shares(counts, train, reference, seed):
    data = labelled(counts)
    fractions = SplitFractions(train=train, reference=reference, holdout=1 - train - reference)
    parts = split(data, fractions, seed)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(data.labels)))
    for part, fraction in zip(parts, (train, reference, fractions.holdout), strict=True):
        got = np.bincount(data.labels[part], minlength=len(counts))
        assert np.all(np.abs(got - fraction * np.array(counts)) <= 1)


def test_the_seed_decides_the_split():
    data = load(DigitsSource())
    first, again, other = (split(data, SplitFractions(), seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.train, other.train)
    assert [len(part) for part in first] == [
        pytest.approx(share * 1797, abs=5) for share in (0.5, 0.25, 0.25)
    ]


def test_rows_in_the_order_of_time_are_split_by_time():
    data = replace(labelled([10, 10]), labels=np.tile([0, 1], 10), time_ordered=True)
    parts = split(data, SplitFractions(), 0)
    assert [part.tolist() for part in parts] == [
        list(range(10)), list(range(10, 15)), list(range(15, 20))
    ]  # fmt: skip
    late = replace(labelled([10, 10]), time_ordered=True)  # the second class begins half way
    with pytest.raises(
        InvalidDataError, match=r"class 'class 0' has too few rows .*: 10 rows give 10 / 0 / 0"
    ):
        split(late, SplitFractions(), 0)


def test_a_rare_class_is_named():
    with pytest.raises(
        InvalidDataError, match=r"class 'class 1' has too few rows .*: 2 rows give 1 / 1 / 0 for"
    ):
        split(labelled([20, 2]), SplitFractions(), 0)


def test_fractions_add_up():
    with pytest.raises(ValidationError, match=r"must add up to 1, got 1\.1"):
        SplitFractions(train=0.6, reference=0.25, holdout=0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros(3, np.int64)}, r"one label per row, got \(3,\) for 4 rows"),
        ({"labels": np.array([0, 0, 0, 0])}, r"rows of every class and of no other, got counts \[4 0\]"),
        ({"labels": np.array([0, 1, 2, 0])}, r"rows of every class and of no other, got counts \[2 1 1\]"),
        ({"feature_names": ("a",)}, "one name per feature, got 1 for 2 features"),
        ({"feature_names": ("a", "a")}, "feature names that differ"),
        ({"class_names": ("p",)}, "at least 2 classes, got 1"),
        (
            {"features": np.array([[1, 2], [3, np.nan], [5, 6], [7, 8]], np.float32)},
            "'b' must be finite, got nan in row 2",
        ),
        ({"features": np.full((4, 2), -np.inf, np.float32)}, "'a' must be finite, got -inf in row 1"),
    ],
)
def test_the_schema_of_a_data_set(change, message):
    sound = {
        "features": np.ones((4, 2), np.float32),
        "labels": np.array([0, 1, 0, 1]),
        "feature_names": ("a", "b"),
        "class_names": ("p", "q"),
    }
    check(Dataset("d", **sound), where="here")
    with pytest.raises(InvalidDataError, match=message):
        check(Dataset("d", **(sound | change)), where="here")


def test_missing_values_pass_the_schema_only_where_allowed():
    features = np.array([[1.0], [np.nan]], np.float32)
    arguments = ("d", features, np.array([0, 1]), ("x",), ("p", "q"))
    check(Dataset(*arguments, allows_missing=True), where="here")
    with pytest.raises(InvalidDataError):
        check(Dataset(*arguments, allows_missing=False), where="here")


@given(n=st.integers(1, 70), size=st.integers(2, 20), seed=st.integers(0, 99))
def test_batches_go_through_every_row_once(n, size, seed):
    rows = torch.arange(n)
    seen = list(batches(rows[:, None].float(), rows, size, torch.Generator().manual_seed(seed)))
    lengths = [len(labels) for _, labels in seen]
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1
    assert torch.equal(torch.cat([labels for _, labels in seen]).sort().values, rows)
    assert all(torch.equal(features[:, 0].long(), labels) for features, labels in seen)


@pytest.mark.parametrize("shape", [(50, 5, 4), (50, 5, 4, 3)])
def test_shifts_move_the_image_and_repeat_its_border(shape):
    images = torch.arange(int(np.prod(shape))).reshape(shape)
    shifted = shift_images(images, 2, torch.Generator().manual_seed(0))
    found = set()
    for image, moved in zip(images.numpy(), shifted.numpy(), strict=True):
        margin = [(2, 2), (2, 2)] + [(0, 0)] * (image.ndim - 2)
        padded = np.pad(image, margin, mode="edge")
        windows = {(dy, dx): padded[dy : dy + 5, dx : dx + 4] for dy in range(5) for dx in range(5)}
        (position,) = [key for key, window in windows.items() if np.array_equal(window, moved)]
        found.add(position)
    assert len(found) > 15  # of 25 shifts
