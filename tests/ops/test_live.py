"""A served model, a real Prometheus and a real Alertmanager: every panel has data, and the drift is told."""

from __future__ import annotations

import math
import re
import urllib.parse

import pytest
import yaml

from tests.ops.conftest import ROOT
from tests.ops.test_dashboards import DASHBOARDS
from tests.prometheus.test_live import ask, ask_until

pytestmark = pytest.mark.server

VALUES = {
    "$reference": "",  # comes with the metrics
    "$__rate_interval": "5s",
    "$__range": "1m",
    "$signal": "prediction:confidence",
    **dict.fromkeys(("$job", "$instance", "$model", "$version"), ".+"),
}


@pytest.fixture
def service_hook(served) -> str:
    """The service itself is told of alerts, where the shipped configuration says."""
    config = yaml.safe_load((ROOT / "configs/alertmanager.yml").read_text())
    (receiver,) = (each for each in config["receivers"] if each["name"] == "service")
    return served["url"] + urllib.parse.urlsplit(receiver["webhook_configs"][0]["url"]).path


def substitute(expression: str) -> str:
    """Put values in the place of Grafana's variables."""
    for name, value in VALUES.items():
        expression = re.sub(re.escape(name) + r"\b", value, expression)
    assert "$" not in expression
    return expression


def has_data(answer: dict) -> bool:
    assert answer["status"] == "success"
    return any(not math.isnan(float(each["value"][1])) for each in answer["data"]["result"])


def require_data(prometheus: str, expression: str) -> None:
    query = urllib.parse.urlencode({"query": substitute(expression)})
    ask_until(f"{prometheus}/api/v1/query?{query}", has_data, seconds=30)


def metrics_of_rules() -> set[str]:
    """Name the metrics, those of other rules too, that rules look at."""
    paths = (ROOT / "configs").glob("prometheus*_rules.yaml")
    groups = [group for path in paths for group in yaml.safe_load(path.read_text())["groups"]]
    expressions = " ".join(rule["expr"] for group in groups for rule in group["rules"])
    return set(re.findall(r"(?:\b\w+:)?driftlead_\w+(?::\w+)?", expressions))


def values_of(prometheus: str, query: str) -> list[str]:
    """Answer ``label_values(selector, label)`` as Grafana does."""
    selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
    match = urllib.parse.urlencode({"match[]": substitute(selector)})
    return ask(f"{prometheus}/api/v1/label/{label}/values?{match}")["data"]


def test_every_panel_variable_and_annotation_has_data_and_the_drift_is_told(prometheus, webhook):
    require_data(prometheus, 'ALERTS{alertstate="firing", alertname="DriftleadSignalDrift"}')
    # The drift is over the bins of all replicas too.
    require_data(prometheus, 'ALERTS{alertname="DriftleadPopulationDrift"}')
    # Noise has no right labels.
    require_data(prometheus, 'ALERTS{alertname="DriftleadAccuracyFalling"}')
    for name in metrics_of_rules():
        require_data(prometheus, name)
    for variable in DASHBOARDS["drift.json"]["templating"]["list"]:
        if variable["name"] == "reference":
            (VALUES["$reference"],) = values_of(prometheus, variable["query"]["query"])
    for dashboard in DASHBOARDS.values():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                require_data(prometheus, target["expr"])
        for annotation in dashboard["annotations"]["list"]:
            require_data(prometheus, annotation["expr"])
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                values = values_of(prometheus, variable["query"]["query"])
                assert values, variable["name"]
                if variable["name"] == "signal":
                    assert VALUES["$signal"] in values
    query = urllib.parse.urlencode(
        {"query": "driftlead_inference_duration_seconds_bucket", "start": 0, "end": 1 << 32}
    )
    exemplars = ask(f"{prometheus}/api/v1/query_exemplars?{query}")["data"]
    assert all(
        each["labels"]["request_id"].startswith("request-")
        for family in exemplars
        for each in family["exemplars"]
    )
    assert exemplars
    # Somebody was told of the alert, the service was, and it told of the episode itself.
    require_data(prometheus, 'driftlead_alerts_received_total{status="firing"} > 0')
    require_data(prometheus, 'driftlead_webhook_deliveries_total{outcome="delivered"} > 0')
    alerts = [message for message in webhook.messages if message.get("receiver") == "model-owners"]
    assert alerts
    assert {message["groupLabels"]["model"] for message in alerts} == {"digits"}
