"""Four served replicas behind a round-robin are, to one Prometheus, the service that sees all traffic."""

from __future__ import annotations

import itertools
import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.datasets import load_digits

from tests.ops.conftest import ROOT, hurried, running
from tests.programs import free_port, require_program
from tests.prometheus.test_live import ask, ask_until
from tests.service.test_deployed_model import FREE_PORTS, start

pytestmark = pytest.mark.server

REPLICAS = 4
REQUESTS, ROWS = 80, 25


@pytest.fixture
def services(trained_model_path) -> Iterator[list[dict[str, Any]]]:
    """Addresses of the replicas, and of one service more."""
    processes = [
        start("--model", trained_model_path, *FREE_PORTS, OMP_NUM_THREADS="1") for _ in range(REPLICAS + 1)
    ]
    try:
        yield [json.loads(process.stderr.readline()) for process in processes]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.communicate(timeout=30)


@pytest.fixture
def prometheus(services, tmp_path) -> Iterator[str]:
    """Run Prometheus on the shipped rules, evaluated every second; its URL."""
    targets = [urllib.parse.urlsplit(each["metrics_url"]).netloc for each in services]
    config = {
        "global": {"scrape_interval": "1s"},
        "rule_files": [hurried(ROOT / "configs/prometheus_drift_rules.yaml", tmp_path)],
        "scrape_configs": [
            {"job_name": "driftlead", "static_configs": [{"targets": targets[:REPLICAS]}]},
            {"job_name": "whole", "static_configs": [{"targets": targets[REPLICAS:]}]},
        ],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    with running(
        require_program("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        log=tmp_path / "prometheus.log",
        ready=f"http://127.0.0.1:{port}/api/v1/status/buildinfo",
    ):
        yield f"http://127.0.0.1:{port}"


def send(url: str, rows: np.ndarray) -> None:
    tensor = {"name": "input", "shape": list(rows.shape), "datatype": "FP32", "data": rows.ravel().tolist()}
    request = urllib.request.Request(
        f"{url}/v2/models/digits/infer",
        json.dumps({"inputs": [tensor]}).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).close()


def query(prometheus: str, expression: str) -> dict[tuple, float]:
    """Values by all labels but the name."""
    answer = ask(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    return {
        tuple(sorted(item for item in each["metric"].items() if item[0] != "__name__")): float(
            each["value"][1]
        )
        for each in answer["data"]["result"]
    }


def wait_for_sum(prometheus: str, expression: str, value: float) -> None:
    asked = urllib.parse.urlencode({"query": f"sum({expression})"})
    ask_until(
        f"{prometheus}/api/v1/query?{asked}",
        lambda answer: [float(each["value"][1]) for each in answer["data"]["result"]] == [value],
    )


def test_replicas_are_judged_as_one(services, prometheus):
    wait_for_sum(prometheus, "count(driftlead_monitor_rows_total)", REPLICAS + 1)
    rng = np.random.default_rng(4)
    images = load_digits().images
    for _, replica in zip(range(REQUESTS), itertools.cycle(services[:REPLICAS]), strict=False):
        # The top of the images fades: some signals drift much, some a little, most not at all.
        rows = images[rng.integers(0, len(images), ROWS)] * np.linspace(0.7, 1, 8)[:, None]
        send(replica["url"], rows)
        send(services[REPLICAS]["url"], rows)
    wait_for_sum(prometheus, "driftlead_monitor_rows_total", 2 * REQUESTS * ROWS)

    counted = "sum without (instance, job) (driftlead_signal_bin_observations_total{job='%s'})"
    replicas = query(prometheus, counted % "driftlead")
    assert replicas == query(prometheus, counted % "whole")
    signals = {dict(labels)["signal"] for labels in replicas}
    assert sum(replicas.values()) == len(signals) * REQUESTS * ROWS

    # Rules look back at what was scraped: one more evaluation sees the last counts.
    rows = "signal:driftlead_signal_observations:increase1h{signal='prediction:confidence'} >= bool %d"
    wait_for_sum(prometheus, rows % (REQUESTS * ROWS), 2)
    for statistic in ("psi", "ks", "psi_critical"):
        compared = f"sum without (job) (signal:driftlead_signal_{statistic}:ratio1h{{job='%s'}})"
        of_replicas, of_whole = (query(prometheus, compared % job) for job in ("driftlead", "whole"))
        assert of_replicas.keys() == of_whole.keys()
        assert len(of_whole) == len(signals) - (statistic == "ks")  # the class has no order
        values = np.array([[of_replicas[key], of_whole[key]] for key in of_whole])
        # Prometheus extrapolates each replica's increase from a few scrapes, at moments of their own.
        np.testing.assert_allclose(values[:, 0], values[:, 1], rtol=0.05, atol=0.015)
        if statistic == "psi":
            assert values.max() > 0.25
            assert values.min() < 0.05
