"""The schemas of requests, whose bodies are decoded without FastAPI's help and thus described here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from driftlead.service.predictor import DATATYPES

__all__ = ["INFER_OPERATION", "operation"]

_NAME = {"type": "string"}
_PARAMETERS = {"type": ["object", "null"], "description": "Taken and ignored."}
_DATATYPE = {"type": "string", "enum": list(DATATYPES)}


def _tensor(data: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": _NAME,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}},
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
            "items": _tensor("Values in row-major order, flat or nested.", parameters=_PARAMETERS),
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
    },
}

_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}

_REFUSALS = {
    400: "The body is not JSON, or a field breaks its rule.",
    404: "No such model or version.",
    408: "The body took too long to arrive.",
    413: "Too many bytes or rows.",
    415: "A compressed body, or the binary tensor format.",
    500: "The model failed.",
    503: "Too many requests at once, or shutting down; see Retry-After.",
}

_ACTION_REFUSALS = {
    400: "The body is not JSON, or a field breaks its rule.",
    401: "The service's API key is missing or wrong.",
    408: "The body took too long to arrive.",
    413: "Too many bytes.",
    415: "A compressed body.",
    503: "The store does not answer; nothing was kept; see Retry-After.",
}


def operation(
    body: dict[str, Any],
    answer: dict[str, Any],
    description: str,
    refusals: Mapping[int, str] = MappingProxyType({}),
    status: int = 200,
) -> dict[str, Any]:
    """Describe a route that takes and gives JSON, and refuses as all of them do."""
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            str(status): {"description": description, "content": {"application/json": {"schema": answer}}},
            **{
                str(code): {"description": reason, "content": {"application/json": {"schema": _ERROR}}}
                for code, reason in sorted({**_ACTION_REFUSALS, **refusals}.items())
            },
        },
    }


#: What FastAPI cannot know of ``POST …/infer``.
INFER_OPERATION: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST}}},
    "responses": {
        "200": {"description": "The prediction.", "content": {"application/json": {"schema": _RESPONSE}}},
        **{
            str(code): {"description": reason, "content": {"application/json": {"schema": _ERROR}}}
            for code, reason in _REFUSALS.items()
        },
    },
}
