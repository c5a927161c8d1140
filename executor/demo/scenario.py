"""What the demo sends: how many rows, how fast, which drift. Read from ``configs/demo.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from utils.environment import load_settings

__all__ = ["MAX_SECONDS", "DemoSettings", "Drift", "Scenario", "Traffic", "load_scenario", "severities"]

#: Longest scenario, in seconds: whoever runs the demo watches it to its end.
MAX_SECONDS = 60.0

Rows = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    """An unknown key is a mistake, and a scenario does not change once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Traffic(_Strict):
    """Rows and their pace.

    Parameters
    ----------
    clean_rows, drifted_rows : int
        Rows before and after the change.
    rows_per_second : float
        Pace of both; a service that answers more slowly is waited for.
    rows_per_request : int
        Rows in one HTTP request. Requests go one after the other over one connection, so that the monitor
        sees the rows in the order in which they were drawn.
    rows_per_second_after : float
        Pace of the drifted traffic that goes on after the scenario until Ctrl-C.
    label_delay_seconds : float
        How long after its prediction the true class of a row is told.
    seed : int
        Seeds which hold-out rows are drawn and the noise that is laid over them.
    """

    clean_rows: Rows = 4000
    drifted_rows: Rows = 3000
    rows_per_second: Rate = 200.0
    rows_per_request: Annotated[int, Field(ge=1, le=256)] = 4
    rows_per_second_after: Rate = 20.0
    label_delay_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 3.0
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def rows(self) -> int:
        """Rows of the whole scenario."""
        return self.clean_rows + self.drifted_rows

    @property
    def seconds(self) -> float:
        """How long the scenario takes at its pace."""
        return self.rows / self.rows_per_second


class Drift(_Strict):
    """What happens to the rows after the change.

    Parameters
    ----------
    kind : {"sensor_noise", "blur", "contrast"}
        See `dataloader.corruptions`.
    strength : float
        Severity at its height, in (0, 1].
    onset : {"sudden", "ramp"}
        At full strength from the first drifted row on, or growing to it over ``ramp_rows`` rows.
    ramp_rows : int
        Length of the ramp; ignored when the onset is sudden.
    """

    kind: Literal["sensor_noise", "blur", "contrast"] = "sensor_noise"
    strength: Annotated[float, Field(gt=0, le=1)] = 0.5
    onset: Literal["sudden", "ramp"] = "sudden"
    ramp_rows: Rows = 1000

    @property
    def title(self) -> str:
        """The drift in words, for a view."""
        how = "sudden" if self.onset == "sudden" else f"ramp over {self.ramp_rows} rows"
        return f"{self.kind.replace('_', ' ')} {self.strength:g}, {how}"


class Scenario(_Strict):
    """Traffic and its drift."""

    traffic: Traffic = Traffic()
    drift: Drift = Drift()


class DemoSettings(_Strict):
    """The shape of ``configs/demo.yaml``, and what its parts must be to each other."""

    demo: Scenario = Scenario()

    @model_validator(mode="after")
    def _fits(self) -> DemoSettings:
        traffic, drift = self.demo.traffic, self.demo.drift
        if traffic.seconds > MAX_SECONDS:
            raise ValueError(
                f"demo.traffic.rows_per_second: clean_rows + drifted_rows = {traffic.rows} rows take "
                f"{traffic.seconds:.0f} s at {traffic.rows_per_second:g} rows/s; "
                f"a scenario lasts at most {MAX_SECONDS:.0f} s"
            )
        if drift.onset == "ramp" and drift.ramp_rows > traffic.drifted_rows:
            raise ValueError(
                f"demo.drift.ramp_rows must be at most demo.traffic.drifted_rows = {traffic.drifted_rows}, "
                f"got {drift.ramp_rows}"
            )
        return self


def load_scenario(path: Path | str, seed: int | None = None) -> Scenario:
    """Read a scenario; ``seed`` wins over the file's.

    Raises
    ------
    utils.environment.SettingsError
        The file is missing or unreadable, or a key is unknown or breaks its rule; the message names the key.
    """
    return load_settings(DemoSettings, path, overrides={"demo": {"traffic": {"seed": seed}}}).demo


def severities(drift: Drift, since_change: NDArray[np.int64]) -> NDArray[np.float64]:
    """Severity of each row in [0, 1].

    Parameters
    ----------
    drift : Drift
        What drifts and how it sets in.
    since_change : ndarray of int, shape (rows,)
        Position of each row after the change: 1 for the first drifted row, 0 and below for clean rows.

    Examples
    --------
    >>> ramp = Drift(strength=0.8, onset="ramp", ramp_rows=4)
    >>> severities(ramp, np.array([-3, 0, 1, 2, 4, 9]))
    array([0. , 0. , 0.2, 0.4, 0.8, 0.8])
    """
    length = drift.ramp_rows if drift.onset == "ramp" else 1
    return drift.strength * np.clip(since_change / length, 0.0, 1.0)
