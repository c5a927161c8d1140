"""What is applied to a cluster fits Kubernetes' own schemas, and its parts fit each other."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.ops.conftest import ROOT
from tests.ops.test_dashboards import DASHBOARDS
from tests.ops.test_image import last
from tests.prometheus.test_rules import promtool

FOLDER = ROOT / "ops/kubernetes"
GRAFANA = ROOT / "ops/grafana/kustomization.yaml"

#: What the Prometheus operator knows of those kinds, as far as it is used.
OPERATED = {
    "PodMonitor": {
        "spec": {"jobLabel", "selector", "sampleLimit", "podMetricsEndpoints"},
        "endpoint": {"port", "interval", "scrapeTimeout"},
    },
    "PrometheusRule": {"spec": {"groups"}},
}


def documents(folder: Path) -> list[dict[str, Any]]:
    """Return all documents that a kustomization lists; other kustomizations that it takes in are left out."""
    names = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    files = [folder / name for name in names if (folder / name).is_file()]
    assert {path.name for path in files} == {path.name for path in folder.glob("*.yaml")} - {
        "kustomization.yaml"
    }
    return [document for path in files for document in yaml.safe_load_all(path.read_text())]


RESOURCES = {(each["kind"], each["metadata"]["name"]): each for each in documents(FOLDER)}
POD = RESOURCES["StatefulSet", "driftlead"]["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
PORTS = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}


@pytest.mark.parametrize("version", ["1.28", "1.37"])
def test_resources_fit_the_schemas_of_kubernetes(version):
    checked = set()
    for key, resource in RESOURCES.items():
        if key[0] not in OPERATED:
            kubernetes_validate.validate(resource, version, strict=True)
            checked.add(key[0])
    assert checked == {"StatefulSet", "Service"}


def test_the_schemas_refuse_what_is_wrong():
    spelled = json.loads(json.dumps(RESOURCES["StatefulSet", "driftlead"]))
    spelled["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(spelled, "1.37", strict=True)


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def test_everything_finds_the_pods():
    labels = POD["metadata"]["labels"]
    stateful_set = RESOURCES["StatefulSet", "driftlead"]["spec"]
    assert selects(stateful_set["selector"]["matchLabels"], labels)
    services = {name: each["spec"] for (kind, name), each in RESOURCES.items() if kind == "Service"}
    assert services[stateful_set["serviceName"]]["clusterIP"] == "None"
    for service in services.values():
        assert selects(service["selector"], labels)
        assert {port["targetPort"]: port["port"] for port in service["ports"]} == PORTS
    monitor = RESOURCES["PodMonitor", "driftlead"]["spec"]
    assert set(monitor) == OPERATED["PodMonitor"]["spec"]
    assert selects(monitor["selector"]["matchLabels"], labels)
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert set(endpoint) == OPERATED["PodMonitor"]["endpoint"]
    assert endpoint["port"] == "metrics"
    # The rules look at job "driftlead".
    assert labels[monitor["jobLabel"]] == "driftlead"


def test_pods_are_closed_and_keep_their_state():
    security = CONTAINER["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    pod = POD["spec"]["securityContext"]
    assert pod["runAsNonRoot"]
    user, group = last("USER").split(":")
    assert (pod["runAsUser"], pod["runAsGroup"], pod["fsGroup"]) == (int(user), int(group), int(group))
    mounts = {mount["mountPath"]: mount["name"] for mount in CONTAINER["volumeMounts"]}
    (claim,) = RESOURCES["StatefulSet", "driftlead"]["spec"]["volumeClaimTemplates"]
    assert mounts == {"/var/lib/driftlead": claim["metadata"]["name"], "/tmp": "tmp"}
    assert [volume["name"] for volume in POD["spec"]["volumes"]] == ["tmp"]


def test_probes_ask_what_the_service_answers():
    assert {PORTS["http"], PORTS["metrics"]} == {int(port) for port in last("EXPOSE").split()}
    asked = {kind: CONTAINER[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")}
    assert {kind: get["path"] for kind, get in asked.items()} == {
        "startup": "/v2/health/ready",
        "readiness": "/v2/health/ready",
        "liveness": "/v2/health/live",
    }
    assert {get["port"] for get in asked.values()} == {"http"}


@pytest.mark.server
def test_rules_are_those_of_every_prometheus(tmp_path):
    script = FOLDER / "build_rule.py"
    written = tmp_path / "rule.yaml"
    subprocess.run([sys.executable, "-B", script, written], check=True, timeout=60)
    assert written.read_text() == (FOLDER / "prometheus_rule.yaml").read_text()
    rule = RESOURCES["PrometheusRule", "driftlead"]["spec"]
    assert set(rule) == OPERATED["PrometheusRule"]["spec"]
    groups = [
        group
        for path in (ROOT / "configs/prometheus_rules.yaml", ROOT / "configs/prometheus_drift_rules.yaml")
        for group in yaml.safe_load(path.read_text())["groups"]
    ]
    assert rule["groups"] == groups
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule))
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(tmp_path / "rules.yaml"))


def test_all_dashboards_are_in_the_config_map():
    kustomization = yaml.safe_load(GRAFANA.read_text())
    (config_map,) = kustomization["configMapGenerator"]
    assert sorted(config_map["files"]) == [f"dashboards/{name}" for name in DASHBOARDS]
    assert kustomization["generatorOptions"]["labels"]["grafana_dashboard"] == "1"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed on this machine")
def test_kubectl_renders_the_same():
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, check=True, timeout=60
    )
    resources = {
        (each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(rendered.stdout)
    }
    config_map = resources.pop(("ConfigMap", "driftlead-dashboards"))
    kubernetes_validate.validate(config_map, "1.37", strict=True)
    assert {name: json.loads(text) for name, text in config_map["data"].items()} == DASHBOARDS
    # A ConfigMap holds a mebibyte at most.
    assert len(json.dumps(config_map)) < 2**19
    assert resources == RESOURCES
