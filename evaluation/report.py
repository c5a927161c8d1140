"""Quality as tables for a terminal."""

from __future__ import annotations

from rich.table import Table

from evaluation.quality import Quality

__all__ = ["class_table", "confusion_table", "summary_line"]


def summary_line(quality: Quality) -> str:
    """Say the most important numbers in one line."""
    return (
        f"{quality.model} {quality.version}: accuracy {quality.accuracy:.2%} on {quality.n_rows} "
        f"held-out rows, expected calibration error {quality.calibration_error:.2%}"
    )


def class_table(quality: Quality) -> Table:
    """Lay out precision, recall and F1 per class."""
    table = Table("class", title="Per class")
    for heading in ("precision", "recall", "F1", "rows"):
        table.add_column(heading, justify="right")
    for index, name in enumerate(quality.class_names):
        scores = (quality.precision[index], quality.recall[index], quality.f1[index])
        table.add_row(name, *(f"{score:.3f}" for score in scores), str(quality.support[index]))
    return table


def confusion_table(quality: Quality) -> Table:
    """Lay out the confusion matrix; zeros are left blank so that mistakes stand out."""
    table = Table("true \\ predicted", title="Confusion matrix")
    for name in quality.class_names:
        table.add_column(name, justify="right")
    for index, name in enumerate(quality.class_names):
        counts = quality.confusion[index].tolist()
        cells = [
            f"[green]{count}[/]" if column == index else f"[red]{count}[/]" if count else ""
            for column, count in enumerate(counts)
        ]
        table.add_row(name, *cells)
    return table
