"""The shape of one row, as it is written on a command line."""

from __future__ import annotations

from typing import Annotated

import typer

from driftlead.errors import InvalidParameterError

__all__ = ["ShapeOption", "parse_shape"]

ShapeOption = Annotated[
    str | None, typer.Option(help="Shape of one row, such as 8,8; by default a flat row of the features.")
]


def parse_shape(text: str | None) -> tuple[int, ...] | None:
    """Return the lengths of the axes.

    Raises
    ------
    InvalidParameterError
        It is no list of numbers of at least 1.

    Examples
    --------
    >>> parse_shape("3,32,32")
    (3, 32, 32)
    """
    if text is None:
        return None
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise InvalidParameterError("--shape", "numbers of at least 1, with commas between them", text)
    return shape
