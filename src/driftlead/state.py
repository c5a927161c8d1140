"""Plain arrays and scalars ↔ one versioned file, written whole or not at all, never pickle.

The file is a zip archive (``numpy.load`` and any unzip program open it): ``header.json`` holds the
kind, the version and the tree of scalars; every array is one uncompressed ``.npy`` member beside
it. This module knows no classes: whoever saves decides what a kind and a version mean.
"""

from __future__ import annotations

import errno
import io
import json
import os
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from driftlead.errors import StateError

__all__ = ["from_bytes", "load", "require_writable", "save", "to_bytes", "write"]

_FORMAT = "driftlead-state-1"
_HEADER = "header.json"
_ARRAY_KEY = "__array__"
_ARRAY_KINDS = "biufU"  # what numpy stores without pickle and reads back everywhere
# What damaged archives make zipfile and json raise; the last two where bits of flags are flipped.
_UNREADABLE = (
    zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError, RecursionError, RuntimeError,
    NotImplementedError,
)  # fmt: skip
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # equal values give equal bytes


def save(
    path: str | os.PathLike[str],
    kind: str,
    version: int,
    values: Mapping[str, Any],
    *,
    private: bool = False,
) -> None:
    """Write ``values`` to a file, as `write` does.

    Parameters
    ----------
    path, private
        As for `write`.
    kind, version, values
        As for `to_bytes`.

    Raises
    ------
    StateError
        A value is of a type that a state cannot hold, or the file cannot be written.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/counts.state", "counts", 1, {"counts": np.array([3, 1]), "name": "pixel"})
    ...     load(f"{folder}/counts.state", "counts")
    (1, {'counts': array([3, 1]), 'name': 'pixel'})
    """
    data = to_bytes(kind, version, values)
    try:
        write(path, data, private=private)
    except OSError as error:
        raise StateError(f"cannot write state file {path}: {error.strerror or error}") from error


def write(path: str | os.PathLike[str], data: bytes | memoryview, *, private: bool = False) -> None:
    """Write a file so that a reader finds the old one or the new one, never a part.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and replace ``path`` in one
    step. Whoever could read the old file can read the new one; where there was none, the umask decides.

    Parameters
    ----------
    path : path-like
        The file; its folder must exist.
    data : bytes
        All that it shall hold.
    private : bool
        Whether nobody but its owner may read it, whatever the umask and the old file say.

    Raises
    ------
    OSError
        The file cannot be written, or the path is a device, a folder or a pipe.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/note", b"all is well")
    ...     Path(folder, "note").read_bytes()
    b'all is well'
    """
    target = Path(path)
    replaced = _is_replaced(target)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    mode = 0o600 if private else 0o666  # less what the umask takes; a file of `tempfile` is always private
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replaced and not private:
            shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def require_writable(path: str | os.PathLike[str]) -> None:
    """Find out whether `write` could write there, before the work whose outcome it shall keep.

    Raises
    ------
    OSError
        It could not.
    """
    target = Path(path)
    _is_replaced(target)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}."):
        pass


def _is_replaced(target: Path) -> bool:
    """Whether there is a file already; what is there and none would itself be replaced."""
    if not target.exists():
        return False
    if not target.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(target))
    return True


def load(path: str | os.PathLike[str], kind: str) -> tuple[int, dict[str, Any]]:
    """Read a file that `save` wrote.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        The kind it must be of.

    Returns
    -------
    version : int
        The version it was saved under.
    values : dict
        As saved; arrays own their memory and may be written to.

    Raises
    ------
    StateError
        The file is missing, unreadable, corrupt, or of another kind.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise StateError(f"cannot read state file {path}: {error.strerror or error}") from error
    try:
        return from_bytes(data, kind)
    except StateError as error:
        raise StateError(f"{path}: {error}") from error


def to_bytes(kind: str, version: int, values: Mapping[str, Any]) -> bytes:
    """Return the bytes that `save` would write; equal arguments give equal bytes.

    Parameters
    ----------
    kind : str
        What the values are of, such as ``"incremental_ks"``.
    version : int
        The layout of the values, 1 or more.
    values : mapping of str
        Arrays of booleans, integers, floats or strings; int, float, str, bool, None; lists and
        string-keyed dicts of these.

    Raises
    ------
    StateError
        A value is of another type.
    """
    arrays: list[np.ndarray] = []
    tree = _encode(dict(values), "values", arrays)
    header = {"format": _FORMAT, "kind": kind, "version": int(version), "values": tree}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_HEADER, _TIMESTAMP), json.dumps(header))
        for index, array in enumerate(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{index}.npy", _TIMESTAMP), member.getvalue())
    return buffer.getvalue()


def from_bytes(data: bytes, kind: str) -> tuple[int, dict[str, Any]]:
    """Read back what `to_bytes` returned.

    Parameters
    ----------
    data : bytes
        The file's content.
    kind : str
        The kind it must be of.

    Returns
    -------
    version : int
    values : dict

    Raises
    ------
    StateError
        The bytes are corrupt or of another kind.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            header = json.loads(_member(archive, _HEADER))
            found, version, tree = _checked_header(header)
            if found != kind:
                raise StateError(f"holds a state of kind {found!r}, expected {kind!r}")
            values = _decode(tree, archive)
    except StateError:
        raise
    except _UNREADABLE as error:
        raise StateError(f"not a readable driftlead state ({error})") from error
    return version, values


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where the system lets a folder be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encode(value: Any, where: str, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _ARRAY_KINDS:
            raise StateError(f"{where} is an array of {value.dtype}, which a state cannot hold")
        arrays.append(np.ascontiguousarray(value).reshape(value.shape))
        return {_ARRAY_KEY: len(arrays) - 1}
    if isinstance(value, list | tuple):
        return [_encode(item, f"{where}[{index}]", arrays) for index, item in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key == _ARRAY_KEY:
                raise StateError(f"{where} has the key {key!r}, which a state cannot hold")
        return {key: _encode(item, f"{where}.{key}", arrays) for key, item in value.items()}
    raise StateError(f"{where} is a {type(value).__name__}, which a state cannot hold")


def _decode(value: Any, archive: zipfile.ZipFile) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY_KEY}:
            return _array(_member(archive, f"{int(value[_ARRAY_KEY])}.npy"))
        return {key: _decode(item, archive) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item, archive) for item in value]
    return value


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:  # nothing we wrote; may unpack to any size
        raise StateError(f"member {name} is compressed")
    return archive.read(info)


def _array(member: bytes) -> np.ndarray:
    stream = io.BytesIO(member)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise StateError("holds an array in an unknown npy version")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.kind not in _ARRAY_KINDS or (fortran_order and len(shape) > 1):
        raise StateError(f"holds an array of {dtype}, which a state cannot hold")
    # frombuffer checks the length before anything is allocated for a forged shape.
    return np.frombuffer(member, dtype, offset=stream.tell()).reshape(shape).copy()


def _checked_header(header: Any) -> tuple[str, int, dict[str, Any]]:
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise StateError("not a driftlead state")
    kind, version, tree = header.get("kind"), header.get("version"), header.get("values")
    if not isinstance(kind, str) or not isinstance(version, int) or not isinstance(tree, dict):
        raise StateError("its header is incomplete")
    return kind, version, tree
