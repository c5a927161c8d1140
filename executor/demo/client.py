"""The demo's side of HTTP: rows by the Open Inference Protocol V2, and the monitor's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from executor.demo.service_process import ServiceError
from executor.demo.snapshot import Snapshot, parse_snapshot

__all__ = ["ServiceClient"]


class ServiceClient:
    """One kept-open connection: requests are answered, and monitored, in the order in which they are sent.

    Parameters
    ----------
    url : str
        Root of the service.
    model, version : str
        Whom to ask.
    api_key : str or None
        The service's, where it asks for one.
    """

    def __init__(self, url: str, model: str, version: str, api_key: str | None = None) -> None:
        self._key = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._infer_path = f"/v2/models/{model}/versions/{version}/infer"
        self._http = httpx.Client(
            base_url=url,
            timeout=15.0,
            limits=httpx.Limits(max_connections=1),
            # The service is ours and near: no proxy of the environment belongs in between.
            trust_env=False,
        )

    def is_ready(self) -> bool:
        """Whether the service takes requests."""
        try:
            return self._http.get("/v2/health/ready", timeout=2.0).is_success
        except httpx.TransportError:
            return False

    def infer(self, rows: NDArray[np.float32], name: str) -> NDArray[np.int64]:
        """Send raw rows under a request's name, return the predicted class indices.

        Raises
        ------
        ServiceError
            No answer, or an error for an answer.
        """
        tensor = {
            "name": "input",
            "shape": list(rows.shape),
            "datatype": "FP32",
            # JSON has no NaN: a missing value travels as null.
            "data": [None if value != value else value for value in rows.ravel().tolist()],
        }
        answer = self._json("POST", self._infer_path, json={"id": name, "inputs": [tensor]})
        labels = next(output["data"] for output in answer["outputs"] if output["name"] == "label")
        return np.asarray(labels, dtype=np.int64)

    def tell(self, labels: Mapping[str, NDArray[np.int64]]) -> None:
        """Send the true classes of earlier requests, by their names; raises `ServiceError` like `infer`."""
        sent = [{"id": name, "labels": truth.tolist()} for name, truth in labels.items()]
        self._json("POST", "/feedback", json=sent, headers=self._key)

    def monitor(self) -> Snapshot:
        """Ask what the monitor sees; raises `ServiceError` like `infer`."""
        return parse_snapshot(self._json("GET", "/api/v1/monitor"))

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _json(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **content)
        except httpx.TransportError as error:
            raise ServiceError(
                f"no answer from {str(self._http.base_url).rstrip('/')}{path}: {type(error).__name__}"
            ) from None
        if not response.is_success:
            raise ServiceError(
                f"{method} {path} was answered with {response.status_code}: {response.text[:300]}"
            )
        parsed: dict[str, Any] = response.json()
        return parsed
