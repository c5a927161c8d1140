"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "ApiKey",
    "Budget",
    "Calibration",
    "Folder",
    "Host",
    "MetricsHost",
    "MetricsPort",
    "Port",
    "Reference",
    "RowsPerSecond",
    "Window",
    "option",
]

Reference = Annotated[
    Path, typer.Option("--reference", "-r", help="Profile of the model's signals, by driftlead profile.")
]
Calibration = Annotated[
    Path | None,
    typer.Option(help="Thresholds that driftlead calibrate wrote for this reference."),
]
Host = Annotated[str, typer.Option(help="Address to serve on; this machine only, by default.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 takes a free one.")]
MetricsHost = Annotated[str, typer.Option(help="Address of /metrics.")]
MetricsPort = Annotated[int, typer.Option(min=0, max=65535, help="Port of /metrics; 0 takes a free one.")]
Folder = Annotated[
    Path | None,
    typer.Option(help="Folder to keep state, predictions, labels and episodes in; else in memory alone."),
]
Budget = Annotated[
    str | None,
    typer.Option(
        help="Budget: rows per false alarm of all signals and tests together, or '30 days'.",
        show_default="1,000,000, or the calibration's",
    ),
]
RowsPerSecond = Annotated[
    float | None, typer.Option(help="Traffic in rows per second, where the budget is a time.")
]
Window = Annotated[
    int | None,
    typer.Option(help="Rows in the sliding windows.", show_default="500, or the calibration's"),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        # The second is deployed_model.py's: whoever sets it here must not be left without a key.
        envvar=["DRIFTLEAD_API_KEY", "DRIFTLEAD_SERVER__API_KEY"],
        show_envvar=True,
        help="What clients must show to send labels and change the monitor. Better in the environment.",
    ),
]


def option(name: str) -> str:
    """Return how a command line spells a setting.

    Examples
    --------
    >>> option("metrics_port")
    '--metrics-port'
    """
    return f"--{name.replace('_', '-')}"
