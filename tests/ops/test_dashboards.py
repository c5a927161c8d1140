"""The dashboards are what their generator writes and keep the rules of Grafana's dashboard-linter."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import yaml

from tests.ops.conftest import ROOT
from tests.prometheus.test_rules import promtool

GRAFANA = ROOT / "ops/grafana"
DASHBOARDS = {
    path.name: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}
EXCLUSIONS = yaml.safe_load((GRAFANA / "dashboards/.lint").read_text())["exclusions"]

#: The linter's list, as far as it is used here.
UNITS = {"short", "none", "percentunit", "s", "reqps", "cps", "bytes"}

SELECTOR = re.compile(
    r"((?:\bsignal:driftlead_|(?<![:\w])(?:driftlead_|process_|scrape_|ALERTS|up\b))[\w:]*)(\{[^}]*\})?"
)

every_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)


def excluded(rule: str, dashboard: dict, panel: dict) -> bool:
    entries = EXCLUSIONS.get(rule, {}).get("entries", [])
    return {"dashboard": dashboard["title"], "panel": panel["title"]} in entries


def selectors(expression: str) -> list[tuple[str, str]]:
    return [(name, matchers or "") for name, matchers in SELECTOR.findall(expression)]


def test_committed_dashboards_are_what_the_generator_writes(tmp_path):
    script = GRAFANA / "build_dashboards.py"
    subprocess.run([sys.executable, "-B", script, tmp_path], check=True, timeout=60)
    written = {path.name: path.read_text() for path in tmp_path.glob("*.json")}
    assert written == {name: (GRAFANA / "dashboards" / name).read_text() for name in DASHBOARDS}
    assert set(DASHBOARDS) == {"overview.json", "drift.json", "quality.json", "runtime.json"}


@every_dashboard
def test_variables(dashboard):
    assert dashboard["editable"] is False
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    source = variables.pop("datasource")
    assert (source["type"], source["query"], source["label"]) == ("datasource", "prometheus", "Data source")
    for name in ("job", "instance"):
        assert variables[name]["multi"]
        assert variables[name]["includeAll"]
        assert variables[name]["allValue"] == ".+"
    for name, each in variables.items():
        assert each["label"] == name.capitalize()
        assert each["datasource"]["uid"] == "${datasource}"
        assert each["refresh"] == 2  # on a change of the time range
        assert re.fullmatch(r"label_values\(\w+(\{.*\})?, \w+\)", each["query"]["query"])


@every_dashboard
def test_panels(dashboard):
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["targets"]
        for source in (panel, *panel["targets"]):
            assert source["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        at = panel["gridPos"]
        covered = {
            (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
        }
        assert max(x for x, _ in covered) < 24
        assert not covered & cells, f"{panel['title']} lies on another panel"
        cells |= covered


@every_dashboard
def test_queries(dashboard):
    for panel in dashboard["panels"]:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            expression = target["expr"]
            assert selectors(expression), panel["title"]
            for name, matchers in selectors(expression):
                assert 'job=~"$job"' in matchers, f"{panel['title']}: {name}"
                if not excluded("target-instance-rule", dashboard, panel):
                    assert 'instance=~"$instance"' in matchers, f"{panel['title']}: {name}"
                if name.endswith("_total"):
                    ranged = rf"(rate|irate|increase)\({name}{re.escape(matchers)}\["
                    assert re.search(ranged, expression), f"{panel['title']}: {name} is a counter"
            for interval in re.findall(r"\bi?rate\([^[]*\[([^]]*)\]", expression):
                assert interval == "$__rate_interval"


@pytest.mark.server
def test_prometheus_parses_every_query(tmp_path):
    queries = [
        target["expr"]
        for dashboard in DASHBOARDS.values()
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]
    intervals = {"$__rate_interval": "1m", "$__range": "1h"}
    rules = [
        {
            "record": f"query:number{number}",
            "expr": re.sub(r"\$__\w+", lambda found: intervals[found[0]], query),
        }
        for number, query in enumerate(queries)
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", str(path))


def test_every_exclusion_is_needed_and_has_a_reason():
    panels = {
        (each["title"], panel["title"]): panel for each in DASHBOARDS.values() for panel in each["panels"]
    }
    assert set(EXCLUSIONS) == {"target-instance-rule"}
    for exclusion in EXCLUSIONS.values():
        assert exclusion["reason"]
        for entry in exclusion["entries"]:
            panel = panels[entry["dashboard"], entry["panel"]]
            assert any('instance=~"$instance"' not in target["expr"] for target in panel["targets"])


def test_dashboards_link_each_other_and_show_alerts():
    for dashboard in DASHBOARDS.values():
        (annotation,) = dashboard["annotations"]["list"]
        assert annotation["expr"].startswith('ALERTS{alertstate="firing"')
        assert dashboard["links"][0]["tags"] == dashboard["tags"]
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS)


def test_provisioning_fits_the_stack():
    compose = yaml.safe_load((ROOT / "ops/docker-compose.yml").read_text())
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["uid"] == "driftlead-prometheus"
    assert source["editable"] is False
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in compose["services"]
    config = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/driftlead.yml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    mounts = dict(volume.split(":")[:2][::-1] for volume in compose["services"]["grafana"]["volumes"])
    assert mounts[provider["options"]["path"]] == "./grafana/dashboards"
    assert mounts["/etc/grafana/provisioning"] == "./grafana/provisioning"
    home = compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.rsplit("/", 1) == [provider["options"]["path"], "overview.json"]
