"""A predictor from what its user has: a file of PyTorch, or an object named by module and attribute."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import logging
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import DriftleadError, InvalidParameterError, ReferenceMismatchError
from driftlead.reference import ReferenceProfile
from driftlead.service.arrays import ArrayPredictor
from driftlead.service.predictor import Predictor

__all__ = ["class_names", "feature_names", "load_predictor", "watched_predictor"]

_FEATURE = "feature:"

Function = Callable[[NDArray[np.float32]], Any]


def load_predictor(
    target: str,
    *,
    row_shape: Sequence[int] | None = None,
    feature_names: Sequence[str] | None = None,
    name: str | None = None,
    version: str | None = None,
    softmax: bool = False,
) -> Predictor:
    """Return a predictor made from a file or an import path.

    Parameters
    ----------
    target : str
        ``model.pt2``, written by `torch.export.save`; another file, written by `torch.jit.save`; or
        ``module:attribute`` with a `Predictor`, a `torch.nn.Module`, an object with ``predict_proba`` or
        ``predict``, a function of rows, or a class or function without parameters that returns one of these.
        Loading runs the code in it.
    row_shape : sequence of int, optional
        Shape of one row; by default that of an exported program's example, else of as many features as
        there are names.
    feature_names : sequence of str, optional
        Names of a row's values.
    name, version : str, optional
        By default the file's or the attribute's name, and a hash of the file or ``"1"``.
    softmax : bool
        Whether the model gives logits.

    Raises
    ------
    DriftleadError
        The target cannot be loaded, or is nothing of the kind.
    InvalidDataError, InvalidParameterError
        As for `ArrayPredictor`.
    """
    path = Path(target)
    from_file = path.is_file()
    if from_file:
        function, found_shape = _from_file(path)
        name, platform = name or path.stem, "pytorch"
        version = version or hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    elif ":" in target:
        made = _from_import(target)
        if isinstance(made, Predictor):
            return made
        function, found_shape, platform = _function(made, target), None, "python"
        name, version = name or target.rpartition(":")[2].lower(), version or "1"
    else:
        raise DriftleadError(f"{target} is neither a file nor an import path, which reads module:attribute")
    shape = row_shape or found_shape or ((len(feature_names),) if feature_names else None)
    if shape is None:
        raise InvalidParameterError("row_shape", "given, such as 8,8: the model does not tell it", None)
    return ArrayPredictor(
        _softmaxed(function) if softmax else function,
        shape,
        name=name,
        version=version,
        platform=platform,
        feature_names=feature_names,
        any_thread=from_file,
    )


def watched_predictor(predictor: Predictor, profile: ReferenceProfile) -> Predictor:
    """Return the predictor, reporting the signals that a profile has.

    Raises
    ------
    ReferenceMismatchError
        The profile was taken from another model, or has signals that this one does not report.
    """
    # A profile of a table's columns alone belongs to no model.
    if profile.model_hash:
        profile.require_model(predictor.version)
    if isinstance(predictor, ArrayPredictor):
        return predictor.watched_by(profile)
    if predictor.signals != profile.signals:
        raise ReferenceMismatchError("the reference profile does not hold the model's signals in their order")
    return predictor


def feature_names(profile: ReferenceProfile) -> list[str]:
    """Names of the features among a profile's signals."""
    names = [signal.name for signal in profile.signals]
    return [name.removeprefix(_FEATURE) for name in names if name.startswith(_FEATURE)]


def class_names(predictor: Predictor, profile: ReferenceProfile) -> Sequence[str]:
    """Names of a classifier's classes, their indices where the profile has none; none of a regression."""
    if profile.quality is not None and profile.quality.class_names:
        return profile.quality.class_names
    n_classes = predictor.n_classes if isinstance(predictor, ArrayPredictor) else 0
    return [str(index) for index in range(n_classes)]


def _from_import(target: str) -> Any:
    module_name, _, attributes = target.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does: the module lies where its user is
    try:
        found: Any = importlib.import_module(module_name)
        for attribute in attributes.split("."):
            found = getattr(found, attribute)
        is_factory = inspect.isclass(found) or (
            inspect.isfunction(found) and not inspect.signature(found).parameters
        )
        return found() if is_factory else found
    except Exception as error:
        raise DriftleadError(
            f"{target} cannot be loaded: {type(error).__name__}: {_first_line(error)}"
        ) from error


def _function(made: Any, target: str) -> Function:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(made, torch.nn.Module):
        return _of_module(made.eval())
    for method in ("predict_proba", "predict"):
        if callable(found := getattr(made, method, None)):
            return found  # type: ignore[no-any-return]
    if callable(made):
        return made  # type: ignore[no-any-return]
    raise DriftleadError(
        f"{target} must be a Predictor, a torch.nn.Module, a function, or have predict or predict_proba; "
        f"it is of type {type(made).__name__}"
    )


def _from_file(path: Path) -> tuple[Function, tuple[int, ...] | None]:
    try:
        import torch
    except ModuleNotFoundError:
        raise DriftleadError(f"loading {path} needs PyTorch: pip install 'driftlead[torch]'") from None
    exported = path.suffix == ".pt2"
    written = "torch.export.save" if exported else "torch.jit.save"
    logging.getLogger("torch.export").setLevel(logging.CRITICAL)  # it logs tracebacks of what it raises
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated; its files are there
            if not exported:
                return _of_module(torch.jit.load(path, map_location="cpu").eval()), None  # type: ignore[no-untyped-call]
            program = torch.export.load(path)
    except Exception as error:
        raise DriftleadError(f"{path} is no file of {written}: {_first_sentence(error)}") from None
    example = program.example_inputs[0][0] if program.example_inputs else None
    return _of_module(program.module()), None if example is None else tuple(example.shape[1:])


def _of_module(module: Any) -> Function:
    import torch

    def run(rows: NDArray[np.float32]) -> Any:
        with torch.inference_mode():
            return module(torch.from_numpy(np.array(rows, dtype=np.float32))).numpy()

    return run


def _softmaxed(function: Function) -> Function:
    from scipy.special import softmax

    return lambda rows: softmax(np.asarray(function(rows), dtype=np.float64), axis=1)


def _first_sentence(error: Exception) -> str:
    """Of PyTorch's reasons, which go on about what may have happened, and begin with lines of its source."""
    return re.sub(r"^\[[^]]*\][ .]*", "", _first_line(error)).partition(". ")[0]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no reason given")[:200]
