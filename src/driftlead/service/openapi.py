"""The schemas of requests and answers, which pass FastAPI by and are thus described here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI

from driftlead.service.predictor import DATATYPES

__all__ = [
    "EPISODES",
    "EVENTS",
    "INDEX",
    "INFER",
    "MODEL_METADATA",
    "MODEL_READY",
    "MONITOR",
    "PREDICT",
    "READY",
    "SERVER_LIVE",
    "SERVER_METADATA",
    "describe",
    "operation",
    "reading",
]

_NAME = {"type": "string"}
_PARAMETERS = {"type": ["object", "null"], "description": "Booleans, numbers and texts by name."}
_DATATYPE = {"type": "string", "enum": list(DATATYPES)}


def _tensor(data: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": _NAME,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": -1}},
            "datatype": _DATATYPE,
            "data": {"type": "array", "description": data},
            **more,
        },
    }


_REQUEST = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": ["string", "null"], "maxLength": 256, "description": "Echoed; made up when absent."},
        "parameters": _PARAMETERS,
        "inputs": {
            "type": "array",
            "items": _tensor(
                "Values in row-major order, flat or nested; absent where parameters.binary_data_size says "
                "how many bytes behind the JSON they are.",
                parameters=_PARAMETERS,
            ),
        },
        "outputs": {
            "type": ["array", "null"],
            "description": "Tensors asked for; all when empty or absent.",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": _NAME, "parameters": _PARAMETERS},
            },
        },
    },
}

_RESPONSE = {
    "type": "object",
    "required": ["model_name", "model_version", "id", "outputs"],
    "properties": {
        "model_name": _NAME,
        "model_version": _NAME,
        "id": _NAME,
        "outputs": {"type": "array", "items": _tensor("Values in row-major order, flat.")},
        "parameters": _PARAMETERS,
    },
}

_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}

_REFUSALS = {
    400: "The body is not JSON, or a field breaks its rule.",
    404: "No such model or version.",
    408: "The body took too long to arrive.",
    413: "Too many bytes or rows.",
    415: "A compressed body that is not gzip.",
    500: "The model failed.",
    503: "Too many requests at once, or shutting down; see Retry-After.",
}

_ACTION_REFUSALS = {
    400: "The body is not JSON, or a field breaks its rule.",
    401: "The service's API key is missing or wrong.",
    408: "The body took too long to arrive.",
    413: "Too many bytes.",
    415: "A compressed body that is not gzip.",
    503: "Too many requests at once, or the store does not answer; see Retry-After.",
}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _refused(reasons: Mapping[int, str]) -> dict[str, Any]:
    return {str(code): _json(reason, _ERROR) for code, reason in sorted(reasons.items())}


def operation(
    body: dict[str, Any],
    answer: dict[str, Any],
    description: str,
    refusals: Mapping[int, str] = MappingProxyType({}),
    status: int = 200,
) -> dict[str, Any]:
    """Describe a route that takes and gives JSON, and refuses as all of them do."""
    return {
        "status_code": status,
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": {
                str(status): _json(description, answer),
                **_refused({**_ACTION_REFUSALS, **refusals}),
            },
        },
    }


def reading(
    description: str, properties: Mapping[str, Any], refusals: Mapping[int, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Describe a route that gives a JSON object with these properties at least."""
    answer = {"type": "object", "required": list(properties), "properties": dict(properties)}
    return {"openapi_extra": {"responses": {"200": _json(description, answer), **_refused(refusals)}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the application's OpenAPI document, without the answers that FastAPI thinks it gives."""
    document = app.openapi()
    for path in document["paths"].values():
        for route in path.values():
            # What breaks a rule of a parameter is answered with 400.
            route["responses"].pop("422", None)
    return document


_TRUE, _TEXT, _COUNT = {"type": "boolean"}, {"type": "string"}, {"type": "integer", "minimum": 0}
_TEXTS, _OBJECTS = {"type": "array", "items": _TEXT}, {"type": "array", "items": {"type": "object"}}
_NO_MODEL = {404: "No such model or version."}
_NOT_READY = {503: "It is shutting down."}

INDEX = reading(
    "Where to look.", {"service": _TEXT, "model": _TEXT, "version": _TEXT, "links": {"type": "object"}}
)
SERVER_METADATA = reading("The server.", {"name": _TEXT, "version": _TEXT, "extensions": _TEXTS})
SERVER_LIVE = reading("It runs.", {"live": _TRUE})
READY = reading("It takes requests.", {"ready": _TRUE}, _NOT_READY)
MODEL_READY = reading("It takes requests.", {"name": _TEXT, "ready": _TRUE}, {**_NO_MODEL, **_NOT_READY})
MODEL_METADATA = reading(
    "The model.",
    {"name": _TEXT, "versions": _TEXTS, "platform": _TEXT, "inputs": _OBJECTS, "outputs": _OBJECTS},
    _NO_MODEL,
)
MONITOR = reading(
    "Statistics, thresholds and alarms, as of one row.",
    {"model": _TEXT, "version": _TEXT, "rows": _COUNT, "detectors": _OBJECTS, "alarms": _OBJECTS},
)
EPISODES = reading(
    "Episodes, newest first.",
    {"episodes": _OBJECTS},
    {400: "limit breaks its rule.", 503: "The store does not answer; see Retry-After."},
)

EVENTS: dict[str, Any] = {
    "status_code": 202,
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "description": "A CloudEvent: headers ce-id, ce-type and ce-specversion and a payload, or JSON.",
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "application/cloudevents+json": {"schema": {"type": "object"}},
                "application/cloudevents-batch+json": {"schema": _OBJECTS},
            },
        },
        "responses": {
            "202": _json(
                "Taken; whether it can be watched, the metrics tell.",
                {"type": "object", "required": ["taken"], "properties": {"taken": _COUNT}},
            ),
            **_refused(
                {
                    **{code: _ACTION_REFUSALS[code] for code in (408, 413, 415)},
                    400: "It is no CloudEvent.",
                    503: "Too many requests at once; see Retry-After.",
                }
            ),
        },
    },
}

_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_INFER = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST}}},
    "responses": {"200": _json("The prediction.", _RESPONSE), **_refused(_REFUSALS)},
}
_INFER["responses"]["200"]["content"].update(_BINARY)
INFER: dict[str, Any] = {"openapi_extra": _INFER}
PREDICT: dict[str, Any] = {
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["instances"],
                        "properties": {"instances": {"type": "array", "description": "One per row."}},
                    }
                }
            },
        },
        "responses": {
            "200": _json(
                "The predictions.",
                {
                    "type": "object",
                    "required": ["predictions"],
                    "properties": {"predictions": {"type": "array", "description": "One per row."}},
                },
            ),
            **_refused(_REFUSALS),
        },
    }
}
