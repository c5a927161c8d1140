"""A monitor as Prometheus metric families, made from one snapshot at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from driftlead.errors import InvalidParameterError
from driftlead.exporters.exposition import LabelSets, array_family
from driftlead.exporters.reference import chi_square_thresholds, reference_digest
from driftlead.monitor import DetectorSnapshot, LabelsSnapshot, Monitor, MonitorSnapshot
from driftlead.reference import ReferenceProfile

__all__ = ["MonitorCollector"]

_OWN = ("model", "version")

_MOST_CLASSES = 100
"""More of them have no series of their own."""

_LOSSES = ("log_loss", "mae", "rmse")
"""What is not a share of anything, among the measures of `driftlead.quality.metrics`."""


class MonitorCollector(Collector):
    """Collect a monitor's state for a `prometheus_client` registry.

    Nothing is called per row: every scrape reads one consistent snapshot. Bin counts are counters over the
    reference's own bins, so that they add up over replicas; their label ``reference`` keeps those of another
    reference apart.

    Parameters
    ----------
    monitor : Monitor
        The monitor to read.
    model, version : str
        Values of the labels of the same names, on every family.
    max_signals : int
        Most signals that have series of their own. Beyond that those drifting, then those nearest to an alarm
        are exported, and ``driftlead_signals_left_out`` counts the others.

    Raises
    ------
    InvalidParameterError
        When `max_signals` is not positive.

    Examples
    --------
    >>> from prometheus_client import CollectorRegistry
    >>> from driftlead.reference import ReferenceProfile
    >>> from driftlead.signals import Signal
    >>> profile = ReferenceProfile.from_rows([Signal("a")], [[float(i)] for i in range(100)], model_hash="1f")
    >>> registry = CollectorRegistry()
    >>> registry.register(MonitorCollector(Monitor(profile), model="digits", version="1f"))
    >>> registry.get_sample_value("driftlead_monitor_rows_total", {"model": "digits", "version": "1f"})
    0.0
    """

    def __init__(self, monitor: Monitor, *, model: str, version: str, max_signals: int = 500) -> None:
        if max_signals < 1:
            raise InvalidParameterError("max_signals", "at least 1", max_signals)
        self._monitor = monitor
        self._own = (model, version)
        self._max_signals = max_signals
        self._layout: _Layout | None = None

    def describe(self) -> Iterable[Metric]:
        """Describe nothing ahead: registering must not take a snapshot."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families of one snapshot."""
        snapshot = self._monitor.snapshot()
        layout = self._layout
        if layout is None or not layout.fits(snapshot):
            layout = self._layout = _Layout(self._own, snapshot)
        kept = _strongest(snapshot, self._max_signals)
        yield from _detector_families(snapshot, layout, kept)
        yield from _signal_families(snapshot, layout, kept)
        yield from self._health_families(snapshot, left_out=int((~kept).sum()))
        yield from self._label_families(snapshot)
        yield from self._reference_families(snapshot.profile, layout)

    def _health_families(self, snapshot: MonitorSnapshot, left_out: int) -> Iterator[Metric]:
        yield self._gauge(
            "signals_left_out", "Signals without series of their own, since there are too many.", left_out
        )
        yield self._gauge(
            "episodes_open",
            "Periods of drift, over all signals, that are not over.",
            len(snapshot.open_episodes),
        )
        yield self._gauge(
            "episodes_unacknowledged",
            "Open episodes that no person knows of.",
            sum(episode.status == "open" for episode in snapshot.open_episodes),
        )
        if snapshot.saved_at is not None:
            yield self._gauge(
                "monitor_state_saved_timestamp_seconds",
                "When the monitor's state was last saved, since the epoch.",
                snapshot.saved_at,
            )
        yield self._gauge(
            "monitor_queue_rows", "Rows waiting between serving and monitoring.", snapshot.queue_rows
        )
        yield self._counter(
            "monitor_rows", "Rows that went through the detectors.", snapshot.rows_since_start
        )
        yield self._counter("episodes", "Episodes of drift that opened.", snapshot.episodes_since_start)
        yield self._counters(
            "monitor_dropped_rows",
            "Rows that never reached the detectors, by reason.",
            "reason",
            snapshot.dropped_rows,
        )
        yield self._counters(
            "monitor_errors", "Failures inside the monitor, by place.", "where", snapshot.errors
        )

    def _label_families(self, snapshot: MonitorSnapshot) -> Iterator[Metric]:
        labels = snapshot.labels
        yield self._counters(
            "feedback",
            "Labels by what became of them; an unmatched one is matched too once its prediction comes.",
            "outcome",
            labels.outcomes,
        )
        yield self._counters(
            "predictions_dropped",
            "Predictions that no label will find, by reason.",
            "reason",
            snapshot.dropped_predictions,
        )
        yield self._gauge(
            "predictions_waiting", "Predictions on their way to the store.", snapshot.waiting_predictions
        )
        yield self._gauge(
            "label_lag_seconds", "Mean age of the predictions that were labelled last.", labels.lag_seconds
        )
        yield self._gauge(
            "labels_received_timestamp_seconds", "When labels were joined last.", labels.received_at
        )
        yield self._counter("labelled_rows", "Labelled rows that were measured.", labels.rows_since_start)
        ratios = {name: value for name, value in labels.metrics.items() if name not in _LOSSES}
        ratios |= {
            f"reference_{name}": value
            for name, value in labels.reference_metrics.items()
            if name not in _LOSSES
        }
        if labels.estimate is not None:
            ratios |= {
                "estimated_accuracy": labels.estimate.estimate,
                "estimated_accuracy_low": labels.estimate.low,
                "estimated_accuracy_high": labels.estimate.high,
            }
        yield self._gauges(
            "performance_ratio", "Quality of labelled rows; of the reference; estimated.", "metric", ratios
        )
        yield self._class_family(labels)
        losses = {name: value for name, value in labels.metrics.items() if name in _LOSSES}
        yield self._gauges("performance_loss", "Losses of labelled rows.", "metric", losses)

    def _class_family(self, labels: LabelsSnapshot) -> Metric:
        family = GaugeMetricFamily(
            "driftlead_performance_class_ratio",
            "Precision and recall of each class, of labelled rows.",
            labels=(*_OWN, "metric", "label"),
        )
        for metric in ("precision", "recall"):
            values = labels.class_metrics.get(metric, ())
            for name, value in zip(labels.class_labels[:_MOST_CLASSES], values, strict=False):
                family.add_metric((*self._own, metric, name), float(value))
        return family

    def _reference_families(self, profile: ReferenceProfile, layout: _Layout) -> Iterator[Metric]:
        observations = GaugeMetricFamily(
            "driftlead_reference_observations",
            "Rows that the reference was taken from.",
            labels=(*_OWN, "reference"),
        )
        observations.add_metric((*self._own, layout.reference), profile.n_rows)
        info = InfoMetricFamily(
            "driftlead_reference", "The reference profile that signals are compared with.", labels=_OWN
        )
        info.add_metric(
            self._own,
            {
                "model_hash": profile.model_hash,
                "reference": layout.reference,
                "rows": str(profile.n_rows),
                "signals": str(profile.n_signals),
            },
        )
        yield from (observations, info)

    def _gauge(self, name: str, documentation: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"driftlead_{name}", documentation, labels=_OWN)
        family.add_metric(self._own, float(value))
        return family

    def _counter(self, name: str, documentation: str, value: float) -> Metric:
        family = CounterMetricFamily(f"driftlead_{name}", documentation, labels=_OWN)
        family.add_metric(self._own, float(value))
        return family

    def _gauges(self, name: str, documentation: str, label: str, values: Mapping[str, float]) -> Metric:
        family = GaugeMetricFamily(f"driftlead_{name}", documentation, labels=(*_OWN, label))
        for value, number in values.items():
            family.add_metric((*self._own, value), float(number))
        return family

    def _counters(self, name: str, documentation: str, label: str, counts: dict[str, int]) -> Metric:
        family = CounterMetricFamily(f"driftlead_{name}", documentation, labels=(*_OWN, label))
        for value, count in counts.items():
            family.add_metric((*self._own, value), float(count))
        return family


class _Layout:
    """What the series of a monitor are called: it changes with the reference, and with what is shown."""

    def __init__(self, own: tuple[str, str], snapshot: MonitorSnapshot) -> None:
        self._of = snapshot.bins, snapshot.labels.signals, _shown(snapshot)
        self.reference = reference_digest(snapshot.profile, snapshot.bins)
        names = [signal.name for signal in snapshot.signals]
        self.signals = LabelSets((*_OWN, "signal"), [(*own, name) for name in names])
        self.references = LabelSets(
            (*_OWN, "signal", "reference"), [(*own, name, self.reference) for name in names]
        )
        self.pairs = LabelSets(
            (*_OWN, "signal", "detector"),
            [
                (*own, signals[column].name, detector.name)
                for signals, detectors in (
                    (snapshot.signals, snapshot.detectors),
                    (snapshot.labels.signals, snapshot.labels.detectors),
                )
                for detector in detectors
                for column in detector.columns
            ],
        )
        self.bin_labels = LabelSets(
            (*_OWN, "signal", "reference", "bin"),
            [
                (*own, name, self.reference, label)
                for name, bins in zip(names, snapshot.bins, strict=True)
                for label in bins.labels
            ],
        )
        self.signal_of_bin = np.repeat(np.arange(len(names)), [len(bins.labels) for bins in snapshot.bins])
        self.reference_ratio = np.concatenate([bins.reference_ratio for bins in snapshot.bins])
        self.chi_square = chi_square_thresholds([len(bins.labels) for bins in snapshot.bins])

    def fits(self, snapshot: MonitorSnapshot) -> bool:
        """Whether nothing has changed that series are called by."""
        bins, labelled, shown = self._of
        return bins is snapshot.bins and labelled == snapshot.labels.signals and shown == _shown(snapshot)


def _shown(snapshot: MonitorSnapshot) -> list[tuple[str, bytes]]:
    """Which signals each test is shown for."""
    return [(detector.name, detector.columns.tobytes()) for detector in snapshot.detectors]


def _strongest(snapshot: MonitorSnapshot, most: int) -> NDArray[np.bool_]:
    """Choose the signals that are exported: drifting ones first, then by statistic over threshold."""
    kept = np.ones(len(snapshot.signals), dtype=np.bool_)
    if len(kept) <= most:
        return kept
    drifting = np.zeros(len(kept), dtype=np.bool_)
    ratio = np.zeros(len(kept))
    for detector in snapshot.detectors:
        drifting[detector.columns] |= detector.drifting
        ratio[detector.columns] = np.fmax(ratio[detector.columns], detector.statistic / detector.threshold)
    kept[np.lexsort((-ratio, ~drifting))[most:]] = False
    return kept


def _detector_families(
    snapshot: MonitorSnapshot, layout: _Layout, kept: NDArray[np.bool_]
) -> Iterator[Metric]:
    # The few signals of labelled rows are always kept.
    of_labels = snapshot.labels.detectors
    shown = np.concatenate(
        [kept[detector.columns] for detector in snapshot.detectors]
        + [np.ones(len(detector.columns), dtype=np.bool_) for detector in of_labels]
    )
    labels = layout.pairs if kept.all() else layout.pairs.only(shown)

    def family(kind: str, name: str, about: str, values: Callable[[DetectorSnapshot], Any]) -> Metric:
        numbers = np.concatenate([values(detector) for detector in (*snapshot.detectors, *of_labels)])
        return array_family(kind, f"driftlead_{name}", about, labels, numbers[shown])

    yield family(
        "gauge",
        "signal_statistic",
        "Test statistic of a signal after its latest row.",
        lambda detector: detector.statistic,
    )
    yield family(
        "gauge",
        "signal_threshold",
        "Level of the statistic above which the test alarms.",
        lambda detector: detector.threshold,
    )
    yield family(
        "gauge",
        "signal_drifting",
        "Whether the test alarmed within the latest window of rows.",
        lambda detector: detector.drifting,
    )
    yield family(
        "counter",
        "alarms",
        "Alarms; those of one excursion count once.",
        lambda detector: detector.alarms_since_start,
    )


def _signal_families(snapshot: MonitorSnapshot, layout: _Layout, kept: NDArray[np.bool_]) -> Iterator[Metric]:
    of_bin = kept[layout.signal_of_bin]
    signals, references, bins = layout.signals, layout.references, layout.bin_labels
    if not kept.all():
        signals, references, bins = signals.only(kept), references.only(kept), bins.only(of_bin)
    yield array_family(
        "gauge",
        "driftlead_signal_window_mean",
        "Mean of a signal over the latest window of rows.",
        signals,
        snapshot.window_mean[kept],
    )
    yield array_family(
        "gauge",
        "driftlead_signal_reference_mean",
        "Mean of a signal in the reference.",
        signals,
        snapshot.reference_mean[kept],
    )
    yield array_family(
        "counter",
        "driftlead_signal_bin_observations",
        "Observations of a signal in each bin of its reference.",
        bins,
        np.concatenate(snapshot.bin_counts)[of_bin],
    )
    yield array_family(
        "gauge",
        "driftlead_reference_bin_ratio",
        "Share of the reference in each of its bins.",
        bins,
        layout.reference_ratio[of_bin],
    )
    yield array_family(
        "gauge",
        "driftlead_signal_chi_square_threshold",
        "What the PSI of a signal, over 1/n + 1/m for n live rows and m reference rows, exceeds by chance.",
        references,
        layout.chi_square[kept],
    )
