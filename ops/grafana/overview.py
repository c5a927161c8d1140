"""The dashboard that Grafana opens with."""

from __future__ import annotations

from panels import OWN, RATIO, Json, dashboard, hide, lines, panel, stat, target


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
            width=3,
        ),
        stat(
            "Alerts firing",
            "Alerts of all replicas, also those that are about none in particular.",
            "short",
            f"count({alerts}) or vector(0)",
            some_are_bad,
            width=3,
        ),
        stat(
            "Episodes open",
            "Periods of drift that are not over, on all replicas.",
            "short",
            f"sum(driftlead_episodes_open{{{OWN}}})",
            some_are_bad,
            width=3,
        ),
        stat(
            "Signals drifting",
            "Signals that some detector holds for drifting, on any replica.",
            "short",
            f"sum(max by (signal) (driftlead_signal_drifting{{{OWN}}}))",
            some_are_bad,
            width=3,
        ),
        stat(
            "Requests",
            "Inference requests answered, by all replicas.",
            "reqps",
            f"sum(rate({requests}[$__rate_interval]))",
            [(None, "blue")],
            width=3,
        ),
        stat(
            "Errors",
            "Share of the requests that the service failed to answer (5xx).",
            "percentunit",
            f"sum(rate({failed}[$__rate_interval])) / sum(rate({requests}[$__rate_interval]))",
            [(None, "green"), (0.01, "orange"), (0.05, "red")],
            width=3,
        ),
        stat(
            "p99 latency",
            "99 % of the requests were answered within this time.",
            "s",
            f"histogram_quantile(0.99, {buckets})",
            [(None, "green"), (0.5, "orange"), (1, "red")],
            width=3,
        ),
        stat(
            "Accuracy",
            "Share of the latest labelled rows that the model was right about.",
            "percentunit",
            f'avg(driftlead_performance_ratio{{{OWN}, metric="accuracy"}} >= 0)',
            [(None, "blue")],
            width=3,
        ),
        lines(
            "Requests by status",
            "Inference requests per second, by HTTP status of the answer.",
            "reqps",
            [target(f"sum by (code) (rate({requests}[$__rate_interval]))", "{{code}}")],
        ),
        lines(
            "Latency",
            "Time from a request's headers to its answer; the quantiles are interpolated within buckets. "
            "Points are single requests, with the id that the log knows them by.",
            "s",
            [
                target(f"histogram_quantile({quantile}, {buckets})", name, exemplar=True)
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
