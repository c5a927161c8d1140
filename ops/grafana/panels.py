"""Parts of the dashboards that build_dashboards.py writes: queries, panels, variables, in classic JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

Json = dict[str, Any]

#: Matchers of every series that a replica exports.
OWN = 'job=~"$job", instance=~"$instance", model=~"$model", version=~"$version"'
#: Matchers of what a process says of itself.
PROCESS = 'job=~"$job", instance=~"$instance"'
#: Matchers of what rules say of all replicas.
MODEL = 'job=~"$job", model=~"$model", version=~"$version"'
#: Matchers of one signal.
SIGNAL = f'{OWN}, signal="$signal"'
#: Matchers of one signal, of the reference chosen: bins of another one are other bins.
BINS = f'{SIGNAL}, reference="$reference"'

#: Test statistic over threshold, the worst of the replicas: 1 and above is drift.
RATIO = (
    f"max by (signal, detector) (driftlead_signal_statistic{{{OWN}}} / driftlead_signal_threshold{{{OWN}}})"
)


def target(
    expression: str, legend: str = "", *, instant: bool = False, table: bool = False, exemplar: bool = False
) -> Json:
    """Write one query; `instant` asks for the latest value alone, `exemplar` for single requests too."""
    return {
        "datasource": DATASOURCE,
        "expr": expression,
        "legendFormat": legend or "__auto",
        "instant": instant,
        "range": not instant,
        "format": "table" if table else "time_series",
        **({"exemplar": True} if exemplar else {}),
    }


def panel(
    kind: str,
    title: str,
    description: str,
    unit: str,
    targets: Sequence[Json],
    size: tuple[int, int],
    **more: Any,
) -> Json:
    """Describe a panel of `size` cells; ``steps``, ``custom`` and ``limits`` are defaults of its fields."""
    steps = more.pop("steps", [(None, "green")])
    defaults: Json = {
        "unit": unit,
        "color": {"mode": "palette-classic" if kind in ("timeseries", "barchart") else "thresholds"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": color} for value, color in steps],
        },
        "custom": more.pop("custom", {}),
        **more.pop("limits", {}),
    }
    for letter, each in zip("ABCDEF", targets, strict=False):
        each["refId"] = letter
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": list(targets),
        "gridPos": {"w": size[0], "h": size[1]},
        **more,
    }


def stat(
    title: str, description: str, unit: str, expression: str, steps: Sequence[Any], width: int = 4
) -> Json:
    """Describe one number."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}
    return panel(
        "stat", title, description, unit, [target(expression)], (width, 4), steps=steps, options=options
    )


def lines(title: str, description: str, unit: str, targets: Sequence[Json], **more: Any) -> Json:
    """Draw lines over time, half the width."""
    return panel("timeseries", title, description, unit, targets, (12, 8), **more)


def variable(name: str, label: str, query: str, *, many: bool = True) -> Json:
    """Describe a variable whose values are those of a label."""
    made: Json = {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # with the time range
        "sort": 1,
        "multi": many,
        "includeAll": many,
    }
    if many:
        made |= {"allValue": ".+", "current": {"text": ["All"], "value": ["$__all"]}}
    return made


def place(panels: Iterable[Json]) -> list[Json]:
    """Lay panels out in rows of 24 cells, and number them."""
    x = y = height = 0
    placed = []
    for number, each in enumerate(panels, start=1):
        grid = each["gridPos"]
        if x + grid["w"] > 24:
            x, y, height = 0, y + height, 0
        placed.append({**each, "id": number, "gridPos": {**grid, "x": x, "y": y}})
        x, height = x + grid["w"], max(height, grid["h"])
    return placed


def dashboard(
    uid: str, title: str, description: str, panels: Iterable[Json], variables: Sequence[Json] = ()
) -> Json:
    """Join panels, the variables that all dashboards have, and the alerts as annotations."""
    common = [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        variable("job", "Job", "label_values(driftlead_model_info, job)"),
        variable("instance", "Instance", 'label_values(driftlead_model_info{job=~"$job"}, instance)'),
        variable("model", "Model", 'label_values(driftlead_model_info{job=~"$job"}, model)'),
        variable(
            "version", "Version", 'label_values(driftlead_model_info{job=~"$job", model=~"$model"}, version)'
        ),
    ]
    alerts = {
        "name": "Alerts",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertstate="firing", alertname=~"Driftlead.+", job=~"$job"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{signal}} {{detector}} {{instance}}",
        "step": "15s",
    }
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["driftlead"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,  # one crosshair for all panels
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [*common, *variables]},
        "annotations": {"list": [alerts]},
        "links": [
            {
                "type": "dashboards",
                "title": "driftlead",
                "tags": ["driftlead"],
                "keepTime": True,
                "includeVars": True,
            }
        ],
        "panels": place(panels),
    }


def hide(*names: str) -> Json:
    """Leave columns out of a table."""
    return {"id": "organize", "options": {"excludeByName": dict.fromkeys(names, True)}}
