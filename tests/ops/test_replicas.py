"""Four served replicas behind a round-robin are, to one Prometheus, the service that sees all traffic."""

from __future__ import annotations

import itertools
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.datasets import load_digits

from driftlead import state
from driftlead.monitor import Monitor
from executor.settings import MonitorSection
from model.artefact import load
from tests.ops.conftest import ROOT, hurried, running
from tests.programs import free_port, require_program
from tests.prometheus.test_live import ask, ask_until
from tests.service.test_deployed_model import FREE_PORTS, start

pytestmark = pytest.mark.server

REPLICAS = 4
REQUESTS, ROWS = 80, 25


@pytest.fixture
def folders(tmp_path) -> list[Path]:
    """Where the replicas, and one service more, keep their state."""
    return [tmp_path / f"state-{number}" for number in range(REPLICAS + 1)]


@pytest.fixture
def services(trained_model_path, folders) -> Iterator[list[dict[str, Any]]]:
    """Addresses of the replicas, and of one service more."""
    processes = [
        start(
            "--model",
            trained_model_path,
            *FREE_PORTS,
            OMP_NUM_THREADS="1",
            DRIFTLEAD_STORAGE__FOLDER=str(folder),
            DRIFTLEAD_MONITOR__SAVE_EVERY_SECONDS="0.5",
        )
        for folder in folders
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
    urllib.request.urlopen(request, timeout=60).close()


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


def saved(folder: Path, rows: int) -> dict[str, Any]:
    """State of a service once it holds all rows."""
    deadline = time.monotonic() + 30
    while True:
        _, values = state.load(folder / "monitor.state", "monitor")
        if values["detection"]["rows"] == rows:
            return values
        assert time.monotonic() < deadline, "the state was not saved in time"
        time.sleep(0.1)


def check_merged(folders: list[Path], model: Path) -> None:
    """The merged states of the replicas are the state of the service that saw all rows."""
    states = [saved(folder, REQUESTS * ROWS // REPLICAS) for folder in folders[:REPLICAS]]
    artefact = load(model)
    settings = MonitorSection().settings()
    merged, whole = (
        Monitor.merged(artefact.profile, of, settings).snapshot()
        for of in (states, [saved(folders[REPLICAS], REQUESTS * ROWS)])
    )
    assert merged.rows == whole.rows
    assert any(detector.drifting.any() for detector in whole.detectors)
    continuous = np.array([len(np.unique(sample)) == len(sample) for sample in artefact.profile.samples])
    assert continuous.sum() >= 8
    for mine, theirs in zip(merged.detectors, whole.detectors, strict=True):
        if mine.name != "page_hinkley":
            compared = continuous[mine.columns]
            np.testing.assert_array_equal(mine.statistic[compared], theirs.statistic[compared])
        if mine.name == "incremental_ks":
            # Pixels have few values: each monitor puts equal ones in a random order of its own.
            np.testing.assert_allclose(mine.statistic, theirs.statistic, atol=0.12)
    np.testing.assert_array_equal(merged.window_mean, whole.window_mean)


def test_replicas_are_judged_as_one(services, prometheus, folders, trained_model_path):
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
        # Prometheus extrapolates each replica's increase from a few scrapes, at moments of their own: on a
        # busy machine these are few indeed.
        np.testing.assert_allclose(values[:, 0], values[:, 1], rtol=0.15, atol=0.03)
        if statistic == "psi":
            assert values.max() > 0.25
            assert values.min() < 0.05
    check_merged(folders, trained_model_path)
