"""Figure of one episode of drift: which signals contribute most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftlead.figures.figure import Figure, Theme, palette_of, plain, styled

__all__ = ["ranking"]

_ROW_HEIGHT = 24


def ranking(document: Mapping[str, Any], theme: Theme = "light", *, most: int = 15) -> Figure:
    """Draw an episode's signals by what they contribute to the evidence of drift, largest on top.

    Parameters
    ----------
    document : mapping
        As `driftlead.monitor.Episode.to_document` returns it.
    theme : {"light", "dark"}
    most : int
        Most signals.

    Examples
    --------
    >>> first = {"signal": "a", "contribution": 90.5, "change_row": 700, "peaks": {"nmddm": 2.5, "ks": 1.1}}
    >>> second = {"signal": "b", "contribution": 12.0, "change_row": 720, "peaks": {"nmddm": 1.2}}
    >>> figure = ranking({"signals": [first, second], "n_signals": 2})
    >>> figure["data"][0]["y"], figure["data"][0]["text"]
    (['b', 'a'], ['1.2 × nmddm', '2.5 × nmddm'])
    """
    palette = palette_of(theme)
    signals = document["signals"][:most][::-1]
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [signal["contribution"] for signal in signals],
        "y": [plain(signal["signal"]) for signal in signals],
        "text": [_strongest(signal["peaks"]) for signal in signals],
        "textposition": "auto",
        "insidetextfont": {"color": palette.surface},
        "customdata": [signal["change_row"] for signal in signals],
        "marker": {"color": palette.live},
        "hovertemplate": "%{y}<br>%{x:.0f} nats, changed about row %{customdata:,}<extra></extra>",
    }
    left_out = document["n_signals"] - len(signals)
    more = f", and {left_out} more" if left_out > 0 else ""
    return styled(
        palette,
        [trace],
        f"Signals that drifted, by evidence{more}",
        height=110 + _ROW_HEIGHT * max(len(signals), 2),
        xaxis={"title": {"text": "evidence of a change, in nats"}},
        yaxis={"showgrid": False, "ticks": ""},
    )


def _strongest(peaks: Mapping[str, float | None]) -> str:
    """Return the detector with the highest peak, and that peak."""
    if not peaks:
        return ""
    ratio, detector = max(
        (float("inf") if peak is None else peak, detector) for detector, peak in peaks.items()
    )
    return f"{ratio:.1f} × {plain(detector)}" if ratio < float("inf") else plain(detector)
