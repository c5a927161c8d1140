"""A real Prometheus scrapes a real monitor, and its rules see the drift."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest
import yaml
from prometheus_client import CollectorRegistry, start_http_server
from scipy.stats import chi2

from driftlead.exporters.exposition import expose, metrics_app
from driftlead.exporters.prometheus import MonitorCollector
from driftlead.exporters.reference import reference_digest
from driftlead.monitor import Monitor, MonitorSettings
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal
from tests.programs import free_port, require_program
from tests.prometheus.test_rules import CONFIGS, promtool

pytestmark = pytest.mark.server

SIGNALS = (Signal("feature:a"), Signal("feature:b"), Signal("prediction:class", "categorical"))
LABELS = {"model": "digits", "version": "1f"}


def draw(rng: np.random.Generator, rows: int, shift: float = 0.0) -> np.ndarray:
    return np.column_stack(
        [rng.normal(shift, 1.0, rows), rng.exponential(1.0, rows), rng.integers(0, 3, rows)]
    )


@pytest.fixture
def monitor():
    rng = np.random.default_rng(2)
    profile = ReferenceProfile.from_rows(SIGNALS, draw(rng, 2_000), model_hash="1f")
    monitor = Monitor(profile, MonitorSettings(window=100))
    monitor.process(draw(rng, 1_000))
    monitor.process(draw(rng, 150, shift=2.0))
    return monitor


@pytest.fixture
def registry(monitor):
    registry = CollectorRegistry()
    registry.register(MonitorCollector(monitor, model="digits", version="1f"))
    return registry


def test_promtool_finds_nothing_to_say_about_the_metrics(registry):
    assert promtool("check", "metrics", stdin=expose(registry)[0]) == ""


def test_metrics_say_what_the_monitor_knows(monitor, registry):
    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"driftlead_{name}", {**LABELS, **labels})

    snapshot = monitor.snapshot()
    for detector in snapshot.detectors:
        for index, column in enumerate(detector.columns):
            pair = {"signal": SIGNALS[column].name, "detector": detector.name}
            assert value("signal_statistic", **pair) == detector.statistic[index]
            assert value("signal_threshold", **pair) == detector.threshold[index]
            assert value("signal_drifting", **pair) == float(column == 0)
            assert value("alarms_total", **pair) == detector.alarms[index]
    assert value("monitor_rows_total") == 1_150
    assert value("monitor_dropped_rows_total", reason="queue_full") == 0
    assert value("monitor_errors_total", where="observe") == 0
    assert value("monitor_queue_rows") == 0
    assert value("episodes_open") == 1
    assert value("signal_window_mean", signal="feature:a") == snapshot.window_mean[0]
    assert value("signal_reference_mean", signal="feature:a") == snapshot.reference_mean[0]
    reference = reference_digest(monitor.profile, snapshot.bins)
    of_b = {"signal": "feature:b", "reference": reference}
    assert sum(value("signal_bin_observations_total", **of_b, bin=str(bin)) for bin in range(12)) == 1_150
    assert value("reference_bin_ratio", **of_b, bin="1") == pytest.approx(0.1, abs=0.01)
    assert value("signal_chi_square_threshold", **of_b) == pytest.approx(chi2.ppf(1 - 0.001 / 3, 12))
    assert value("reference_observations", reference=reference) == 2_000
    assert value("reference_info", model_hash="1f", reference=reference, rows="2000", signals="3") == 1
    assert value("signals_left_out") == 0


@pytest.fixture
def prometheus(registry, tmp_path):
    """Run the shipped configuration against the monitor's metrics; answer its base URL."""
    program = require_program("prometheus")
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    server.set_app(metrics_app(registry))
    config = yaml.safe_load((CONFIGS / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(CONFIGS / name) for name in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{server.server_port}"]}]
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    port = free_port()
    log = (tmp_path / "prometheus.log").open("wb")
    process = subprocess.Popen(
        [
            program,
            f"--config.file={path}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()
        server.shutdown()
        server.server_close()
        thread.join()


def ask(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)


def ask_until(url: str, accept, seconds: float = 60.0) -> dict:
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = ask(url)
            if accept(answer):
                return answer
        except OSError:
            pass  # not listening yet
        assert time.monotonic() < deadline, f"{url} did not answer as expected in {seconds:g} s"
        time.sleep(0.2)


def test_a_real_prometheus_scrapes_the_drift_and_alerts(prometheus):
    query = urllib.parse.urlencode({"query": "driftlead_signal_drifting == 1"})
    answer = ask_until(f"{prometheus}/api/v1/query?{query}", lambda answer: answer["data"]["result"])
    found = {(each["metric"]["signal"], each["metric"]["detector"]) for each in answer["data"]["result"]}
    assert found == {("feature:a", name) for name in ("page_hinkley", "incremental_ks", "nmddm")}
    # Until the first scrape another alert may be pending: the service is not there yet.
    answer = ask_until(f"{prometheus}/api/v1/alerts", firing)
    assert firing(answer) == {"DriftleadSignalDrift"}


def firing(answer: dict) -> set[str]:
    return {each["labels"]["alertname"] for each in answer["data"]["alerts"] if each["state"] == "firing"}


def test_the_shipped_configuration_scrapes_the_default_metrics_port():
    config = yaml.safe_load((CONFIGS / "prometheus.yml").read_text())
    settings = yaml.safe_load((CONFIGS / "monitor.yaml").read_text())
    (target,) = config["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == f"127.0.0.1:{settings['server']['metrics_port']}"
    assert {CONFIGS / name for name in config["rule_files"]} == set(CONFIGS.glob("prometheus*_rules.yaml"))
