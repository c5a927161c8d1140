"""The stack without containers: a served model, Prometheus, Alertmanager, and who is told of alerts."""

from __future__ import annotations

import json
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import yaml
from sklearn.datasets import load_digits

from tests.programs import free_port, require_program
from tests.prometheus.test_live import ask_until
from tests.service.test_deployed_model import FREE_PORTS, start

ROOT = Path(__file__).parents[2]


class Webhook:
    """A receiver of alerts, which keeps the messages that Alertmanager posts."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        messages = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def running(program: str, *arguments: str, log: Path, ready: str) -> Iterator[None]:
    """Run a server program from when it is ready."""
    with log.open("wb") as output:
        process = subprocess.Popen([program, *arguments], stdout=output, stderr=subprocess.STDOUT)
        try:
            ask_until(ready, lambda answer: answer["status"] == "success" if "status" in answer else True)
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    yield made
    made.close()


@pytest.fixture
def service_hook(webhook) -> str:
    """Where Alertmanager tells the service of alerts."""
    return f"{webhook.url}service"


@pytest.fixture
def alertmanager(webhook, service_hook, tmp_path) -> Iterator[str]:
    """Run Alertmanager on the shipped configuration; its receivers call `webhook`, and none waits long."""
    config = yaml.safe_load((ROOT / "configs/alertmanager.yml").read_text())
    for receiver in config["receivers"]:
        webhooks = receiver.setdefault("webhook_configs", [{}])
        url = service_hook if receiver["name"] == "service" else webhook.url + receiver["name"]
        webhooks[0] |= {"url": url, "send_resolved": False}
    for route in (config["route"], *config["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config))
    port = free_port()
    with running(
        require_program("prometheus-alertmanager"),
        f"--config.file={path}",
        f"--storage.path={tmp_path / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        log=tmp_path / "alertmanager.log",
        ready=f"http://127.0.0.1:{port}/api/v2/status",
    ):
        yield f"127.0.0.1:{port}"


@pytest.fixture
def served(trained_model_path, webhook, tmp_path) -> Iterator[dict[str, str]]:
    """Serve the digits and send clean rows, then white noise without end, and labels; where it is."""
    told = {"name": "test", "url": f"{webhook.url}episodes", "allow_private": True}
    process = start(
        "--model",
        trained_model_path,
        *FREE_PORTS,
        DRIFTLEAD_STORAGE__FOLDER=str(tmp_path / "state"),
        DRIFTLEAD_WEBHOOKS=json.dumps([told]),
    )
    stop = threading.Event()
    with ExitStack() as stack:
        stack.callback(process.communicate, timeout=20)
        stack.callback(process.terminate)
        where = json.loads(process.stderr.readline())
        # It logs every alert that it hears of, and would wait for ever before a full pipe.
        reader = threading.Thread(target=process.stderr.read, daemon=True)
        sender = threading.Thread(target=send_traffic, args=(where["url"], stop))
        for thread in (reader, sender):
            thread.start()
        stack.callback(sender.join)
        stack.callback(stop.set)
        yield where


def hurried(rules: Path, folder: Path) -> str:
    """Copy rules, and evaluate them every second."""
    content = yaml.safe_load(rules.read_text())
    for group in content["groups"]:
        group["interval"] = "1s"
    copy = folder / rules.name
    copy.write_text(yaml.safe_dump(content))
    return str(copy)


def post(url: str, content: Any) -> None:
    request = urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=60).close()


def send_traffic(url: str, stop: threading.Event) -> None:
    rng = np.random.default_rng(3)
    digits = load_digits()
    sent = 0
    while not stop.wait(0.05):
        chosen = rng.integers(0, len(digits.images), 20)
        rows = digits.images[chosen] if sent < 400 else rng.uniform(0, 16, (20, 8, 8))
        tensor = {"name": "input", "shape": [20, 8, 8], "datatype": "FP32", "data": rows.ravel().tolist()}
        post(f"{url}/v2/models/digits/infer", {"id": f"request-{sent}", "inputs": [tensor]})
        post(f"{url}/feedback", {"id": f"request-{sent}", "labels": digits.target[chosen].tolist()})
        sent += len(rows)


@pytest.fixture
def prometheus(served, alertmanager, tmp_path) -> Iterator[str]:
    """Run Prometheus on the compose stack's configuration, with this machine's addresses; its URL."""
    program = require_program("prometheus")
    config = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [hurried(ROOT / "configs" / name, tmp_path) for name in config["rule_files"]]
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [alertmanager]}]
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [urlsplit(served["metrics_url"]).netloc]}]
    del job["dns_sd_configs"]
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    port = free_port()
    with running(
        program,
        f"--config.file={path}",
        f"--storage.tsdb.path={tmp_path / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        log=tmp_path / "prometheus.log",
        ready=f"http://127.0.0.1:{port}/api/v1/status/buildinfo",
    ):
        yield f"http://127.0.0.1:{port}"
