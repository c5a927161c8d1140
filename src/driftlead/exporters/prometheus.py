"""A monitor as Prometheus metric families, made from one snapshot at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from driftlead.monitor import DetectorSnapshot, Monitor, MonitorSnapshot

__all__ = ["MonitorCollector"]


class MonitorCollector(Collector):
    """Collect a monitor's state for a `prometheus_client` registry.

    Nothing is kept between scrapes and nothing is called per row: every scrape reads one consistent
    snapshot. Bin counts are counters over the reference's own bins, so that they add up over replicas.

    Parameters
    ----------
    monitor : Monitor
        The monitor to read.
    model, version : str
        Values of the labels of the same names, on every family.

    Examples
    --------
    >>> from prometheus_client import CollectorRegistry, generate_latest
    >>> from driftlead.reference import ReferenceProfile
    >>> from driftlead.signals import Signal
    >>> profile = ReferenceProfile.from_rows([Signal("a")], [[float(i)] for i in range(100)], model_hash="1f")
    >>> registry = CollectorRegistry()
    >>> registry.register(MonitorCollector(Monitor(profile), model="digits", version="1f"))
    >>> registry.get_sample_value("driftlead_monitor_rows_total", {"model": "digits", "version": "1f"})
    0.0
    """

    def __init__(self, monitor: Monitor, *, model: str, version: str) -> None:
        self._monitor = monitor
        self._labels = (model, version)

    def describe(self) -> Iterable[Metric]:
        """Describe nothing ahead: registering must not take a snapshot."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families of one snapshot."""
        snapshot = self._monitor.snapshot()
        yield from self._detector_families(snapshot)
        yield from self._signal_families(snapshot)
        yield from self._health_families(snapshot)
        yield self._reference_info()

    def _detector_families(self, snapshot: MonitorSnapshot) -> Iterator[Metric]:
        def per_pair(family: Metric, values: Callable[[DetectorSnapshot], Iterable[Any]]) -> Metric:
            for detector in snapshot.detectors:
                for column, value in zip(detector.columns, values(detector), strict=True):
                    name = snapshot.signals[column].name
                    _add(family, (*self._labels, name, detector.name), float(value))
            return family

        labels = ("signal", "detector")
        yield per_pair(
            self._gauge("signal_statistic", "Test statistic of a signal after its latest row.", labels),
            lambda detector: detector.statistic,
        )
        yield per_pair(
            self._gauge("signal_threshold", "Level of the statistic above which the test alarms.", labels),
            lambda detector: detector.threshold,
        )
        yield per_pair(
            self._gauge(
                "signal_drifting", "Whether the test alarmed within the latest window of rows.", labels
            ),
            lambda detector: detector.drifting,
        )
        yield per_pair(
            self._counter("alarms", "Alarms; those of one excursion count once.", labels),
            lambda detector: detector.alarms,
        )
        episodes = self._gauge("episodes_open", "Periods of drift, over all signals, that are not over.")
        _add(episodes, self._labels, float(snapshot.drifting))
        yield episodes

    def _signal_families(self, snapshot: MonitorSnapshot) -> Iterator[Metric]:
        window = self._gauge(
            "signal_window_mean", "Mean of a signal over the latest window of rows.", ("signal",)
        )
        reference = self._gauge("signal_reference_mean", "Mean of a signal in the reference.", ("signal",))
        observed = self._counter(
            "signal_bin_observations",
            "Observations of a signal in each bin of its reference.",
            ("signal", "bin"),
        )
        expected = self._gauge(
            "reference_bin_ratio", "Share of the reference in each of its bins.", ("signal", "bin")
        )
        for index, signal in enumerate(snapshot.signals):
            labels = (*self._labels, signal.name)
            _add(window, labels, float(snapshot.window_mean[index]))
            _add(reference, labels, float(snapshot.reference_mean[index]))
            bins = snapshot.bins[index]
            counts = snapshot.bin_counts[index]
            for label, count, ratio in zip(bins.labels, counts, bins.reference_ratio, strict=True):
                _add(observed, (*labels, label), float(count))
                _add(expected, (*labels, label), float(ratio))
        yield from (window, reference, observed, expected)

    def _health_families(self, snapshot: MonitorSnapshot) -> Iterator[Metric]:
        rows = self._counter("monitor_rows", "Rows that went through the detectors.")
        _add(rows, self._labels, float(snapshot.rows))
        dropped = self._counter(
            "monitor_dropped_rows", "Rows that never reached the detectors, by reason.", ("reason",)
        )
        for reason, count in snapshot.dropped_rows.items():
            _add(dropped, (*self._labels, reason), float(count))
        errors = self._counter("monitor_errors", "Failures inside the monitor, by place.", ("where",))
        for where, count in snapshot.errors.items():
            _add(errors, (*self._labels, where), float(count))
        queue = self._gauge("monitor_queue_rows", "Rows waiting between serving and monitoring.")
        _add(queue, self._labels, float(snapshot.queue_rows))
        yield from (rows, dropped, errors, queue)

    def _reference_info(self) -> Metric:
        profile = self._monitor.profile
        info = InfoMetricFamily(
            "driftlead_reference", "The reference profile that signals are compared with.", labels=_LABELS
        )
        info.add_metric(
            self._labels,
            {
                "model_hash": profile.model_hash,
                "rows": str(profile.n_rows),
                "signals": str(profile.n_signals),
            },
        )
        return info

    def _gauge(self, name: str, help_text: str, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"driftlead_{name}", help_text, labels=(*_LABELS, *labels))

    def _counter(self, name: str, help_text: str, labels: tuple[str, ...] = ()) -> CounterMetricFamily:
        return CounterMetricFamily(f"driftlead_{name}", help_text, labels=(*_LABELS, *labels))


_LABELS = ("model", "version")


def _add(family: Any, labels: tuple[str, ...], value: float) -> None:
    family.add_metric(labels, value)
