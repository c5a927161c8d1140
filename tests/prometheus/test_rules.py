"""Prometheus' own tools accept the configuration, and every alert fires when it should and only then."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.programs import require_program

CONFIGS = Path(__file__).parents[2] / "configs"

#: Of every page in docs/runbooks.
SECTIONS = ["What it means", "What to look at", "What to do", "When to silence it"]

pytestmark = pytest.mark.server


def promtool(*arguments: str, stdin: bytes | None = None) -> str:
    result = subprocess.run(
        [require_program("promtool"), *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
        cwd=CONFIGS,
    )
    assert result.returncode == 0, result.stdout.decode()
    return result.stdout.decode()


def test_rules_and_configuration_are_valid():
    for name in ("prometheus_rules.yaml", "prometheus_drift_rules.yaml"):
        promtool("check", "rules", "--lint=all", "--lint-fatal", name)
    promtool("check", "config", "prometheus.yml")


def test_alerts_fire_when_they_should_and_only_then():
    promtool("test", "rules", "prometheus_rules_test.yaml")


def test_every_alert_has_a_case_that_fires_and_one_that_does_not():
    rules = yaml.safe_load((CONFIGS / "prometheus_rules.yaml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    cases = yaml.safe_load((CONFIGS / "prometheus_rules_test.yaml").read_text())
    checks = [check for test in cases["tests"] for check in test["alert_rule_test"]]
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == alerts
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == alerts


def test_every_alert_says_what_happened_and_what_to_do():
    rules = yaml.safe_load((CONFIGS / "prometheus_rules.yaml").read_text())
    pages = {page.name for page in (CONFIGS.parent / "docs/runbooks").glob("Driftlead*.md")}
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}
            assert "{{" not in rule["annotations"]["summary"]
            assert "{{" in rule["annotations"]["description"]
            page = f"{rule['alert']}.md"
            assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{page}"
            text = (CONFIGS.parent / "docs/runbooks" / page).read_text()
            assert re.findall("^#+ (.*)$", text, re.MULTILINE) == [rule["alert"], *SECTIONS]
            assert f"Severity: {rule['labels']['severity']}." in text
            pages.remove(page)
    assert not pages, "runbooks without an alert"
