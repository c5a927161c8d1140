"""Prometheus' own tools accept the configuration, and every alert fires when it should and only then."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.programs import require_program

CONFIGS = Path(__file__).parents[2] / "configs"

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
    promtool("check", "rules", "--lint=all", "--lint-fatal", "prometheus_rules.yaml")
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


def test_every_alert_says_what_happened():
    rules = yaml.safe_load((CONFIGS / "prometheus_rules.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}
            assert "{{" not in rule["annotations"]["summary"]
            assert "{{" in rule["annotations"]["description"]
