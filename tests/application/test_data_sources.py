import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from sklearn.datasets import load_digits, load_iris

from dataloader import load
from dataloader.config import DigitsSource, FolderSource, TableSource
from driftlead.errors import InvalidDataError


def test_digits_are_those_of_scikit_learn():
    digits, bunch = load(DigitsSource()), load_digits()
    assert np.array_equal(digits.features.reshape(-1, 64), bunch.data)
    assert np.array_equal(digits.labels, bunch.target)
    assert digits.features.dtype == np.float32
    assert digits.feature_names[8 * 2 + 5] == "pixel_2_5"
    assert digits.class_names == tuple("0123456789")
    assert not digits.allows_missing


def test_fingerprints_tell_data_apart():
    from dataclasses import replace

    digits = load(DigitsSource())
    features, labels = digits.features.copy(), digits.labels.copy()
    features[7, 3, 3] += 1
    labels[7] += 1
    others = [
        replace(digits, features=features),
        replace(digits, labels=labels),
        replace(digits, features=digits.features.reshape(-1, 64)),
        replace(digits, class_names=tuple("012345678X")),
        replace(digits, feature_names=digits.feature_names[::-1]),
    ]
    assert len({data.fingerprint for data in [digits, *others]}) == 6
    assert replace(digits, features=digits.features.copy()).fingerprint == digits.fingerprint
    assert replace(digits, features=np.asfortranarray(digits.features)).fingerprint == digits.fingerprint


# --- folders ----------------------------------------------------------------------------------------


def test_a_folder_of_images_comes_back_pixel_by_pixel(digit_folder):
    data = load(FolderSource(source="folder", path=digit_folder, size=(8, 8)))
    bunch = load_digits(n_class=2)
    assert data.name == "my-digits"
    assert data.class_names == ("nought", "one")
    assert np.bincount(data.labels).tolist() == [30, 30]
    for label in (0, 1):
        assert np.array_equal(
            data.features[data.labels == label], bunch.images[bunch.target == label][:30] * 15
        )


def test_images_are_converted_and_resized(tmp_path):
    for name, colour in (("sea", (10, 20, 200)), ("wood", (90, 60, 30))):
        (tmp_path / name).mkdir()
        Image.new("RGB", (12, 6), colour).save(tmp_path / name / "a.png")
        Image.new("RGBA", (5, 9), (*colour, 255)).save(tmp_path / name / "b.PNG")
        (tmp_path / name / ".DS_Store").write_bytes(b"\0")
    (tmp_path / ".git").mkdir()
    data = load(FolderSource(source="folder", path=tmp_path, mode="rgb", size=(4, 6)))
    assert data.features.shape == (4, 4, 6, 3)
    assert data.features[0, 2, 3].tolist() == [10, 20, 200]
    assert data.feature_names[-1] == "pixel_3_5_blue"
    assert np.array_equal(data.features[2], data.features[3])
    grey = load(FolderSource(source="folder", path=tmp_path, size=(4, 6)))
    assert grey.features.shape == (4, 4, 6)
    assert len(grey.feature_names) == 24


def test_a_photograph_is_turned_upright(tmp_path):
    upright = Image.new("L", (8, 8), 0)
    upright.paste(255, (0, 0, 8, 4))  # white above black
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        exif = Image.Exif()
        exif[0x0112] = 3  # orientation: the camera was held upside down
        upright.rotate(180).save(tmp_path / name / "x.png", exif=exif)
    data = load(FolderSource(source="folder", path=tmp_path, size=(8, 8)))
    assert data.features[0, 0, 0] == 255
    assert data.features[0, -1, 0] == 0


def test_mistakes_in_a_folder_are_named(tmp_path):
    def message(path):
        with pytest.raises(InvalidDataError) as caught:
            load(FolderSource(source="folder", path=path))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert message(tmp_path / "none") == (
        f"{tmp_path / 'none'} must be a folder with one folder of images per class, found none"
    )
    cats, dogs = tmp_path / "cats", tmp_path / "dogs"
    cats.mkdir()
    assert message(tmp_path) == f"{tmp_path} must hold at least 2 class folders, got cats"
    dogs.mkdir()
    assert message(tmp_path) == f"{cats} must hold at least one image, got none"
    (cats / "notes.txt").write_text("meow")
    assert message(tmp_path).startswith(f"{cats / 'notes.txt'} must be an image (.png, ")
    (cats / "notes.txt").unlink()
    Image.new("L", (40, 40), 3).save(cats / "a.png")
    whole = (cats / "a.png").read_bytes()
    for broken in (b"no picture", whole[:50], b""):
        (cats / "a.png").write_bytes(broken)
        assert message(tmp_path).startswith(f"{cats / 'a.png'} cannot be read as an image: ")
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(cats / "a.png")
    assert message(tmp_path) == f"{cats / 'a.png'} must have 8 bits per channel, got mode I;16"


# --- tables -----------------------------------------------------------------------------------------


def test_csv_and_parquet_give_the_same_data(iris_csv, tmp_path):
    from pyarrow import csv

    parquet.write_table(csv.read_csv(iris_csv), tmp_path / "iris.parquet")
    options = {"source": "table", "target": "species", "ignore": ("row",)}
    from_csv = load(TableSource(path=iris_csv, **options))
    from_parquet = load(TableSource(path=tmp_path / "iris.parquet", **options))
    assert from_csv.fingerprint == from_parquet.fingerprint
    iris = load_iris()
    assert np.array_equal(from_csv.features, iris.data.astype(np.float32))
    assert np.array_equal(from_csv.labels, iris.target)
    assert from_csv.class_names == tuple(iris.target_names)
    assert from_csv.feature_names == ("sepal length", "sepal width", "petal length", "petal width")


def write(path, columns):
    parquet.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("target", "names", "labels"),
    [
        ([10, 9, 10], ("9", "10"), [1, 0, 1]),
        ([True, False, True], ("false", "true"), [1, 0, 1]),
        (["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ("a", "b"), [1, 0, 1]),
    ],
)
def test_targets_of_every_kind(tmp_path, target, names, labels):
    path = write(tmp_path / "t.parquet", {"x": [1, 2, 3], "y": target})
    data = load(TableSource(source="table", path=path, target="y"))
    assert data.class_names == names
    assert data.labels.tolist() == labels


def test_features_of_every_kind(tmp_path):
    columns = {
        "i": [1, 2],
        "b": [True, False],
        "f": [0.5, -0.0],
        "u": pa.array([1, 255], pa.uint8()),
        "y": ["p", "q"],
    }
    path = write(tmp_path / "t.parquet", columns)
    data = load(TableSource(source="table", path=path, target="y"))
    assert data.features.tolist() == [[1, 1, 0.5, 1], [2, 0, 0, 255]]


def test_missing_values_are_refused_or_kept(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,z,y\n1,2,a\n,3,b\n4,NA,a\n")
    with pytest.raises(
        InvalidDataError, match=r"column 'x' must not miss a value, row 2 does; set data\.missing"
    ):
        load(TableSource(source="table", path=path, target="y"))
    data = load(TableSource(source="table", path=path, target="y", missing="impute"))
    assert data.allows_missing
    assert np.isnan(data.features).tolist() == [[False, False], [True, False], [False, True]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,a\n2,b\n", "has no column 'label': its columns are x, y"),
        ("x,labels\n1,a\n2,b\n", "has no column 'label': did you mean 'labels'?"),
        ("label\na\nb\n", "must have at least one column besides 'label', got none"),
        ("x,label\n", "must have at least one row below the column names, got none"),
        ("x,x,label\n1,2,a\n", "column names must differ, got 'x' more than once"),
        ("x,label\n1,a\n2,\n", "target 'label' must not be empty, row 2 is"),
        ("x,label\n1,0.5\n2,1.5\n", "target 'label' must be text, whole numbers or booleans, got double"),
        ("x,label\n1,a\nred,b\n", "column 'x' must be numbers, got string such as '1'; encode it"),
        (
            "x,label\n2024-01-01,a\n2024-01-02,b\n",
            "column 'x' must be numbers, got date32.* such as '2024-01-01'",
        ),
        ("x,z,label\n1,,a\n2,,b\n", "column 'z' is empty; list it under data.ignore"),
        ("x,label\n1,a\ninf,b\n", "column 'x' must be finite in 32-bit precision, got inf in row 2"),
        ("x,label\n1e300,a\n1,b\n", r"column 'x' must be finite in 32-bit precision, got 1e\+300 in row 1"),
        ("x,label\n1,a\n2,a\n", "must have at least 2 classes, got 1"),
        ("x,label\n1,a\n2\n", "cannot be read as csv: .*"),
        ("", "cannot be read as csv: .*"),
    ],
)
def test_mistakes_in_a_table_are_named(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(InvalidDataError, match=message.replace("?", r"\?")) as caught:
        load(TableSource(source="table", path=path, target="label"))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_tables(tmp_path):
    def message(path):
        with pytest.raises(InvalidDataError) as caught:
            load(TableSource(source="table", path=path, target="y"))
        return str(caught.value)

    assert message(tmp_path / "none.csv") == f"{tmp_path / 'none.csv'} not found"
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    assert (
        message(tmp_path / "t.xlsx")
        == f"{tmp_path / 't.xlsx'} must end in .csv, .tsv or .parquet, got '.xlsx'"
    )
    (tmp_path / "t.parquet").write_bytes(b"x,y\n1,a\n")
    assert message(tmp_path / "t.parquet").startswith(f"{tmp_path / 't.parquet'} cannot be read as parquet: ")
