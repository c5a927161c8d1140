"""A served model, a real Prometheus and a real Alertmanager: every panel has data, and the drift is told."""

from __future__ import annotations

import math
import re
import time
import urllib.parse
from uuid import UUID

import pytest

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


def values_of(prometheus: str, query: str) -> list[str]:
    """Answer ``label_values(selector, label)`` as Grafana does."""
    selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
    match = urllib.parse.urlencode({"match[]": substitute(selector)})
    return ask(f"{prometheus}/api/v1/label/{label}/values?{match}")["data"]


def test_every_panel_variable_and_annotation_has_data_and_the_drift_is_told(prometheus, webhook):
    require_data(prometheus, 'ALERTS{alertstate="firing", alertname="DriftleadSignalDrift"}')
    # The drift is over the bins of all replicas too.
    require_data(prometheus, 'ALERTS{alertname="DriftleadPopulationDrift"}')
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
    assert all(UUID(each["labels"]["request_id"]) for family in exemplars for each in family["exemplars"])
    assert exemplars
    deadline = time.monotonic() + 20
    while len({message["receiver"] for message in webhook.messages}) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert {message["receiver"] for message in webhook.messages} == {"service", "model-owners"}
    for message in webhook.messages:
        assert message["groupLabels"]["model"] == "digits"
