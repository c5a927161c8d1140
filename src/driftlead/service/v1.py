"""TensorFlow Serving's older protocol, as KServe has it: ``instances`` in, ``predictions`` out."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import orjson
from fastapi import FastAPI, Request, Response
from numpy.typing import NDArray

from driftlead.service.answers import json_answer
from driftlead.service.encoding import Encoded, plain_values
from driftlead.service.errors import RequestError
from driftlead.service.inference import Exchange
from driftlead.service.json_errors import explain_decode_error
from driftlead.service.json_values import decode_rows
from driftlead.service.openapi import PREDICT
from driftlead.service.predictor import Prediction, Predictor, TensorSpec
from driftlead.service.routing import InferenceRoute
from driftlead.service.tensors import Batch

__all__ = ["V1Call", "add_v1_routes"]


class _Instances(msgspec.Struct):
    instances: msgspec.Raw


class V1Call:
    """One request for predictions, of a model with one input.

    Parameters
    ----------
    body : bytes
    """

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self, predictor: Predictor, max_rows: int, exchange: Exchange) -> Batch:
        """Decode the instances; see `driftlead.service.inference.Call`."""
        if len(predictor.inputs) != 1 or not predictor.inputs[0].batched:
            raise RequestError(400, "this model takes more than one table of rows: ask it by V2")
        try:
            sent = msgspec.json.decode(self._body, type=_Instances)
        except (ValueError, RecursionError) as error:
            raise RequestError(400, explain_decode_error(error, self._body)) from None
        spec = predictor.inputs[0]
        rows = decode_rows(sent.instances, spec, "instances", max_rows, predictor.allows_missing)
        return Batch({spec.name: rows}, len(rows), {})

    def write(self, predictor: Predictor, prediction: Prediction, exchange: Exchange) -> Encoded:
        """Encode the answer: per row the one output, or an object of all."""
        columns = {spec.name: _rows(prediction.outputs[spec.name], spec) for spec in predictor.outputs}
        predictions: list[Any]
        if len(columns) == 1:
            (predictions,) = columns.values()
        else:
            rows = zip(*columns.values(), strict=True)
            predictions = [dict(zip(columns, row, strict=True)) for row in rows]
        return Encoded(orjson.dumps({"predictions": predictions}, option=orjson.OPT_SERIALIZE_NUMPY))


def add_v1_routes(app: FastAPI, route: InferenceRoute) -> None:
    """Add ``POST /v1/models/{model}:predict``."""

    @app.post("/v1/models/{model}:predict", summary="Predict, by V1", **PREDICT)
    async def predict(request: Request, model: str) -> Response:
        return await route.answer(
            request, model, None, lambda body, _: V1Call(body), lambda answer: json_answer(answer.body)
        )


def _rows(array: NDArray[Any], spec: TensorSpec) -> list[Any]:
    flat = plain_values(array, spec)
    if isinstance(flat, list):
        nested: list[Any] = np.array(flat, dtype=np.object_).reshape(array.shape).tolist()
        return nested
    return list(flat.reshape(array.shape))
