"""A report as a file: HTML that needs nothing else, Markdown for a ticket, or JSON for a program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftlead.errors import DriftleadError, InvalidParameterError
from driftlead.monitor import Monitor, Store
from driftlead.report.collect import FORMATS, Format, collect
from driftlead.report.html import to_html
from driftlead.report.markdown import to_markdown

__all__ = ["render", "write_report"]


def write_report(
    source: str | Path | Monitor,
    path: str | Path,
    *,
    format: Format | None = None,
    store: Store | None = None,
    since: float | None = None,
    until: float | None = None,
) -> dict[str, Any]:
    """Write a report of a period into one file.

    Parameters
    ----------
    source, store, since, until
        As for `driftlead.report.collect`.
    path : path
        The file; it is replaced.
    format : {"html", "json", "md"}, optional
        By default what the file's name ends with.

    Returns
    -------
    dict
        What was written, as `driftlead.report.collect` returns it.

    Raises
    ------
    DriftleadError
        As `driftlead.report.collect`; or the file cannot be written, or Plotly is not installed, which HTML
        needs (extra ``figures``).
    InvalidParameterError
        The format is unknown.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from driftlead.monitor import MonitorSettings
    >>> from driftlead.reference import ReferenceProfile
    >>> from driftlead.signals import Signal
    >>> rng = np.random.default_rng(0)
    >>> profile = ReferenceProfile.from_rows([Signal("a")], rng.normal(size=(500, 1)), model_hash="1f")
    >>> monitor = Monitor(profile, MonitorSettings(window=100))
    >>> monitor.process(rng.normal(2.0, 1.0, size=(300, 1)), observed_at=np.arange(300.0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = write_report(monitor, Path(folder, "drift.md"))
    ...     print(Path(folder, "drift.md").read_text().splitlines()[0])
    # Drift report
    >>> report["episodes"][0]["signals"][0]["signal"]
    'a'
    """
    target = Path(path)
    chosen = format or target.suffix.removeprefix(".").lower()
    if chosen not in FORMATS:
        whose = "" if format else ", where none is given as the ending of the file"
        rule = f"one of {', '.join(FORMATS)}{whose}"
        raise InvalidParameterError("format", rule, chosen)
    document = collect(source, store=store, since=since, until=until)
    text = render(document, chosen)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DriftleadError(f"cannot write {target}: {error.strerror or error}") from None
    return document


def render(document: Mapping[str, Any], format: Format = "html") -> str:
    """Return a report as text.

    Parameters
    ----------
    document : mapping
        As `driftlead.report.collect` returns it.
    format : {"html", "json", "md"}

    Raises
    ------
    DriftleadError
        Plotly is not installed, which HTML needs.
    """
    if format == "json":
        return json.dumps(document, indent=1, allow_nan=False) + "\n"
    return to_html(document) if format == "html" else to_markdown(document)
