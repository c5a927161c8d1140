"""Inference, one request at a time: decode, predict, encode, and hand the signals to the monitor.

One at a time, because a model's forward pass uses all cores by itself, and because then the monitor sees rows
in the order in which they were answered.

In a thread of its own, so that whoever asks for the service's health never waits for a model. Where answers
are brief, though, waking that thread takes longer than they do, and it and the event loop take the
interpreter from each other at every operation of the model: then the event loop answers by itself.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from driftlead.errors import InvalidDataError
from driftlead.service.encoding import Encoded
from driftlead.service.errors import RequestError, quote_value
from driftlead.service.metrics import ServiceMetrics
from driftlead.service.predictor import Prediction, Predictor, TensorSpec
from driftlead.service.tensors import Batch
from driftlead.signals import SignalRows

__all__ = ["Call", "Exchange", "InferenceWorker", "Observer", "prediction_ids"]

_log = logging.getLogger(__name__)


class Observer(Protocol):
    """The side of a monitor that serving sees; `driftlead.monitor.Monitor` is one."""

    def observe(
        self,
        rows: NDArray[np.float64] | SignalRows,
        ids: Sequence[str] | None = None,
        scores: NDArray[np.float32] | None = None,
    ) -> None:
        """Take rows of signals, an id of each, and what their labels will be compared with.

        Neither blocks nor raises. The id of a request's only row is the request's; where it has several,
        they are ``id/0``, ``id/1`` and so on.
        """
        ...


@dataclass(slots=True)
class Exchange:
    """What is known so far of one request.

    Attributes
    ----------
    id : str
        The client's name for it once that is read, ours until then and where it has none.
    rows : int
        Rows answered.
    """

    id: str
    rows: int = 0


class Call(Protocol):
    """A request in some protocol's words: read, then answered, both in the thread that predicts."""

    def read(self, predictor: Predictor, max_rows: int, exchange: Exchange) -> Batch:
        """Decode the inputs, and the request's id into the exchange; raises `RequestError`."""
        ...

    def write(self, predictor: Predictor, prediction: Prediction, exchange: Exchange) -> Encoded:
        """Encode the answer; raises `RequestError`."""
        ...


# An answer is brief if nobody who waits for the event loop minds. The processor's time tells: two threads in
# each other's way make brief answers seem long, and would stay two for ever. On a slow machine the
# thread takes twice the processor's time as well: there is room for that.
_BRIEF_SECONDS, _BRIEF_WAIT_SECONDS = 0.005, 0.025
# After one that takes as long as a health check may wait, the next few go to the thread.
_LONG_SECONDS = 0.1
_BRIEF_BYTES = 32_768
_MEMORY = 32  # answers
_MOST_SLOW = 1 / 16


class _Pace:
    """Whether answers have lately been brief, but for a few; until there are many, they have not."""

    def __init__(self) -> None:
        self._slow = 1.0

    @property
    def brief(self) -> bool:
        return self._slow < _MOST_SLOW

    def count(self, seconds: float, busy_seconds: float, *, answered: bool) -> None:
        """Take note of a request, from its beginning to its end, and of the processor's part of that.

        One that was refused says nothing of how long the model takes, unless it took long itself.
        """
        slow = busy_seconds > _BRIEF_SECONDS or seconds > _BRIEF_WAIT_SECONDS
        if seconds > _LONG_SECONDS:
            # A busy machine stops a process as long: some twenty brief answers are enough to come back.
            self._slow = max(self._slow, 2 * _MOST_SLOW)
        elif slow or answered:
            self._slow += (slow - self._slow) / _MEMORY


class InferenceWorker:
    """A predictor, asked by one request at a time: in a thread, or on the event loop while answers are brief.

    Only a predictor whose ``any_thread`` is true is ever asked on the event loop.

    Parameters
    ----------
    predictor : Predictor
        What predicts.
    monitor : Observer or None
        What is told of the signals of every answered row.
    metrics : ServiceMetrics
        Where phases, rows and classes are counted.
    max_rows : int
        Most rows in one request.
    """

    def __init__(
        self, predictor: Predictor, monitor: Observer | None, metrics: ServiceMetrics, *, max_rows: int
    ) -> None:
        self._predictor = predictor
        self._monitor = monitor
        self._metrics = metrics
        self._max_rows = max_rows
        self._takes_parameters = "parameters" in inspect.signature(predictor.predict).parameters
        self._any_thread = getattr(predictor, "any_thread", False)
        self._pace = _Pace()
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="driftlead-inference")
        self.open = True

    async def infer(self, call: Call, exchange: Exchange, body_bytes: int) -> Encoded:
        """Answer one request, whose body has ``body_bytes``.

        Raises
        ------
        RequestError
            400 or 413: the body does not fit. 500: the model failed. 503: closed.
        """
        if not self._any_thread:
            return await self._ask_thread(self._answer, call, exchange)
        crowded = self._turn.locked()
        await self._turn.acquire()
        holds = True
        try:
            if not crowded:
                # Each has a round of the event loop to itself: others come between, and too many are refused.
                await asyncio.sleep(0)
            small = body_bytes <= _BRIEF_BYTES
            answer = self._answer_in_time if small else self._answer
            if small and self._pace.brief:
                self._require_open()
                return answer(call, exchange)
            asked = self._ask_thread(answer, call, exchange)
            # A client that leaves does not end what the thread does for it.
            asked.add_done_callback(lambda _: self._turn.release())
            holds = False
            return await asyncio.shield(asked)
        finally:
            if holds:
                self._turn.release()

    def close(self) -> None:
        """Finish what was accepted, then end the thread."""
        self.open = False
        self._thread.shutdown(wait=True)

    def _ask_thread(
        self, answer: Callable[[Call, Exchange], Encoded], call: Call, exchange: Exchange
    ) -> asyncio.Future[Encoded]:
        self._require_open()
        return asyncio.get_running_loop().run_in_executor(self._thread, answer, call, exchange)

    def _require_open(self) -> None:
        if not self.open:
            raise RequestError(503, "the service is shutting down", {"Retry-After": "1"})

    def _answer_in_time(self, call: Call, exchange: Exchange) -> Encoded:
        started, before = perf_counter(), thread_time()
        answered = False
        try:
            encoded = self._answer(call, exchange)
            answered = True
            return encoded
        finally:
            self._pace.count(perf_counter() - started, thread_time() - before, answered=answered)

    def _answer(self, call: Call, exchange: Exchange) -> Encoded:
        started = perf_counter()
        batch = call.read(self._predictor, self._max_rows, exchange)
        decoded = perf_counter()
        try:
            prediction = self._predict(batch)
            predicted = perf_counter()
            _require_shapes(self._predictor, prediction, batch)
            _require_finite(self._predictor, prediction, batch)
            answer = call.write(self._predictor, prediction, exchange)
        except InvalidDataError as error:
            raise RequestError(400, f"inputs: {error}") from None
        except RequestError:
            raise
        except Exception:
            _log.exception("prediction failed, request %s", exchange.id, extra={"request_id": exchange.id})
            message = "the model failed on this request; the server's log has the reason under its id"
            raise RequestError(500, message) from None
        exchange.rows = batch.rows
        self._metrics.time_phases(decoded - started, predicted - decoded, perf_counter() - predicted)
        self._record(prediction, exchange)
        return answer

    def _predict(self, batch: Batch) -> Prediction:
        if self._takes_parameters:
            predict: Any = self._predictor.predict
            told: Prediction = predict(batch.arrays, parameters=batch.parameters)
            return told
        return self._predictor.predict(batch.arrays)

    def _record(self, prediction: Prediction, exchange: Exchange) -> None:
        """Tell metrics and monitor of answered rows; whatever goes wrong here, the answer stands."""
        try:
            rows = exchange.rows
            if self._monitor is not None:
                ids = prediction_ids(exchange.id, rows)
                self._monitor.observe(prediction.signals, ids=ids, scores=prediction.scores)
            self._metrics.rows.inc(rows)
            if prediction.scores is not None:
                self._metrics.count_classes(prediction.scores)
        except Exception:
            _log.exception("monitoring failed, request %s", exchange.id, extra={"request_id": exchange.id})


def prediction_ids(request_id: str, rows: int) -> list[str]:
    """Name the predictions of a request: by its own name where it has one row, else with the row's number.

    Examples
    --------
    >>> prediction_ids("42", 1), prediction_ids("42", 3)
    (['42'], ['42/0', '42/1', '42/2'])
    """
    return [request_id] if rows == 1 else [f"{request_id}/{row}" for row in range(rows)]


def _require_shapes(predictor: Predictor, prediction: Prediction, batch: Batch) -> None:
    for spec in predictor.outputs:
        shape = prediction.outputs[spec.name].shape
        expected = (batch.rows, *spec.shape[1:]) if spec.batched else spec.shape
        if shape != expected:
            raise ValueError(f"output {spec.name!r} must have shape {expected}, got {shape}")


def _require_finite(predictor: Predictor, prediction: Prediction, batch: Batch) -> None:
    """Refuse rows so extreme that the model overflows on them: what it then gives is no prediction.

    A row with missing values may have a missing answer; it leaves as ``null``.
    """
    for spec in predictor.outputs:
        if spec.dtype.kind != "f":
            continue
        values = prediction.outputs[spec.name]
        if values.dtype != spec.dtype:
            with np.errstate(over="ignore"):
                values = values.astype(spec.dtype)
        # Which rows are spoilt is asked only where any is: every request pays for this.
        if np.isfinite(values).all():
            continue
        spoilt = _whole_rows(predictor, batch) & ~_finite_rows(values, spec, batch.rows)
        if spoilt.any():
            raise InvalidDataError(
                f"row {spoilt.argmax()} (the first is 0) must be within the model's range, got values for "
                f"which its {quote_value(spec.name)} are not finite"
            )


def _whole_rows(predictor: Predictor, batch: Batch) -> NDArray[np.bool_]:
    """Whether each row came without missing values."""
    whole = np.ones(batch.rows, dtype=np.bool_)
    for spec in predictor.inputs:
        if spec.dtype.kind == "O":
            continue
        whole &= _finite_rows(batch.arrays[spec.name], spec, batch.rows)
    return whole


def _finite_rows(values: NDArray[Any], spec: TensorSpec, rows: int) -> NDArray[np.bool_]:
    """Whether each row is finite throughout; a tensor without rows belongs to all of them."""
    finite = np.isfinite(values)
    return finite.reshape(rows, -1).all(axis=1) if spec.batched else np.full(rows, finite.all())
