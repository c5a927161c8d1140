"""``POST /events``: what payload loggers send, paired and handed to the monitor."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from driftlead.errors import InvalidDataError
from driftlead.service.answers import json_answer
from driftlead.service.body import RequestBody, decompress
from driftlead.service.errors import RequestError
from driftlead.service.events.envelope import Event, read_events
from driftlead.service.events.pairing import Pairs
from driftlead.service.events.translation import Translation
from driftlead.service.inference import Observer, prediction_ids
from driftlead.service.limits import ConcurrencyGate, Limits
from driftlead.service.openapi import EVENTS

__all__ = ["EventWatch", "add_event_routes"]

_log = logging.getLogger(__name__)

#: What can become of an event.
OUTCOMES = ("paired", "unpaired", "watched", "malformed", "dropped", "duplicate", "ignored")

_GZIP_MAGIC = b"\x1f\x8b"


class EventWatch:
    """Takes events in one thread and tells a monitor of their rows.

    Parameters
    ----------
    monitor : Observer
    translation : Translation
    max_bytes : int
        Most memory of events that wait for their other half, and most bytes of one payload decompressed.
    max_seconds : float
        Longest wait for the other half.

    Attributes
    ----------
    outcomes : Counter of str
        Events by what became of them: as in `Pairs`; ``watched`` where no pair is needed; ``malformed``, also
        of one that was paired, where its payload cannot be read; ``ignored``, of another type, or a side that
        no signal needs.
    """

    def __init__(
        self, monitor: Observer, translation: Translation, *, max_bytes: int, max_seconds: float
    ) -> None:
        self._monitor = monitor
        self._translation = translation
        self._max_bytes = max_bytes
        self._pairs = Pairs(max_bytes=max_bytes, max_seconds=max_seconds)
        self._own: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))

    @property
    def outcomes(self) -> Counter[str]:
        """Events so far, by outcome."""
        return Counter({name: self._own[name] + self._pairs.outcomes[name] for name in OUTCOMES})

    @property
    def waiting(self) -> int:
        """Events whose other half has not come yet."""
        return len(self._pairs)

    def count_malformed(self) -> None:
        """Count a body that holds no event."""
        self._own["malformed"] += 1

    def take(self, events: list[Event], now: float) -> None:
        """Take events; what is wrong with one is counted, and touches no other."""
        for event in events:
            try:
                self._take(event, now)
            except (InvalidDataError, RequestError) as error:
                self._own["malformed"] += 1
                _log.info("event %s cannot be watched: %s", event.key, error)
            except Exception:
                self._own["malformed"] += 1
                _log.exception("event %s cannot be watched", event.key)

    def _take(self, event: Event, now: float) -> None:
        needed = {"request": self._translation.needs_request, "response": self._translation.needs_response}
        if not needed.get(event.kind, False):
            self._own["ignored"] += 1
        elif all(needed.values()):
            pair = self._pairs.match(event, now)
            if pair is not None:
                self._watch(event.key, *pair)
        elif event.kind == "request":
            self._watch(event.key, event.data, None)
            self._own["watched"] += 1
        else:
            self._watch(event.key, None, event.data)
            self._own["watched"] += 1

    def _watch(self, key: str, request: bytes | None, response: bytes | None) -> None:
        rows, scores = self._translation.rows(self._plain(request), self._plain(response))
        self._monitor.observe(rows, ids=prediction_ids(key, len(rows)), scores=scores)

    def _plain(self, data: bytes | None) -> bytes | None:
        if data is None or not data.startswith(_GZIP_MAGIC):
            return data
        return decompress(data, self._max_bytes)


def add_event_routes(
    app: FastAPI,
    watch: EventWatch,
    limits: Limits,
    registry: CollectorRegistry,
    *,
    model: str,
    version: str,
) -> ThreadPoolExecutor:
    """Add the route and its metrics; return its thread, which the application must end.

    Parameters
    ----------
    app : FastAPI
    watch : EventWatch
    limits : Limits
    registry : CollectorRegistry
    model, version : str
        Labels of the metrics.
    """
    gate = ConcurrencyGate(limits.max_concurrent_requests)
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="driftlead-events")
    registry.register(_EventCollector(watch, (model, version)))

    @app.post("/events", summary="Take what a payload logger has seen of a model", **EVENTS)
    async def events(request: Request) -> Response:
        body = RequestBody(
            request,
            max_bytes=limits.max_body_bytes,
            timeout_seconds=limits.body_timeout_seconds,
            guess_gzip=True,
        )
        try:
            with gate.enter():
                text = await body.read()
                loop = asyncio.get_running_loop()
                taken = await loop.run_in_executor(thread, _take, watch, dict(request.headers), text)
        except RequestError:
            await body.discard()
            raise
        return json_answer({"taken": taken}, 202)

    return thread


def _take(watch: EventWatch, headers: dict[str, str], body: bytes) -> int:
    try:
        events = read_events(headers, body)
    except RequestError:
        watch.count_malformed()
        raise
    watch.take(events, time.monotonic())
    return len(events)


class _EventCollector(Collector):
    """Tells Prometheus of events."""

    def __init__(self, watch: EventWatch, own: tuple[str, str]) -> None:
        self._watch = watch
        self._own = own

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily(
            "driftlead_events_waiting",
            "Events whose other half has not come yet.",
            labels=("model", "version"),
        )
        waiting.add_metric(self._own, self._watch.waiting)
        events = CounterMetricFamily(
            "driftlead_events",
            "Events of payload loggers, by what became of them.",
            labels=("model", "version", "outcome"),
        )
        for outcome, count in self._watch.outcomes.items():
            events.add_metric((*self._own, outcome), count)
        return [waiting, events]
