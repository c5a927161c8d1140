"""The dashboard of the signals."""

from __future__ import annotations

from panels import BINS, MODEL, OWN, RATIO, SIGNAL, Json, dashboard, lines, panel, target, variable


def drift() -> Json:
    """Show which signals drift, and how one of them differs from its reference."""
    observed = f"increase(driftlead_signal_bin_observations_total{{{BINS}}}[$__range])"
    hour = f'{MODEL}, signal="$signal", reference="$reference"'
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
        panel(
            "bargauge",
            "Population stability index",
            "Of all replicas together, in the last hour, the ten largest: above 0.25, and beyond chance, an "
            "alert fires.",
            "none",
            [target(f"topk(10, signal:driftlead_signal_psi:ratio1h{{{MODEL}}})", "{{signal}}", instant=True)],
            (12, 9),
            steps=[(None, "green"), (0.1, "orange"), (0.25, "red")],
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
        lines(
            "$signal: all replicas together",
            "In the last hour: population stability index, what chance alone makes of it with so many rows, "
            "and the difference of the distribution functions (Kolmogorov-Smirnov) at the bins' edges.",
            "none",
            [
                target(f"signal:driftlead_signal_psi:ratio1h{{{hour}}}", "PSI"),
                target(f"signal:driftlead_signal_psi_critical:ratio1h{{{hour}}}", "PSI by chance"),
                target(f"signal:driftlead_signal_ks:ratio1h{{{hour}}}", "KS"),
            ],
            limits={"min": 0},
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
                    f"max by (bin) (driftlead_reference_bin_ratio{{{BINS}}})",
                    "reference",
                    instant=True,
                    table=True,
                ),
            ],
            (12, 8),
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
    reference = variable(
        "reference",
        "Reference",
        'label_values(driftlead_reference_observations{job=~"$job", model=~"$model", version=~"$version"}, '
        "reference)",
        many=False,
    )
    return dashboard(
        "driftlead-drift",
        "driftlead: drift",
        "Which signals drift, since when, and how one of them differs from its reference.",
        panels,
        [signal, reference],
    )
