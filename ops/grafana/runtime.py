"""The dashboard of the processes."""

from __future__ import annotations

from panels import OWN, PROCESS, Json, dashboard, lines, target


def runtime() -> Json:
    """Show what the service is busy with, and what its monitor loses."""

    def per_second(name: str, by: str) -> str:
        return f"sum by ({by}) (rate(driftlead_{name}{{{OWN}}}[$__rate_interval]))"

    phases = per_second("inference_phase_duration_seconds_bucket", "le, phase")
    panels = [
        lines(
            "Time by phase",
            "99 % of the requests spend less than this in each phase. Where all are short and the latency is "
            "long, requests wait for their turn.",
            "s",
            [target(f"histogram_quantile(0.99, {phases})", "{{phase}}")],
            limits={"min": 0},
        ),
        lines(
            "Requests under way",
            "Inference requests that wait for their answer, by replica.",
            "short",
            [target(f"driftlead_inference_inflight_requests{{{OWN}}}", "{{instance}}")],
            limits={"min": 0},
        ),
        lines(
            "Rows served and watched",
            "Rows per second answered, and gone through the detectors.",
            "cps",
            [
                target(f"sum(rate(driftlead_inference_rows_total{{{OWN}}}[$__rate_interval]))", "served"),
                target(f"sum(rate(driftlead_monitor_rows_total{{{OWN}}}[$__rate_interval]))", "watched"),
            ],
            limits={"min": 0},
        ),
        lines(
            "Monitor's queue",
            "Rows waiting between serving and the detectors, by replica.",
            "short",
            [target(f"driftlead_monitor_queue_rows{{{OWN}}}", "{{instance}}")],
            limits={"min": 0},
        ),
        lines(
            "Rows dropped",
            "Rows per second that never reached the detectors, by reason.",
            "cps",
            [target(per_second("monitor_dropped_rows_total", "reason"), "{{reason}}")],
            limits={"min": 0},
        ),
        lines(
            "Failures of the monitor",
            "Failures per second inside the monitor, by place; serving goes on.",
            "cps",
            [target(per_second("monitor_errors_total", "where"), "{{where}}")],
            limits={"min": 0},
        ),
        lines(
            "Unsaved state",
            "Time since the monitor's state was last saved, by replica: what a restart now would forget.",
            "s",
            [target(f"time() - driftlead_monitor_state_saved_timestamp_seconds{{{OWN}}}", "{{instance}}")],
            limits={"min": 0},
        ),
        lines(
            "Webhook deliveries",
            "Messages about episodes of drift per second, by what became of them.",
            "cps",
            [target(per_second("webhook_deliveries_total", "outcome"), "{{outcome}}")],
            limits={"min": 0},
        ),
        lines(
            "Processor",
            "Processor seconds per second, by replica: 1 is one core.",
            "none",
            [
                target(
                    f"sum by (instance) (rate(process_cpu_seconds_total{{{PROCESS}}}[$__rate_interval]))",
                    "{{instance}}",
                )
            ],
            limits={"min": 0},
        ),
        lines(
            "Memory",
            "Resident memory, by replica.",
            "bytes",
            [target(f"process_resident_memory_bytes{{{PROCESS}}}", "{{instance}}")],
            limits={"min": 0},
        ),
        lines(
            "Scrape time",
            "How long Prometheus takes to read a replica's metrics.",
            "s",
            [target(f"scrape_duration_seconds{{{PROCESS}}}", "{{instance}}")],
            limits={"min": 0},
        ),
        lines(
            "Series",
            "Series that a replica exports, and signals without any of their own, since there are too many.",
            "short",
            [
                target(f"scrape_samples_scraped{{{PROCESS}}}", "{{instance}}"),
                target(f"sum(driftlead_signals_left_out{{{OWN}}})", "signals left out"),
            ],
            limits={"min": 0},
        ),
    ]
    return dashboard(
        "driftlead-runtime",
        "driftlead: runtime",
        "What the service is busy with, and what its monitor loses.",
        panels,
    )
