"""``model.pt``: everything that serving, monitoring and evaluating a model needs, in one file.

The file is a plain dictionary of tensors, numbers and strings written by `torch.save`, so that
``torch.load(path, weights_only=True)`` reads it and no code runs on loading.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from dataloader import Dataset, Splits
from dataloader import load as load_data
from driftlead import state
from driftlead.calibration import Calibration
from driftlead.errors import InvalidDataError, StateError
from driftlead.reference import ReferenceProfile
from model.config import ModelSettings
from model.network import Classifier, build

__all__ = ["Artefact", "ArtefactError", "load", "require_writable", "save"]

FORMAT = "driftlead-model"
FORMAT_VERSION = 1
MEND = "train it anew with `python train_model.py`"


class ArtefactError(ValueError):
    """A model file cannot be read or written; one line that says what is wrong and how to mend it."""


@dataclass(frozen=True, eq=False)
class Artefact:
    """A trained model and what belongs to it.

    Attributes
    ----------
    name : str
        What the served model is called.
    settings : ModelSettings
        What it was trained with.
    input_shape : tuple of int
        Shape of one row in raw units.
    class_names, feature_names : tuple of str
        Names of the outputs, and of the scalars of one flattened row.
    allows_missing : bool
        Whether rows may hold NaN.
    fingerprint : str
        Of the data set; `dataloader.dataset.Dataset.fingerprint`.
    splits : Splits
        Rows of that data set that were trained on, profiled, and held out.
    weights, preprocessing : dict of str to Tensor
        State of the network, its first layer (mean and deviation of the inputs) apart.
    profile : ReferenceProfile, optional
        Of every signal on the reference rows; only a model on its way to becoming a file has none.
    calibration : Calibration, optional
        Thresholds of a monitor of that profile, found once, so that a service starts at once. Files of
        earlier releases have none.
    """

    name: str
    settings: ModelSettings
    input_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    allows_missing: bool
    fingerprint: str
    splits: Splits
    weights: dict[str, Tensor]
    preprocessing: dict[str, Tensor]
    profile: ReferenceProfile | None = None
    calibration: Calibration | None = None

    @cached_property
    def model_hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of all that decides an answer; the model's version."""
        return _digest({key: value for key, value in _contents(self).items() if key in HASHED})[:12]

    def network(self) -> Classifier:
        """Build the trained network, in evaluation mode.

        Raises
        ------
        RuntimeError
            The weights are of another shape than the configuration describes.
        """
        network = build(self.settings.network, self.input_shape, len(self.class_names))
        prefixed = {f"preprocessing.{key}": value for key, value in self.preprocessing.items()}
        network.load_state_dict({**self.weights, **prefixed})
        return network.eval()

    def dataset(self) -> Dataset:
        """Read again the data that it was trained on; ``splits`` are rows of them.

        Raises
        ------
        InvalidDataError
            The data cannot be read, or have changed: a row that counts as held out could then be one that the
            network knows.
        """
        dataset = load_data(self.settings.data)
        if dataset.fingerprint != self.fingerprint:
            raise InvalidDataError(
                f"{self.settings.data.where} changed since the model was trained (fingerprint "
                f"{dataset.fingerprint[:12]}, was {self.fingerprint[:12]}); {MEND}"
            )
        return dataset


#: What `Artefact.model_hash` covers: not the reference, which carries the hash itself.
HASHED = (
    "config",
    "input_shape",
    "class_names",
    "feature_names",
    "allows_missing",
    "weights",
    "preprocessing",
)


def save(path: Path, artefact: Artefact) -> None:
    """Write a model so that a reader finds the old file or the new one, never a part.

    Raises
    ------
    ArtefactError
        The file cannot be written.
    """
    contents = _contents(artefact)
    contents["model_hash"] = artefact.model_hash
    contents["checksum"] = _digest(contents)
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        state.write(path, buffer.getbuffer())
    except OSError as error:
        raise ArtefactError(f"{path} cannot be written ({error.strerror}); choose another output") from None


def require_writable(path: Path) -> None:
    """Find out before a long training whether `save` could write there.

    Raises
    ------
    ArtefactError
        It could not.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        state.require_writable(path)
    except OSError as error:
        raise ArtefactError(f"{path} cannot be written ({error.strerror}); choose another output") from None


def load(path: Path) -> Artefact:
    """Read a model that `save` wrote, and check that it is whole.

    Raises
    ------
    ArtefactError
        The file is missing, unreadable, truncated, damaged, something else than a model of this program, or
        inconsistent.
    """
    contents = _read(path)
    try:
        artefact = _artefact(contents)
        outputs = len(artefact.weights["output.weight"])
        recorded, checksum = str(contents["model_hash"]), str(contents["checksum"])
    except KeyError as error:
        raise ArtefactError(f"{path} is no complete model, it lacks {error}; {MEND}") from None
    except (StateError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(f"{path} is no model that this version reads ({_line(error)}); {MEND}") from None
    if outputs != len(artefact.class_names):
        raise ArtefactError(
            f"{path} names {len(artefact.class_names)} classes but its weights tell {outputs} apart; {MEND}"
        )
    try:
        artefact.network()
    except RuntimeError as error:
        raise ArtefactError(
            f"{path} holds weights that do not fit its configuration ({_line(error)}); {MEND}"
        ) from None
    if artefact.model_hash != recorded:
        raise ArtefactError(
            f"{path} says it is model {recorded} but holds {artefact.model_hash}: "
            f"it was changed after training; {MEND}"
        )
    if artefact.profile is None or artefact.profile.model_hash != recorded:
        profiled = "no model" if artefact.profile is None else f"model {artefact.profile.model_hash}"
        raise ArtefactError(f"{path} holds model {recorded} and the reference profile of {profiled}; {MEND}")
    if artefact.calibration is not None and artefact.calibration.model_hash != recorded:
        calibrated = artefact.calibration.model_hash
        raise ArtefactError(f"{path} holds model {recorded} and the thresholds of {calibrated}; {MEND}")
    if _digest({key: value for key, value in contents.items() if key != "checksum"}) != checksum:
        raise ArtefactError(f"{path} is damaged, its checksum does not match; copy it again or {MEND}")
    return artefact


# --- the file ---------------------------------------------------------------------------------------


def _read(path: Path) -> dict[str, Any]:
    """Read a file into the dictionary that `save` wrote."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ArtefactError(f"{path} not found: run `python train_model.py` first") from None
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read ({error.strerror})") from None
    if not raw:
        raise ArtefactError(f"{path} is empty; {MEND}")
    try:
        with warnings.catch_warnings():
            # torch remarks on pickles of other programs; what to do about one is said below, in one line.
            warnings.simplefilter("ignore")
            contents = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except Exception:  # hostile or cut bytes can make the unpickler raise anything at all
        # torch.save writes a zip archive, whose directory stands at its end.
        if raw.startswith(b"PK") and b"PK\x05\x06" not in raw[-65_557:]:
            raise ArtefactError(f"{path} is truncated; copy it again or {MEND}") from None
        raise ArtefactError(f"{path} is no model of this program; {MEND}") from None
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise ArtefactError(f"{path} is no model of this program; {MEND}")
    version = contents.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ArtefactError(
            f"{path} has format {version}, this version reads up to {FORMAT_VERSION}; update, or {MEND}"
        )
    return contents


def _contents(artefact: Artefact) -> dict[str, Any]:
    config = artefact.settings.model_dump(mode="json")
    del config["output"]  # where the file was written is no property of the model
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": artefact.name,
        "config": config,
        "input_shape": list(artefact.input_shape),
        "class_names": list(artefact.class_names),
        "feature_names": list(artefact.feature_names),
        "allows_missing": artefact.allows_missing,
        "data_fingerprint": artefact.fingerprint,
        "splits": {part: torch.from_numpy(rows) for part, rows in artefact.splits._asdict().items()},
        "weights": artefact.weights,
        "preprocessing": artefact.preprocessing,
        "reference": _to_tensors(artefact.profile.to_state()) if artefact.profile else None,
        "calibration": _to_tensors(artefact.calibration.to_state()) if artefact.calibration else None,
    }


def _artefact(contents: Mapping[str, Any]) -> Artefact:
    try:
        settings = ModelSettings.model_validate(contents["config"])
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"config {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    splits = {part: contents["splits"][part].numpy() for part in Splits._fields}
    calibration = contents.get("calibration")
    return Artefact(
        name=str(contents["name"]),
        settings=settings,
        input_shape=tuple(int(side) for side in contents["input_shape"]),
        class_names=tuple(contents["class_names"]),
        feature_names=tuple(contents["feature_names"]),
        allows_missing=bool(contents["allows_missing"]),
        fingerprint=str(contents["data_fingerprint"]),
        splits=Splits(**splits),
        weights=dict(contents["weights"]),
        preprocessing=dict(contents["preprocessing"]),
        profile=ReferenceProfile.from_state(_to_arrays(contents["reference"])),
        calibration=Calibration.from_state(_to_arrays(calibration)) if calibration else None,
    )


def _to_tensors(value: Any) -> Any:
    """Turn arrays into tensors, which a file without pickled classes may hold."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, Mapping):
        return {key: _to_tensors(item) for key, item in value.items()}
    return value


def _to_arrays(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.numpy()
    if isinstance(value, Mapping):
        return {key: _to_arrays(item) for key, item in value.items()}
    return value


def _digest(value: Any) -> str:
    """SHA-256 of nested plain values and tensors; the order of a dictionary's keys does not matter."""
    if isinstance(value, Tensor):
        array = value.detach().cpu().contiguous().numpy()
        content = f"{array.dtype.str}{array.shape}".encode() + array.tobytes()
    elif isinstance(value, Mapping):
        content = json.dumps(
            {str(key): _digest(item) for key, item in value.items()}, sort_keys=True
        ).encode()
    else:
        content = json.dumps(value).encode()
    return hashlib.sha256(content).hexdigest()


def _line(error: Exception) -> str:
    """First meaningful line of a message that may have many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 and lines[0].startswith("Error(s) in loading") else lines[0]
