"""Alertmanager's own tools accept the configuration, and the real one tells whom it should, once."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.parse

import pytest
import yaml

from tests.ops.conftest import ROOT, post
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
def test_severity_decides_who_is_told_beside_the_service(severity, receiver):
    labels = ["job=driftlead", "alertname=DriftleadSignalDrift", f"severity={severity}"]
    receivers = f"--verify.receivers=service,{receiver}"
    amtool("config", "routes", "test", f"--config.file={CONFIG}", receivers, *labels)


def test_inhibition_names_alerts_that_exist():
    rules = yaml.safe_load((ROOT / "configs/prometheus_rules.yaml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    for rule in yaml.safe_load(CONFIG.read_text())["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            name, _, pattern = matcher.partition(" ")
            assert name == "alertname"
            for each in pattern.split(" ", 1)[1].strip('"').split("|"):
                assert any(re.fullmatch(each, alert) for alert in alerts), each


def test_the_service_is_told_at_an_address_of_the_stack():
    receivers = {each["name"]: each for each in yaml.safe_load(CONFIG.read_text())["receivers"]}
    (webhook,) = receivers["service"]["webhook_configs"]
    where = urllib.parse.urlsplit(webhook["url"])
    stack = yaml.safe_load((ROOT / "ops/docker-compose.yml").read_text())["services"]
    assert f"127.0.0.1:{where.port}:8000" in stack[where.hostname]["ports"]


def alert(name: str, severity: str, **labels: str) -> dict:
    return {"labels": {"alertname": name, "severity": severity, "job": "driftlead", **labels}}


MODEL = {"model": "digits", "version": "1f"}


def drift(signal: str, **model: str) -> dict:
    return alert("DriftleadSignalDrift", "warning", signal=signal, detector="nmddm", **{**MODEL, **model})


def dropping(instance: str) -> dict:
    return alert("DriftleadMonitorDroppingRows", "warning", instance=instance, **MODEL)


def raise_alerts(alertmanager: str, *alerts: dict) -> None:
    post(f"http://{alertmanager}/api/v2/alerts", alerts)


def heard(webhook, count: int) -> dict[tuple[str, str], list[dict]]:
    """Wait for so many alerts at every receiver, and a while for what should not come.

    By name of the receiver, the service aside, and of the alert. The service must have heard the same.
    """
    deadline = time.monotonic() + 20
    while sum(len(message["alerts"]) for message in webhook.messages) < 2 * count:
        assert time.monotonic() < deadline, webhook.messages
        time.sleep(0.1)
    time.sleep(1.5)
    told = {
        (message["receiver"], message["groupLabels"]["alertname"]): message["alerts"]
        for message in webhook.messages
    }
    people = {key: alerts for key, alerts in told.items() if key[0] != "service"}
    assert {name for _, name in people} == {name for receiver, name in told if receiver == "service"}
    return people


def test_many_drifting_signals_are_one_message(alertmanager, webhook):
    raise_alerts(alertmanager, *[drift(f"feature:pixel_0_{column}") for column in range(8)])
    told = heard(webhook, 8)
    assert {key: len(alerts) for key, alerts in told.items()} == {("model-owners", "DriftleadSignalDrift"): 8}
    assert [message["receiver"] for message in webhook.messages].count("model-owners") == 1


def test_a_replica_that_is_down_silences_its_own_monitor_alone(alertmanager, webhook):
    raise_alerts(alertmanager, alert("DriftleadReplicaDown", "warning", instance="a:8001"))
    raise_alerts(alertmanager, dropping("a:8001"), dropping("b:8001"), drift("feature:x"))
    told = heard(webhook, 3)
    assert set(told) == {
        ("model-owners", "DriftleadReplicaDown"),
        ("model-owners", "DriftleadMonitorDroppingRows"),
        ("model-owners", "DriftleadSignalDrift"),
    }
    (left,) = told["model-owners", "DriftleadMonitorDroppingRows"]
    assert left["labels"]["instance"] == "b:8001"


def test_no_replica_at_all_silences_drift_and_single_replicas(alertmanager, webhook):
    raise_alerts(alertmanager, alert("DriftleadServiceDown", "critical"))
    down = alert("DriftleadReplicaDown", "warning", instance="a:8001")
    raise_alerts(alertmanager, drift("feature:x"), down, dropping("a:8001"))
    assert set(heard(webhook, 1)) == {("on-call", "DriftleadServiceDown")}


def test_lost_accuracy_silences_the_drift_of_its_model_alone(alertmanager, webhook):
    raise_alerts(alertmanager, alert("DriftleadAccuracyFalling", "critical", **MODEL))
    population = alert("DriftleadPopulationDrift", "warning", signal="feature:x", reference="0a", **MODEL)
    raise_alerts(alertmanager, population, drift("feature:x"), drift("feature:y", version="2e"))
    told = heard(webhook, 2)
    assert set(told) == {("on-call", "DriftleadAccuracyFalling"), ("model-owners", "DriftleadSignalDrift")}
    (left,) = told["model-owners", "DriftleadSignalDrift"]
    assert left["labels"]["version"] == "2e"
