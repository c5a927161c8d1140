"""Every exception that driftlead raises on purpose.

::

    DriftleadError
    ├── InvalidParameterError (ValueError)   a parameter breaks its rule: "window must be at least 2, got 1"
    ├── InvalidDataError (ValueError)        data do not fit: shape, dtype, missing values where none may be
    ├── StateError (ValueError)              a stored file is unreadable, corrupt, newer, or of another kind
    ├── ReferenceMismatchError (ValueError)  a reference profile belongs to another model
    ├── StartupError (RuntimeError)          a service cannot start
    ├── StorageError (RuntimeError)          the database did not take or give what it was asked for
    └── DeliveryError (RuntimeError)         a webhook did not take a message
"""

from __future__ import annotations

__all__ = [
    "DeliveryError",
    "DriftleadError",
    "InvalidDataError",
    "InvalidParameterError",
    "ReferenceMismatchError",
    "StartupError",
    "StateError",
    "StorageError",
]


class DriftleadError(Exception):
    """Base of all errors that driftlead raises on purpose."""


class InvalidParameterError(DriftleadError, ValueError):
    """A parameter breaks its rule.

    Parameters
    ----------
    parameter : str
        The parameter's name, as the caller wrote it.
    rule : str
        What it must be, such as ``"at least 2"``.
    value : object
        What it was.

    Examples
    --------
    >>> print(InvalidParameterError("window", "at least 2", 1))
    window must be at least 2, got 1
    """

    def __init__(self, parameter: str, rule: str, value: object) -> None:
        super().__init__(f"{parameter} must be {rule}, got {value!r}")
        self.parameter = parameter
        self.rule = rule
        self.value = value


class InvalidDataError(DriftleadError, ValueError):
    """Data do not fit: their shape, dtype, or missing values where none may be."""


class StateError(DriftleadError, ValueError):
    """A stored file is unreadable, corrupt, newer than this version, or of another kind."""


class ReferenceMismatchError(DriftleadError, ValueError):
    """A reference profile belongs to another model than the one it is asked to watch."""


class StartupError(DriftleadError, RuntimeError):
    """A service cannot start; the message is one line that says why."""


class StorageError(DriftleadError, RuntimeError):
    """The database did not take or give what it was asked for: unreachable, full, or of another version.

    Attributes
    ----------
    uncertain : bool
        Whether it may have kept what it was given all the same: it was lost while it said so.
    """

    def __init__(self, message: str, *, uncertain: bool = False) -> None:
        super().__init__(message)
        self.uncertain = uncertain


class DeliveryError(DriftleadError, RuntimeError):
    """A webhook did not take a message: no connection, no answer in time, or another answer than 2xx.

    Attributes
    ----------
    status : int or None
        HTTP status of the answer, if there was one.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
