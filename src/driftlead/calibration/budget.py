"""The one number that a user must set: how rarely a monitor may raise a false alarm."""

from __future__ import annotations

import math
import numbers
import re

from driftlead.errors import InvalidParameterError

__all__ = ["rows_per_false_alarm"]

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3_600.0, "day": 86_400.0, "week": 604_800.0}
_DURATION = re.compile(r"\s*([0-9.eE+]+)\s*([a-z]+?)s?\s*")
_RULE = "a number of rows above 1, or a time such as '30 days'"


def rows_per_false_alarm(false_alarm_every: float | str, rows_per_second: float | None = None) -> float:
    """Return the budget in rows.

    Parameters
    ----------
    false_alarm_every : float or str
        Rows; or a number of rows, seconds, minutes, hours, days or weeks in words.
    rows_per_second : float, optional
        Expected traffic, needed to turn a time into rows.

    Raises
    ------
    InvalidParameterError
        The budget is not above 1 row, cannot be read, or is a time without a rate of traffic.

    Examples
    --------
    >>> rows_per_false_alarm("30 days", rows_per_second=2.0)
    5184000.0
    """
    rows = (
        _parsed(false_alarm_every, rows_per_second)
        if isinstance(false_alarm_every, str)
        else false_alarm_every
    )
    if not (isinstance(rows, numbers.Real) and math.isfinite(rows) and rows > 1.0):
        raise InvalidParameterError("false_alarm_every", _RULE, false_alarm_every)
    return float(rows)


def _parsed(text: str, rows_per_second: float | None) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    match = _DURATION.fullmatch(text.lower())
    try:
        number = float(match[1]) if match else math.nan
    except ValueError:
        number = math.nan
    unit = match[2] if match else ""
    if math.isnan(number) or unit not in (*_SECONDS, "row"):
        raise InvalidParameterError("false_alarm_every", _RULE, text)
    if unit == "row":
        return number
    if not (
        isinstance(rows_per_second, numbers.Real) and math.isfinite(rows_per_second) and rows_per_second > 0
    ):
        raise InvalidParameterError(
            "rows_per_second", "given and above 0 where the budget is a time", rows_per_second
        )
    return number * _SECONDS[unit] * rows_per_second
