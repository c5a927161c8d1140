"""State files: whole or not at all, plain, and safe to read whatever they hold."""

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftlead import state
from driftlead.errors import StateError

VALUES = {
    "floats": np.array([[1.5, np.nan], [np.inf, -0.0]]),
    "counts": np.arange(3, dtype=np.int32),
    "flags": np.array([True, False]),
    "names": np.array(["a", "Grün"]),
    "empty": np.zeros((0, 4)),
    "scalar": np.array(2.5),
    "n": 2**62,
    "x": 0.1,
    "on": True,
    "nothing": None,
    "title": "Straße",
    "labels": ["a", "b"],
    "inner": {"deep": {"array": np.array([1], dtype=np.uint8)}},
}


def assert_equal(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()
    else:
        assert one == other


def test_values_come_back_as_they_were(tmp_path):
    path = tmp_path / "detector.state"
    state.save(path, "test", 3, VALUES)
    version, values = state.load(path, "test")
    assert version == 3
    assert_equal(values, VALUES)
    assert values["floats"].flags.writeable


def test_equal_values_give_equal_bytes():
    assert state.to_bytes("test", 1, VALUES) == state.to_bytes("test", 1, VALUES)


def test_numpy_opens_the_file(tmp_path):
    state.save(tmp_path / "a.state", "test", 1, {"array": np.arange(4)})
    with np.load(tmp_path / "a.state", allow_pickle=False) as archive:
        assert archive["0"].tolist() == [0, 1, 2, 3]


def test_a_fortran_array_keeps_its_values():
    values = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert_equal(state.from_bytes(state.to_bytes("t", 1, {"a": values}), "t")[1]["a"], values.copy(order="C"))


def test_what_could_not_be_written_is_known_before(tmp_path):
    state.require_writable(tmp_path / "new")
    (tmp_path / "old").touch()
    state.require_writable(tmp_path / "old")
    for target in (tmp_path, tmp_path / "no" / "folder"):
        with pytest.raises(OSError, match=r"not a regular file|No such file"):
            state.require_writable(target)
    assert [each.name for each in tmp_path.iterdir()] == ["old"]


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.state"
    state.save(path, "test", 1, {"n": 1})
    with pytest.raises(StateError, match=r"values\.bad is a set"):
        state.save(path, "test", 1, {"bad": {1, 2}})
    (tmp_path / "folder").mkdir()
    with pytest.raises(StateError, match="cannot write state file"):
        state.save(tmp_path / "folder", "test", 1, {"n": 2})
    with pytest.raises(StateError, match="not a regular file"):  # and the device is still there
        state.save("/dev/null", "test", 1, {"n": 2})
    assert Path("/dev/null").is_char_device()
    assert state.load(path, "test") == (1, {"n": 1})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.state", "folder"]


@pytest.mark.parametrize(
    "bad",
    [np.array([object()]), np.array([1j]), np.datetime64("2020-01-01"), {1: 2}, {"__array__": 0}, b"raw"],
)
def test_what_a_state_cannot_hold_is_named(bad):
    with pytest.raises(StateError, match=r"values\.field"):
        state.to_bytes("test", 1, {"field": bad})


def test_another_kind_is_refused(tmp_path):
    state.save(tmp_path / "a.state", "apples", 1, {})
    with pytest.raises(StateError, match="kind 'apples', expected 'pears'"):
        state.load(tmp_path / "a.state", "pears")


def test_a_missing_file_is_a_state_error(tmp_path):
    with pytest.raises(StateError, match="cannot read state file"):
        state.load(tmp_path / "none.state", "test")


def archive_of(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def header(**changes):
    return json.dumps({"format": "driftlead-state-1", "kind": "test", "version": 1, "values": {}} | changes)


def npy(array, **kwargs):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **kwargs)
    return buffer.getvalue()


ARRAY = {"a": {"__array__": 0}}
FORGED = npy(np.zeros(2)).replace(b"(2,)", b"(9,)")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a zip",
        archive_of({}),
        archive_of({"header.json": "[1"}),
        archive_of({"header.json": "[1]"}),
        archive_of({"header.json": "{}"}),
        archive_of({"header.json": header(format="driftlead-state-9")}),
        archive_of({"header.json": header(version="1")}),
        archive_of({"header.json": header(values=[])}),
        archive_of({"header.json": header(values=ARRAY)}),
        archive_of({"header.json": header(values=ARRAY), "0.npy": b"junk"}),
        archive_of({"header.json": header(values=ARRAY), "0.npy": FORGED}),
        archive_of({"header.json": header(values=ARRAY), "0.npy": npy(np.array([{}]), allow_pickle=True)}),
        archive_of({"header.json": header(values=ARRAY), "0.npy": npy(np.zeros(2), version=(2, 0))}),
        archive_of({"header.json": header(values={"a": {"__array__": "x"}})}),
        archive_of({"header.json": header()}, zipfile.ZIP_DEFLATED),
        archive_of({"header.json": header(values=json.loads("[" * 900 + "]" * 900))}),
    ],
)
def test_anything_bad_is_a_state_error(data):
    with pytest.raises(StateError):
        state.from_bytes(data, "test")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_file_never_passes_for_another(data):
    good = state.to_bytes("test", 1, VALUES)
    if data.draw(st.booleans()):
        bad = good[: data.draw(st.integers(0, len(good) - 1))]
    else:
        at = data.draw(st.integers(0, len(good) - 1))
        bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    try:
        version, values = state.from_bytes(bad, "test")
    except StateError:
        return
    assert version == 1  # a flipped bit of zip bookkeeping that nobody reads, such as a timestamp
    assert_equal(values, VALUES)


@pytest.mark.parametrize(("private", "mode"), [(False, 0o640), (True, 0o600)])
def test_a_file_is_as_open_as_the_umask_says_unless_it_is_private(tmp_path, umask, private, mode):
    umask(0o027)
    state.save(tmp_path / "a.state", "counts", 1, {}, private=private)
    assert (tmp_path / "a.state").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize(("private", "mode"), [(False, 0o664), (True, 0o600)])
def test_a_new_file_is_as_open_as_the_one_it_replaces_unless_it_is_private(tmp_path, umask, private, mode):
    umask(0o077)
    path = tmp_path / "a.state"
    path.touch()
    path.chmod(0o664)
    state.write(path, b"new", private=private)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == mode


@pytest.fixture
def umask():
    """Set the umask, until the test is over."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)
