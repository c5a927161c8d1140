"""Write the Grafana dashboards beside this file: ``python ops/grafana/build_dashboards.py``.

A tool for who changes a dashboard; nothing that is served imports it. Grafana reads ``dashboards/*.json``:
they are committed, and a test compares them with what this writes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from panels import Json, dashboard, hide, lines, panel, stat, target, variable

DASHBOARDS = Path(__file__).parent / "dashboards"

#: Matchers of every series that a replica exports.
OWN = 'job=~"$job", instance=~"$instance", model=~"$model", version=~"$version"'
#: Matchers of one signal.
SIGNAL = f'{OWN}, signal="$signal"'

#: Test statistic over threshold, the worst of the replicas: 1 and above is drift.
RATIO = (
    f"max by (signal, detector) (driftlead_signal_statistic{{{OWN}}} / driftlead_signal_threshold{{{OWN}}})"
)


def overview() -> Json:
    """Show whether it runs, answers, and drifts."""
    requests = f"driftlead_inference_requests_total{{{OWN}}}"
    failed = f'driftlead_inference_requests_total{{{OWN}, code=~"5.."}}'
    buckets = f"sum by (le) (rate(driftlead_inference_duration_seconds_bucket{{{OWN}}}[$__rate_interval]))"
    alerts = 'ALERTS{alertstate="firing", alertname=~"Driftlead.+", job=~"$job"}'
    some_are_bad = [(None, "green"), (1, "red")]
    panels = [
        stat(
            "Replicas up",
            "Replicas that answer Prometheus.",
            "short",
            'sum(up{job=~"$job", instance=~"$instance"})',
            [(None, "red"), (1, "green")],
        ),
        stat(
            "Alerts firing",
            "Alerts of all replicas, also those that are about none in particular.",
            "short",
            f"count({alerts}) or vector(0)",
            some_are_bad,
        ),
        stat(
            "Signals drifting",
            "Signals that some detector holds for drifting, on any replica.",
            "short",
            f"sum(max by (signal) (driftlead_signal_drifting{{{OWN}}}))",
            some_are_bad,
        ),
        stat(
            "Requests",
            "Inference requests answered, by all replicas.",
            "reqps",
            f"sum(rate({requests}[$__rate_interval]))",
            [(None, "blue")],
        ),
        stat(
            "Errors",
            "Share of the requests that the service failed to answer (5xx).",
            "percentunit",
            f"sum(rate({failed}[$__rate_interval])) / sum(rate({requests}[$__rate_interval]))",
            [(None, "green"), (0.01, "orange"), (0.05, "red")],
        ),
        stat(
            "p99 latency",
            "99 % of the requests were answered within this time.",
            "s",
            f"histogram_quantile(0.99, {buckets})",
            [(None, "green"), (0.5, "orange"), (1, "red")],
        ),
        lines(
            "Requests by status",
            "Inference requests per second, by HTTP status of the answer.",
            "reqps",
            [target(f"sum by (code) (rate({requests}[$__rate_interval]))", "{{code}}")],
        ),
        lines(
            "Latency",
            "Time from a request's headers to its answer; the quantiles are interpolated within buckets.",
            "s",
            [
                target(f"histogram_quantile({quantile}, {buckets})", name)
                for quantile, name in ((0.5, "median"), (0.95, "p95"), (0.99, "p99"))
            ],
        ),
        lines(
            "Strongest drift by detector",
            "Test statistic over its threshold, of the strongest signal: a detector alarms above 1.",
            "none",
            [target(f"max by (detector) ({RATIO})", "{{detector}}")],
            steps=[(None, "transparent"), (1, "red")],
            custom={"thresholdsStyle": {"mode": "line"}},
            limits={"min": 0},
        ),
        lines(
            "Predictions by class",
            "Share of each class in what the model predicts.",
            "percentunit",
            [
                target(
                    f"sum by (label) (rate(driftlead_predictions_total{{{OWN}}}[$__rate_interval]))"
                    " / ignoring (label) group_left () "
                    f"sum(rate(driftlead_predictions_total{{{OWN}}}[$__rate_interval]))",
                    "{{label}}",
                )
            ],
            custom={"stacking": {"mode": "normal"}, "fillOpacity": 60, "lineWidth": 0},
            limits={"min": 0, "max": 1},
        ),
        panel(
            "table",
            "Alerts",
            "What fires now, by the rules of configs/prometheus_rules.yaml.",
            "none",
            [target(alerts, instant=True, table=True)],
            (12, 8),
            transformations=[hide("Time", "Value", "__name__", "alertstate", "job")],
        ),
        panel(
            "table",
            "Replicas and versions",
            "Which version of which model every replica serves.",
            "none",
            [target(f"driftlead_model_info{{{OWN}}}", instant=True, table=True)],
            (12, 8),
            transformations=[hide("Time", "Value", "__name__", "job")],
        ),
    ]
    return dashboard(
        "driftlead-overview",
        "driftlead: overview",
        "Whether the monitored model runs, answers, and drifts.",
        panels,
    )


def drift() -> Json:
    """Show which signals drift, and how one of them differs from its reference."""
    observed = f"increase(driftlead_signal_bin_observations_total{{{SIGNAL}}}[$__range])"
    panels = [
        panel(
            "bargauge",
            "Strongest signals",
            "Test statistic over its threshold, the ten strongest: above 1 the detector alarms.",
            "none",
            [target(f"topk(10, {RATIO})", "{{signal}} · {{detector}}", instant=True)],
            (12, 9),
            steps=[(None, "green"), (0.8, "orange"), (1, "red")],
            limits={"min": 0},
            options={"orientation": "horizontal", "displayMode": "basic"},
        ),
        lines(
            "Alarms",
            "Alarms of all signals within a minute; those of one excursion count once.",
            "short",
            [target(f"sum by (detector) (increase(driftlead_alarms_total{{{OWN}}}[1m]))", "{{detector}}")],
            custom={"drawStyle": "bars", "fillOpacity": 60},
        ),
        lines(
            "Signals drifting by detector",
            "Signals on which a detector alarmed within the latest window of rows, on any replica.",
            "short",
            [
                target(
                    f"sum by (detector) (max by (signal, detector) (driftlead_signal_drifting{{{OWN}}}))",
                    "{{detector}}",
                )
            ],
        ),
        lines(
            "Rows watched",
            "Rows per second that went through the detectors, and those that were dropped before.",
            "cps",
            [
                target(f"sum(rate(driftlead_monitor_rows_total{{{OWN}}}[$__rate_interval]))", "watched"),
                target(
                    "sum by (reason) "
                    f"(rate(driftlead_monitor_dropped_rows_total{{{OWN}}}[$__rate_interval]))",
                    "dropped, {{reason}}",
                ),
            ],
        ),
        lines(
            "$signal: statistic over threshold",
            "Of the signal chosen above, by detector, the worst of the replicas: above 1 it alarms.",
            "none",
            [
                target(
                    "max by (detector) "
                    f"(driftlead_signal_statistic{{{SIGNAL}}} / driftlead_signal_threshold{{{SIGNAL}}})",
                    "{{detector}}",
                )
            ],
            steps=[(None, "transparent"), (1, "red")],
            custom={"thresholdsStyle": {"mode": "line"}},
            limits={"min": 0},
        ),
        lines(
            "$signal: mean",
            "Mean over the latest window of rows, averaged over the replicas, beside that of the reference.",
            "none",
            [
                target(f"avg(driftlead_signal_window_mean{{{SIGNAL}}})", "live"),
                target(f"avg(driftlead_signal_reference_mean{{{SIGNAL}}})", "reference"),
            ],
        ),
        panel(
            "barchart",
            "$signal: live against reference",
            "Share of the rows in each bin of the reference: in the time range chosen, over all replicas, "
            "and in the reference. Bins hold equal shares of the reference where its values allow.",
            "percentunit",
            [
                target(
                    f"sum by (bin) ({observed}) / ignoring (bin) group_left () sum({observed})",
                    "live",
                    instant=True,
                    table=True,
                ),
                target(
                    f"max by (bin) (driftlead_reference_bin_ratio{{{SIGNAL}}})",
                    "reference",
                    instant=True,
                    table=True,
                ),
            ],
            (24, 9),
            transformations=[
                {"id": "joinByField", "options": {"byField": "bin", "mode": "outer"}},
                {
                    "id": "organize",
                    "options": {
                        "excludeByName": {"Time": True, "Time 1": True, "Time 2": True},
                        "renameByName": {"Value #A": "live", "Value #B": "reference"},
                    },
                },
            ],
            options={"xField": "bin", "legend": {"displayMode": "list", "placement": "bottom"}},
            limits={"min": 0},
        ),
    ]
    signal = variable(
        "signal",
        "Signal",
        'label_values(driftlead_signal_window_mean{job=~"$job", model=~"$model"}, signal)',
        many=False,
    )
    return dashboard(
        "driftlead-drift",
        "driftlead: drift",
        "Which signals drift, since when, and how one of them differs from its reference.",
        panels,
        [signal],
    )


def files() -> dict[str, str]:
    """Return what belongs into the folder of dashboards: name and text."""
    made = {"overview.json": overview(), "drift.json": drift()}
    return {name: json.dumps(each, indent=2, ensure_ascii=False) + "\n" for name, each in made.items()}


def write(folder: Path) -> None:
    """Write every dashboard into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else DASHBOARDS)
