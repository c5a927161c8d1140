"""The dashboard of the labels."""

from __future__ import annotations

from panels import OWN, Json, dashboard, lines, stat, target


def quality() -> Json:
    """Show how right the model is: by its labels, and before they come."""

    def ratio(metric: str) -> str:
        # A replica without labels has none: NaN, which no comparison lets through.
        return f'avg(driftlead_performance_ratio{{{OWN}, metric="{metric}"}} >= 0)'

    feedback = f"driftlead_feedback_total{{{OWN}}}"
    loss = f"driftlead_performance_loss{{{OWN}}}"
    ratios = f'driftlead_performance_ratio{{{OWN}, metric=~"%s"}}'
    panels = [
        stat(
            "Accuracy",
            "Share of the latest labelled rows that the model was right about.",
            "percentunit",
            ratio("accuracy"),
            [(None, "blue")],
        ),
        stat(
            "Estimated accuracy",
            "What the model's confidence says of its latest predictions, labelled or not.",
            "percentunit",
            ratio("estimated_accuracy"),
            [(None, "blue")],
        ),
        stat(
            "Reference accuracy",
            "Accuracy on the reference, when the model was trained.",
            "percentunit",
            ratio("reference_accuracy"),
            [(None, "blue")],
        ),
        stat(
            "Accuracy lost",
            "Accuracy on the reference less that of the latest labelled rows: above 5 points, with drift, "
            "an alert fires.",
            "percentunit",
            f"{ratio('reference_accuracy')} - {ratio('accuracy')}",
            [(None, "green"), (0.02, "orange"), (0.05, "red")],
        ),
        stat(
            "Labels",
            "Labels that found their prediction, on all replicas.",
            "cps",
            f'sum(rate(driftlead_feedback_total{{{OWN}, outcome="matched"}}[$__rate_interval]))',
            [(None, "blue")],
        ),
        stat(
            "Label lag",
            "Age of the predictions whose labels came last.",
            "s",
            f"max(driftlead_label_lag_seconds{{{OWN}}})",
            [(None, "green"), (86400, "orange")],
        ),
        lines(
            "Accuracy: true, estimated, reference",
            "By labels, by the model's confidence with its interval, and when the model was trained.",
            "percentunit",
            [
                target(ratio("accuracy"), "true"),
                target(ratio("estimated_accuracy"), "estimated"),
                target(ratio("estimated_accuracy_low"), "estimated, low"),
                target(ratio("estimated_accuracy_high"), "estimated, high"),
                target(ratio("reference_accuracy"), "reference"),
            ],
            limits={"max": 1},
        ),
        lines(
            "Precision and recall",
            "Of the latest labelled rows, averaged over classes.",
            "percentunit",
            [target(f"avg by (metric) ({ratios % 'macro_precision|macro_recall'} >= 0)", "{{metric}}")],
            limits={"max": 1},
        ),
        lines(
            "Calibration",
            "Whether the probabilities mean what they say: Brier score and calibration error, 0 at best.",
            "percentunit",
            [target(f"avg by (metric) ({ratios % 'brier|calibration_error'} >= 0)", "{{metric}}")],
            limits={"min": 0},
        ),
        lines(
            "Loss",
            "Of the latest labelled rows: log loss of a classifier, mae and rmse of a regression.",
            "none",
            [target(f"avg by (metric) ({loss} >= 0)", "{{metric}}")],
            limits={"min": 0},
        ),
        lines(
            "Feedback",
            "Labels per second, by what became of them: only matched ones change the accuracy.",
            "cps",
            [target(f"sum by (outcome) (rate({feedback}[$__rate_interval]))", "{{outcome}}")],
            limits={"min": 0},
        ),
        lines(
            "Predictions dropped",
            "Predictions per second that are not kept for their labels, by reason.",
            "cps",
            [
                target(
                    f"sum by (reason) (rate(driftlead_predictions_dropped_total{{{OWN}}}[$__rate_interval]))",
                    "{{reason}}",
                )
            ],
            limits={"min": 0},
        ),
    ]
    return dashboard(
        "driftlead-quality",
        "driftlead: quality",
        "How right the model is: by the labels that came back, and estimated before they do.",
        panels,
    )
