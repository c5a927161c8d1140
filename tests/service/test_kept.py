"""The deployed model is killed and comes back: rows, labels and episodes go on, and someone is told."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_digits

from driftlead.webhooks import new_secret, verify
from tests.service.test_deployed_model import FREE_PORTS, start, stop

SECRET = new_secret()
KEY = "a key for the tests"
ROWS = 50


@pytest.fixture
def told() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """URL of a receiver, and the messages that it got with a signature that holds."""
    messages: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            verify(body, dict(self.headers.items()), SECRET)
            messages.append(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/drift", messages
    server.shutdown()
    server.server_close()
    thread.join()


def begin(model, folder, url) -> tuple[subprocess.Popen[str], httpx.Client]:
    hook = [{"name": "on-call", "url": url, "secret": SECRET, "allow_private": True}]
    process = start(
        "--model",
        model,
        *FREE_PORTS,
        DRIFTLEAD_STORAGE__FOLDER=str(folder),
        DRIFTLEAD_MONITOR__SAVE_EVERY_SECONDS="0.2",
        DRIFTLEAD_SERVER__API_KEY=KEY,
        DRIFTLEAD_WEBHOOKS=json.dumps(hook),
    )
    line = process.stderr.readline()
    assert line.startswith("{"), line + process.stderr.read()
    client = httpx.Client(base_url=json.loads(line)["url"], trust_env=False, timeout=20)
    client.headers["Authorization"] = f"Bearer {KEY}"
    return process, client


def send(client: httpx.Client, name: str, rows: np.ndarray) -> None:
    tensor = {"name": "input", "shape": list(rows.shape), "datatype": "FP32", "data": rows.ravel().tolist()}
    client.post("/v2/models/digits/infer", json={"id": name, "inputs": [tensor]}).raise_for_status()


def seen(client: httpx.Client) -> dict[str, Any]:
    return client.get("/api/v1/monitor").json()


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


def test_a_killed_service_goes_on(trained_model_path, tmp_path, told):
    url, messages = told
    digits = load_digits()
    order = np.random.default_rng(2).permutation(len(digits.target))[: 30 * ROWS]
    parts = digits.images[order].reshape(30, ROWS, 8, 8)
    truth = digits.target[order].reshape(30, ROWS).tolist()
    process, client = begin(trained_model_path, tmp_path, url)
    try:
        for number in range(6):
            send(client, f"clean-{number}", parts[number])
        assert client.post("/feedback", json={"id": "clean-0", "labels": truth[0]}).json()["matched"] == ROWS
        for number in range(6, 10):
            send(client, f"drifted-{number}", parts[number][:, ::-1])
        wait_until(lambda: seen(client)["rows"] == 10 * ROWS)
        (episode,) = seen(client)["episodes"]
        wait_until(lambda: "episode.opened" in [message["type"] for message in messages])
        saved = seen(client)["state_saved_at"] or 0.0
        wait_until(lambda: (seen(client)["state_saved_at"] or 0.0) > saved)
        # What was predicted a moment ago is written within a second or so.
        wait_until(lambda: seen(client)["predictions"]["waiting"] == 0)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        client.close()

    process, client = begin(trained_model_path, tmp_path, url)
    try:
        again = seen(client)
        assert again["rows"] == 10 * ROWS
        assert [each["id"] for each in again["episodes"]] == [episode["id"]]
        assert again["labels"]["rows"] == ROWS
        told_again = client.post("/feedback", json={"id": "clean-0", "labels": truth[0]}).json()
        assert told_again["duplicate"] == ROWS
        assert (
            client.post("/feedback", json={"id": "drifted-9", "labels": truth[9]}).json()["matched"] == ROWS
        )
        path = f"/api/v1/episodes/{episode['id']}/acknowledge"
        assert client.post(path, json={"by": "mia"}).json()["status"] == "acknowledged"
        assert (
            client.post(path, json={"by": "mia"}, headers={"Authorization": "Bearer no"}).status_code == 401
        )
        for number in range(10, 30):
            send(client, f"healed-{number}", parts[number])
        # Wrong predictions were labelled too, which is an episode of its own.
        wait_until(lambda: episode["id"] not in [each["id"] for each in seen(client)["episodes"]])
        listed = client.get("/api/v1/episodes").json()["episodes"]
        (kept,) = [each for each in listed if each["id"] == episode["id"]]
        assert (kept["status"], kept["acknowledged_by"]) == ("resolved", "mia")
        resolved = ("episode.resolved", episode["id"])
        wait_until(lambda: resolved in [(each["type"], each["data"]["id"]) for each in messages])
    finally:
        code, _ = stop(process)
        client.close()
    assert code == 0
    assert {message["data"]["model"] for message in messages} == {"digits"}
