"""Rate, errors and duration of inference, counted where they happen.

Names and labels follow Prometheus' conventions: ``driftlead_inference_requests_total{model,version,code}``
and its kin. What the monitor knows is exported by `driftlead.exporters.prometheus`, at scrape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

__all__ = ["PHASES", "ServiceMetrics"]

#: What the worker thread does with a request, in order.
PHASES = ("decode", "predict", "encode")

#: Answers that the service is known to give; their series start at 0, so that the first one is an increase.
CODES = (200, 400, 404, 408, 413, 415, 499, 500, 503)

#: More classes than this share the label ``other``.
MOST_LABELS = 100

_LABELS = ("model", "version")
_LONGEST_EXEMPLAR = 128 - len("request_id")
_DURATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PHASE_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)


class ServiceMetrics:
    """The service's own metric families, on an injected registry.

    The ``_created`` series of `prometheus_client` are a setting of the whole process and thus the
    caller's: ``prometheus_client.disable_created_metrics()``.

    Parameters
    ----------
    registry : CollectorRegistry
        Where the families are registered.
    model, version, platform : str
        The one model that is served.
    class_names : sequence of str
        Names of a classifier's classes, in the order of their indices; empty when it has none.

    Examples
    --------
    >>> registry = CollectorRegistry()
    >>> metrics = ServiceMetrics(registry, "digits", "1f", "pytorch", ["zero", "one"])
    >>> metrics.count_classes(np.array([[0.2, 0.8], [0.1, 0.9], [0.7, 0.3]]))
    >>> labels = {"model": "digits", "version": "1f", "label": "one"}
    >>> registry.get_sample_value("driftlead_predictions_total", labels)
    2.0
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        model: str,
        version: str,
        platform: str,
        class_names: Sequence[str] = (),
    ) -> None:
        own = (model, version)
        self._requests = Counter(
            "driftlead_inference_requests",
            "Inference requests, by HTTP status of the answer.",
            (*_LABELS, "code"),
            registry=registry,
        )
        self._by_code = {code: self._requests.labels(*own, str(code)) for code in CODES}
        self._own = own
        self.duration = Histogram(
            "driftlead_inference_duration_seconds",
            "Time from an inference request's headers to its answer.",
            _LABELS,
            registry=registry,
            buckets=_DURATION_BUCKETS,
        ).labels(*own)
        phases = Histogram(
            "driftlead_inference_phase_duration_seconds",
            "Time that inference spends in each phase.",
            (*_LABELS, "phase"),
            registry=registry,
            buckets=_PHASE_BUCKETS,
        )
        self._phases = {phase: phases.labels(*own, phase) for phase in PHASES}
        self.rows = Counter(
            "driftlead_inference_rows", "Rows predicted and answered.", _LABELS, registry=registry
        ).labels(*own)
        self.inflight = Gauge(
            "driftlead_inference_inflight_requests",
            "Inference requests that wait for their answer.",
            _LABELS,
            registry=registry,
        ).labels(*own)
        self._classes = _label_children(registry, own, class_names)
        Info("driftlead_model", "The model that is served.", _LABELS, registry=registry).labels(*own).info(
            {"platform": platform}
        )

    def count_request(self, code: int, seconds: float, request_id: str) -> None:
        """Count one answered request and its duration; in OpenMetrics its id stands by its bucket."""
        child = self._by_code.get(code) or self._requests.labels(*self._own, str(code))
        child.inc()
        # Longer ones have no place in OpenMetrics.
        exemplar = {"request_id": request_id} if len(request_id) <= _LONGEST_EXEMPLAR else None
        self.duration.observe(seconds, exemplar)

    def time_phases(self, *seconds: float) -> None:
        """Record how long each of `PHASES` took."""
        for phase, duration in zip(PHASES, seconds, strict=True):
            self._phases[phase].observe(duration)

    def count_classes(self, scores: NDArray[np.float32]) -> None:
        """Count the likeliest class of each row of probabilities; rows with NaN are not counted."""
        if not self._classes:
            return
        other = len(self._classes) - 1
        if len(scores) == 1:
            # Most requests: a tenth of the time that the general way takes.
            likeliest = int(scores.argmax())
            if scores[0, likeliest] == scores[0, likeliest]:
                self._classes[min(likeliest, other)].inc()
            return
        known = scores[~np.isnan(scores).any(axis=1)].argmax(axis=1)
        counts = np.bincount(np.minimum(known, other), minlength=other + 1)
        for index in np.flatnonzero(counts):
            self._classes[index].inc(int(counts[index]))


def _label_children(registry: CollectorRegistry, own: tuple[str, str], names: Sequence[str]) -> list[Any]:
    """Prepare one child counter per named class, then that of ``other``."""
    if not names:
        return []
    family = Counter(
        "driftlead_predictions", "Predicted rows, by class.", (*_LABELS, "label"), registry=registry
    )
    return [family.labels(*own, name) for name in [*names[:MOST_LABELS], "other"]]
