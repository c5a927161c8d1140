"""The Open Inference Protocol V2 over REST: its routes, its requests and its answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import FastAPI, Request, Response

import driftlead
from driftlead.reference import ReferenceProfile
from driftlead.service.answers import SECURITY_HEADERS, json_answer
from driftlead.service.encoding import Encoded, encode_response
from driftlead.service.errors import broken_rule
from driftlead.service.inference import Exchange, InferenceWorker
from driftlead.service.openapi import INFER, MODEL_METADATA, MODEL_READY, READY, SERVER_LIVE, SERVER_METADATA
from driftlead.service.predictor import Prediction, Predictor, TensorSpec
from driftlead.service.routing import InferenceRoute, require_model
from driftlead.service.tensors import (
    Batch,
    binary_outputs,
    decode_inputs,
    decode_request,
    select_outputs,
)

if TYPE_CHECKING:
    from driftlead.monitor import Monitor

__all__ = ["V2Call", "add_health_routes", "add_v2_routes"]

_HEADER_LENGTH = "Inference-Header-Content-Length"


class V2Call:
    """One inference request.

    Parameters
    ----------
    body : bytes
    header_length : int or None
        Length of the JSON text in it, where binary values follow.
    """

    def __init__(self, body: bytes, header_length: int | None) -> None:
        self._body = body
        self._header_length = header_length
        self._wanted: tuple[TensorSpec, ...] = ()
        self._binary: frozenset[str] = frozenset()

    def read(self, predictor: Predictor, max_rows: int, exchange: Exchange) -> Batch:
        """Decode the inputs; see `driftlead.service.inference.Call`."""
        envelope = decode_request(self._body, self._header_length)
        exchange.id = envelope.id or exchange.id
        self._wanted = select_outputs(envelope, predictor.outputs)
        self._binary = binary_outputs(envelope, self._wanted)
        return decode_inputs(
            envelope, predictor.inputs, max_rows=max_rows, allows_missing=predictor.allows_missing
        )

    def write(self, predictor: Predictor, prediction: Prediction, exchange: Exchange) -> Encoded:
        """Encode the answer."""
        return encode_response(
            predictor.name,
            predictor.version,
            exchange.id,
            prediction.outputs,
            self._wanted,
            binary=self._binary,
            parameters=prediction.parameters,
        )


def add_v2_routes(
    app: FastAPI,
    predictor: Predictor,
    worker: InferenceWorker,
    route: InferenceRoute,
    monitor: Monitor | None,
) -> None:
    """Add health, metadata and inference.

    Parameters
    ----------
    app : FastAPI
    predictor : Predictor
    worker : InferenceWorker
        Ready as long as it is open.
    route : InferenceRoute
        Answers inference requests.
    monitor : Monitor or None
        Its reference says what values the metadata call usual.
    """

    # First: an address is compared with all that come before its own.
    @app.post("/v2/models/{model}/infer", summary="Predict", **INFER)
    @app.post("/v2/models/{model}/versions/{version}/infer", summary="Predict", **INFER)
    async def infer(request: Request, model: str, version: str | None = None) -> Response:
        return await route.answer(request, model, version, _call, _response)

    @app.get("/v2", summary="Server metadata", **SERVER_METADATA)
    async def server_metadata() -> Response:
        extensions = ["binary_tensor_data"]
        return json_answer({"name": "driftlead", "version": driftlead.__version__, "extensions": extensions})

    add_health_routes(app, lambda: worker.open)
    # A person may give the monitor another reference; until then the values are computed once.
    features = lru_cache(maxsize=1)(partial(_features, predictor))

    @app.get("/v2/models/{model}", summary="Model metadata", **MODEL_METADATA)
    @app.get("/v2/models/{model}/versions/{version}", summary="Model metadata", **MODEL_METADATA)
    async def model_metadata(model: str, version: str | None = None) -> Response:
        require_model(predictor, model, version)
        usual = features(monitor.profile if monitor is not None else None)
        return json_answer(
            {
                "name": predictor.name,
                "versions": [predictor.version],
                "platform": predictor.platform,
                "inputs": [_describe(spec) | usual for spec in predictor.inputs],
                "outputs": [_describe(spec) for spec in predictor.outputs],
            }
        )

    taking = "Whether the model takes inference requests"

    @app.get("/v2/models/{model}/ready", summary=taking, **MODEL_READY)
    @app.get("/v2/models/{model}/versions/{version}/ready", summary=taking, **MODEL_READY)
    async def model_ready(model: str, version: str | None = None) -> Response:
        require_model(predictor, model, version)
        return _readiness(worker.open, name=predictor.name)


def add_health_routes(app: FastAPI, is_open: Callable[[], bool]) -> None:
    """Add ``/v2/health/live`` and ``/v2/health/ready``, which is ready as long as the application is open."""

    @app.get("/v2/health/live", summary="Whether the server runs", **SERVER_LIVE)
    async def live() -> Response:
        return json_answer({"live": True})

    @app.get("/v2/health/ready", summary="Whether the server takes requests", **READY)
    async def ready() -> Response:
        return _readiness(is_open())


def _readiness(is_open: bool, **content: Any) -> Response:
    if is_open:
        return json_answer({**content, "ready": True})
    return json_answer({**content, "ready": False, "error": "the service is shutting down"}, 503)


def _call(body: bytes, request: Request) -> V2Call:
    text = request.headers.get(_HEADER_LENGTH)
    if text is None:
        return V2Call(body, None)
    if not (text.isdecimal() and len(text) < 18 and int(text) <= len(body)):
        raise broken_rule(_HEADER_LENGTH, f"a number of bytes up to the body's {len(body)}", text)
    return V2Call(body, int(text))


def _response(answer: Encoded) -> Response:
    if answer.header_length is None:
        return json_answer(answer.body)
    headers = {**SECURITY_HEADERS, _HEADER_LENGTH: str(answer.header_length)}
    return Response(answer.body, media_type="application/octet-stream", headers=headers)


def _features(predictor: Predictor, profile: ReferenceProfile | None) -> dict[str, Any]:
    """Return names and usual values of the one input's numbers, where its numbers are the features."""
    prefix = "feature:"
    names = [each.name.removeprefix(prefix) for each in predictor.signals if each.name.startswith(prefix)]
    if len(predictor.inputs) != 1 or prod(predictor.inputs[0].shape[1:]) != len(names):
        return {}
    parameters: dict[str, Any] = {"features": names}
    samples = {}
    if profile is not None:
        samples = {
            signal.name: sample
            for signal, sample in zip(profile.signals, profile.samples, strict=True)
            if signal.kind == "numeric" and len(sample)
        }
    # Of a sample, and not its extremes: those are values of single rows.
    for key, share in (("percentile_1", 0.01), ("median", 0.5), ("percentile_99", 0.99)):
        parameters[key] = [
            float(f"{np.quantile(samples[name], share):.6g}") if name in samples else None
            for name in (prefix + each for each in names)
        ]
    return {"parameters": parameters}


def _describe(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}
