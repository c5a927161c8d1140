"""CloudEvents over HTTP, in binary, structured and batched mode: headers and body → events."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from driftlead.service.errors import RequestError
from driftlead.service.json_errors import explain_decode_error

__all__ = ["Event", "Kind", "read_events"]

Kind = Literal["request", "response", "other"]


@dataclass(frozen=True, slots=True)
class Event:
    """What a payload logger says of one side of an exchange.

    Attributes
    ----------
    kind : {"request", "response", "other"}
        By the end of its type: KServe's and Seldon's differ in what stands before.
    key : str
        What the two sides of one exchange share: Seldon's ``requestid``, else the event's ``id``.
    data : bytes
        The payload.
    """

    kind: Kind
    key: str
    data: bytes


class _Structured(msgspec.Struct):
    id: str
    type: str
    specversion: str
    requestid: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str | None = None


def read_events(headers: Mapping[str, str], body: bytes) -> list[Event]:
    """Read the events of one HTTP request.

    Parameters
    ----------
    headers : mapping of str to str
        With names in lower case.
    body : bytes
        Decompressed.

    Raises
    ------
    RequestError
        400: it is no CloudEvent; what is missing is named.

    Notes
    -----
    CloudEvents 1.0, HTTP protocol binding, section 3. Events of version 0.3, as MLServer sends them, have
    the same headers.

    Examples
    --------
    >>> headers = {"ce-id": "7", "ce-type": "org.kubeflow.serving.inference.request", "ce-specversion": "1.0"}
    >>> read_events(headers, b"{}")
    [Event(kind='request', key='7', data=b'{}')]
    """
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/cloudevents-batch+json":
        return [_of(each) for each in _decode(body, list[_Structured])]
    if content_type == "application/cloudevents+json":
        return [_of(_decode(body, _Structured))]
    for name in ("ce-id", "ce-type", "ce-specversion"):
        if not headers.get(name):
            raise RequestError(400, f"a CloudEvent must have the header {name}, or be structured JSON")
    return [Event(_kind(headers["ce-type"]), headers.get("ce-requestid") or headers["ce-id"], body)]


def _decode(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, explain_decode_error(error, body)) from None


def _of(event: _Structured) -> Event:
    data = bytes(event.data)
    if event.data_base64 is not None:
        try:
            data = base64.b64decode(event.data_base64, validate=True)
        except ValueError:
            raise RequestError(400, "data_base64 must be base64") from None
    elif data.startswith(b'"'):
        # A payload that its sender took for text.
        data = msgspec.json.decode(data, type=str).encode()
    return Event(_kind(event.type), event.requestid or event.id, data)


def _kind(name: str) -> Kind:
    last = name.rpartition(".")[2]
    return "request" if last == "request" else "response" if last == "response" else "other"
