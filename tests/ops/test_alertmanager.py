"""Alertmanager's own tools accept the configuration, and the real one tells whom it should, once."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request

import pytest
import yaml

from tests.ops.conftest import ROOT
from tests.programs import require_program

CONFIG = ROOT / "configs/alertmanager.yml"

pytestmark = pytest.mark.server


def amtool(*arguments: str) -> str:
    result = subprocess.run(
        [require_program("amtool"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_the_configuration_is_valid():
    assert "SUCCESS" in amtool("check-config", str(CONFIG))


@pytest.mark.parametrize(
    ("severity", "receiver"),
    [("critical", "on-call"), ("warning", "model-owners"), ("info", "nobody")],
)
def test_severity_decides_who_is_told(severity, receiver):
    labels = ["job=driftlead", "alertname=DriftleadSignalDrift", f"severity={severity}"]
    amtool("config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receiver}", *labels)


def test_inhibition_names_alerts_that_exist():
    rules = yaml.safe_load((ROOT / "configs/prometheus_rules.yaml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    for rule in yaml.safe_load(CONFIG.read_text())["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            if matcher.startswith("alertname = "):
                assert matcher.removeprefix("alertname = ") in alerts
    assert any(alert.startswith("DriftleadMonitor") for alert in alerts)


def alert(name: str, severity: str, **labels: str) -> dict:
    return {"labels": {"alertname": name, "severity": severity, "job": "driftlead", **labels}}


def drift(signal: str) -> dict:
    model = {"model": "digits", "version": "1f"}
    return alert("DriftleadSignalDrift", "warning", signal=signal, detector="nmddm", **model)


def dropping(instance: str) -> dict:
    return alert("DriftleadMonitorDroppingRows", "warning", instance=instance, model="digits", version="1f")


def post(alertmanager: str, *alerts: dict) -> None:
    request = urllib.request.Request(
        f"http://{alertmanager}/api/v2/alerts",
        json.dumps(alerts).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=5).close()


def heard(webhook, count: int) -> dict[tuple[str, str], list[dict]]:
    """Wait for so many alerts, and a while for what should not come: alerts by receiver and name."""
    deadline = time.monotonic() + 20
    while sum(len(message["alerts"]) for message in webhook.messages) < count:
        assert time.monotonic() < deadline, webhook.messages
        time.sleep(0.1)
    time.sleep(1.5)
    return {
        (message["receiver"], message["groupLabels"]["alertname"]): message["alerts"]
        for message in webhook.messages
    }


def test_many_drifting_signals_are_one_message(alertmanager, webhook):
    post(alertmanager, *[drift(f"feature:pixel_0_{column}") for column in range(8)])
    told = heard(webhook, 8)
    assert {key: len(alerts) for key, alerts in told.items()} == {("model-owners", "DriftleadSignalDrift"): 8}
    assert len(webhook.messages) == 1


def test_a_replica_that_is_down_silences_its_own_monitor_alone(alertmanager, webhook):
    post(alertmanager, alert("DriftleadServiceDown", "critical", instance="a:8001"))
    post(alertmanager, dropping("a:8001"), dropping("b:8001"), drift("feature:x"))
    told = heard(webhook, 3)
    assert set(told) == {
        ("on-call", "DriftleadServiceDown"),
        ("model-owners", "DriftleadMonitorDroppingRows"),
        ("model-owners", "DriftleadSignalDrift"),
    }
    (left,) = told["model-owners", "DriftleadMonitorDroppingRows"]
    assert left["labels"]["instance"] == "b:8001"


def test_no_replica_at_all_silences_drift(alertmanager, webhook):
    post(alertmanager, alert("DriftleadServiceDown", "critical"))
    post(alertmanager, drift("feature:x"))
    assert set(heard(webhook, 1)) == {("on-call", "DriftleadServiceDown")}
