"""Deliveries of a notifier as a Prometheus metric family."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from driftlead.webhooks import Notifier

__all__ = ["NotifierCollector"]


class NotifierCollector(Collector):
    """Collect what became of messages for a `prometheus_client` registry.

    Parameters
    ----------
    notifier : Notifier
    model, version : str
        Values of the labels of the same names.
    """

    def __init__(self, notifier: Notifier, *, model: str, version: str) -> None:
        self._notifier = notifier
        self._own = (model, version)

    def describe(self) -> Iterable[Metric]:
        """Describe nothing ahead."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the family."""
        family = CounterMetricFamily(
            "driftlead_webhook_deliveries",
            "Messages about episodes, by what became of an attempt to deliver one.",
            labels=("model", "version", "outcome"),
        )
        for outcome, count in self._notifier.counts.items():
            if outcome != "store_errors":
                family.add_metric((*self._own, outcome), float(count))
        yield family
