"""Routes that change what the monitor knows: labels, acknowledgements, a new reference, alerts."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry, Counter
from starlette.concurrency import run_in_threadpool

from driftlead.errors import InvalidDataError, InvalidParameterError, StorageError
from driftlead.monitor import Monitor
from driftlead.service.answers import json_answer
from driftlead.service.body import RequestBody
from driftlead.service.errors import RequestError, quote_value
from driftlead.service.inference import prediction_ids
from driftlead.service.json_errors import explain_decode_error
from driftlead.service.limits import ConcurrencyGate, Limits
from driftlead.service.openapi import operation

__all__ = ["add_action_routes"]

_log = logging.getLogger(__name__)

_ACTIONS_AT_ONCE = 4
# Below the seconds that a service takes to finish what is under way when it is stopped.
_LONGEST_SECONDS = 8.0
_LATER = {"Retry-After": "5"}
_NOTHING_KEPT = "the store of predictions does not answer now; nothing was kept"
# All actions may be repeated: the first label, acknowledgement or resolution stands.
_UNCERTAIN = "the store did not answer in time; what was sent may yet be kept: send it again"
_MOST_LABELS = 50_000
_MOST_ALERTS = 1_000

Label = float | int | str


class _Feedback(msgspec.Struct, forbid_unknown_fields=True):
    """The label of a request of one row, or those of all rows of a request."""

    id: str
    label: Label | None = None
    labels: list[Label] | None = None


_FEEDBACK: Any = _Feedback | list[_Feedback]


# They stand in every list of episodes.
_Name = Annotated[str, msgspec.Meta(max_length=300)]
_Note = Annotated[str, msgspec.Meta(max_length=10_000)]


class _Acknowledgement(msgspec.Struct, forbid_unknown_fields=True):
    by: _Name
    note: _Note | None = None


class _Rebaseline(msgspec.Struct, forbid_unknown_fields=True):
    by: _Name
    note: _Note | None = None
    rows: int | None = None


class _Alert(msgspec.Struct):
    """What we read of one alert in Alertmanager's webhook."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}


class _Alerts(msgspec.Struct):
    alerts: list[_Alert]


T = TypeVar("T")

# All that is not labels is short.
_LONGEST = 1024 * 1024
_LARGEST = 2**63 - 1


def add_action_routes(
    app: FastAPI,
    monitor: Monitor,
    limits: Limits,
    registry: CollectorRegistry,
    *,
    model: str,
    version: str,
    api_key: str | None,
) -> None:
    """Add the routes.

    Parameters
    ----------
    app : FastAPI
    monitor : Monitor
    limits : Limits
        Bounds on bodies.
    registry : CollectorRegistry
        Where received alerts are counted.
    model, version : str
        For that count.
    api_key : str or None
        What a client must send as ``Authorization: Bearer …``; None asks for nothing.
    """
    alerts = Counter(
        "driftlead_alerts_received",
        "Alerts that Alertmanager told this service of.",
        ("model", "version", "status"),
        registry=registry,
    )
    by_status = {status: alerts.labels(model, version, status) for status in ("firing", "resolved")}

    gate = ConcurrencyGate(limits.max_concurrent_requests)
    # Few may wait: with a database that does not answer each of them would for seconds.
    working = ConcurrencyGate(4 * _ACTIONS_AT_ONCE)
    # Threads of their own: actions that wait for a slow database must not take those that read for the page.
    threads = CapacityLimiter(_ACTIONS_AT_ONCE)

    async def act(action: Callable[[], T], missing: str = "") -> T:
        with working.enter(), _answered_in_time():
            # Left to itself where it takes too long, or the service stops: the store ends it, soon after.
            return await to_thread.run_sync(
                partial(_refusing, action, missing), limiter=threads, abandon_on_cancel=True
            )

    async def read(request: Request, kind: type[T], max_bytes: int = _LONGEST) -> T:
        body = RequestBody(request, max_bytes=max_bytes, timeout_seconds=limits.body_timeout_seconds)
        try:
            _require_key(request, api_key)
            with gate.enter():
                text = await body.read()
                # Not on the event loop, where a long text would make all others wait.
                return await run_in_threadpool(_decode, text, kind)
        except RequestError:
            await body.discard()
            raise

    @app.post("/feedback", summary="Tell the truth about earlier predictions", **FEEDBACK)
    async def feedback(request: Request) -> Response:
        sent: _Feedback | list[_Feedback] = await read(request, _FEEDBACK, limits.max_body_bytes)
        outcome = await act(lambda: monitor.feedback(*_rows(sent if isinstance(sent, list) else [sent])))
        return json_answer(
            {
                "matched": outcome.matched,
                "late": outcome.late,
                "duplicate": outcome.duplicate,
                "unmatched": outcome.unmatched,
            }
        )

    @app.post(
        "/api/v1/episodes/{episode_id}/acknowledge",
        summary="Say that a person knows of an episode",
        **ACKNOWLEDGE,
    )
    async def acknowledge(request: Request, episode_id: str) -> Response:
        sent = await read(request, _Acknowledgement)
        episode = await act(lambda: monitor.acknowledge(episode_id, sent.by, sent.note), "episode_id")
        return json_answer(episode.to_document())

    @app.post("/api/v1/episodes/{episode_id}/resolve", summary="End an episode", **RESOLVE)
    async def resolve(request: Request, episode_id: str) -> Response:
        sent = await read(request, _Acknowledgement)
        episode = await act(lambda: monitor.resolve(episode_id, sent.by, sent.note), "episode_id")
        return json_answer(episode.to_document())

    @app.post(
        "/api/v1/rebaseline",
        summary="Make what comes from now on the reference",
        **REBASELINE,
    )
    async def rebaseline(request: Request) -> Response:
        sent = await read(request, _Rebaseline)
        rows = await act(lambda: monitor.rebaseline(sent.rows, by=sent.by, note=sent.note))
        return json_answer({"rows": rows}, 202)

    @app.post("/api/v1/alerts", summary="Be told of alerts by Alertmanager", **ALERTS)
    async def receive_alerts(request: Request) -> Response:
        sent = (await read(request, _Alerts)).alerts
        if len(sent) > _MOST_ALERTS:
            raise RequestError(413, f"alerts must be at most {_MOST_ALERTS} in one message, got {len(sent)}")
        for alert in sent:
            if alert.status in by_status:
                by_status[alert.status].inc()
            name = quote_value(alert.labels.get("alertname", ""))
            _log.warning("alert %s is %s", name, quote_value(alert.status), extra={"labels": alert.labels})
        return json_answer({})


@contextmanager
def _answered_in_time() -> Iterator[None]:
    """Turn an action that takes too long, or that the end of the service cuts short, into an answer."""
    try:
        with fail_after(_LONGEST_SECONDS):
            yield
    except (TimeoutError, asyncio.CancelledError):
        raise RequestError(503, _UNCERTAIN, _LATER) from None


def _decode(text: bytes, kind: type[T]) -> T:
    try:
        # An empty body hears what it lacks, not only that nothing is no JSON.
        return msgspec.json.decode(text if text.strip(b" \t\r\n") else b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, explain_decode_error(error, text)) from None


def _require_key(request: Request, api_key: str | None) -> None:
    if api_key is None:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # As bytes: compare_digest refuses text that is not ASCII. In constant time, whatever was given.
    right = hmac.compare_digest(given.strip().encode(), api_key.encode())
    if scheme.lower() != "bearer" or not right:
        raise RequestError(
            401, "this needs the service's API key: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"}
        )


def _rows(items: list[_Feedback]) -> tuple[list[str], np.ndarray[Any, np.dtype[np.object_]]]:
    """Name every labelled row as its prediction is named."""
    ids: list[str] = []
    given: list[Label] = []
    labels_sent = sum(1 if item.labels is None else len(item.labels) for item in items)
    if labels_sent > _MOST_LABELS:
        raise RequestError(413, f"labels must be at most {_MOST_LABELS} in one request, got {labels_sent}")
    for number, item in enumerate(items):
        if (item.label is None) == (item.labels is None):
            raise RequestError(400, f"feedback[{number}] must have either label or labels")
        of_request = [item.label] if item.labels is None else item.labels
        # JSON has numbers that nothing here can hold.
        if any(isinstance(label, int) and abs(label) > _LARGEST for label in of_request):
            raise RequestError(
                400, f"feedback[{number}] must have labels of at most 64 bits, got a larger one"
            )
        ids += prediction_ids(item.id, len(of_request))
        given += of_request  # type: ignore[arg-type]
    labels = np.empty(len(given), dtype=np.object_)
    labels[:] = given
    return ids, labels


def _refusing(act: Callable[[], T], missing: str = "") -> T:
    """Do something, and turn what the library refuses into an answer."""
    try:
        return act()
    except InvalidParameterError as error:
        raise RequestError(404 if error.parameter == missing else 400, str(error)) from None
    except InvalidDataError as error:
        raise RequestError(400, str(error)) from None
    except StorageError as error:
        _log.warning("the store does not answer: %s", error)
        raise RequestError(503, _UNCERTAIN if error.uncertain else _NOTHING_KEPT, _LATER) from None


_LABEL = {"type": ["number", "string"], "description": "A class name or class index, or the true value."}
_ITEM = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string", "description": "The request's id."},
        "label": _LABEL,
        "labels": {"type": "array", "items": _LABEL, "description": "One per row of the request."},
    },
    "additionalProperties": False,
}
_WHO = {
    "by": {"type": "string", "minLength": 1, "maxLength": 300},
    "note": {"type": ["string", "null"], "maxLength": 10_000},
}
_COUNT = {"type": "integer", "minimum": 0}

FEEDBACK = operation(
    {"oneOf": [_ITEM, {"type": "array", "items": _ITEM}]},
    {
        "type": "object",
        "properties": dict.fromkeys(("matched", "late", "duplicate", "unmatched"), _COUNT),
    },
    "What became of the labels; once this is answered they are kept.",
)
_BY_WHOM = {"type": "object", "required": ["by"], "properties": _WHO, "additionalProperties": False}
ACKNOWLEDGE = operation(_BY_WHOM, {"type": "object"}, "The episode.", {404: "No such episode."})
RESOLVE = operation(_BY_WHOM, {"type": "object"}, "The episode.", {404: "No such episode."})
REBASELINE = operation(
    {
        "type": "object",
        "required": ["by"],
        "properties": {**_WHO, "rows": {"type": ["integer", "null"]}},
        "additionalProperties": False,
    },
    {"type": "object", "properties": {"rows": _COUNT}},
    "Rows that are now collected, before they become the reference.",
    status=202,
)
ALERTS = operation(
    {"type": "object", "required": ["alerts"], "properties": {"alerts": {"type": "array"}}},
    {"type": "object"},
    "Noted.",
)
